"""One read: what is looked at, what is emitted, what is tried again and acknowledged."""

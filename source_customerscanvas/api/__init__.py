"""Customer's Canvas over HTTP: one client, its lists, and its things as plain records."""

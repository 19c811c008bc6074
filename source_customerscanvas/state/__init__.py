"""What a stream remembers from one sync to the next."""

"""What the connector is compared with: each a program of its own that does the same work without the guarantees."""

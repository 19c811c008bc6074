"""`make bench`: the connector's speed, memory and scale, side by side with references, against the sandbox."""

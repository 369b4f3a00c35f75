"""What the program has of the outside world: a protocol each, and the real one."""

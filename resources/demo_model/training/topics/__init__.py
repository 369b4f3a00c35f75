"""What the demo model talks about, one topic a file."""

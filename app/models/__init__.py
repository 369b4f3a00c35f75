"""The models page: what is on the disk, and what can be had."""

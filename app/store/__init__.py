"""Conversations on disk: a SQLite database with their media in files beside it, behind a thread of its own."""

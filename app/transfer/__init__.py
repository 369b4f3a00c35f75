"""Conversations as files of other kinds: Markdown, a web page, PDF, and archives that can be read back."""

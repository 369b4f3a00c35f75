"""Dictation into any program: hold keys, speak, and the text appears where the cursor is."""

"""The command line: a file for each group of commands.

``add_to`` of each makes its sub-parsers and sets ``run``, which takes the parsed options and the parser and returns the
exit code. Importing them loads nothing heavy; running them does.
"""

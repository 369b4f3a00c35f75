"""The sidebar: the list of conversations, and the search through them."""

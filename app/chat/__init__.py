"""The chat pane: conversation, composer and what shows when there is no conversation yet."""

"""Questions about the screen: pick a part of it, ask, see the answer in a small window that stays on top."""

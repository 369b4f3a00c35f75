"""The webcam pane."""

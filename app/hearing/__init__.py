"""Listening: what the microphone pane, dictation and the spoken conversation share."""

"""Talking with the model: replies read aloud as they come, and conversations without hands."""

"""Pictures, sound and video to model inputs: numpy in, numpy out, equal to what Gemma 4 was trained with."""

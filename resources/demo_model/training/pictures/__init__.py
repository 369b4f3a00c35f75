"""Pictures to train and test on, drawn on the fly, with everything that can be asked about them."""

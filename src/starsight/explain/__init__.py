"""Which words made a rating, across reviews and within one, and how far that can be believed."""

"""Which model for which cost: runs that were measured on the same reviews, side by side."""

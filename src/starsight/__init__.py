"""Predict the stars of a review from its text, and show which words made the rating."""

__version__ = "0.1.0"

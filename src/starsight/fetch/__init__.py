"""Bring files from elsewhere, each one checked against its sha256 before anything reads it."""

"""Promises that the clean reviews must keep: the only importer of Great Expectations."""

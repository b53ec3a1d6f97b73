"""Clean reviews: repair the text, correct spelling, drop what is said twice."""

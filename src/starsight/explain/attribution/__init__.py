"""Ways to say how much each word matters to a rating: one class a method, one verb."""

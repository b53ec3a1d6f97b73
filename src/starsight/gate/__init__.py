"""May a challenger become champion? The decision, its evidence, and the record of it."""

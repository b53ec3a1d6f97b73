"""Read a source of reviews, record by record: each one is kept, or rejected with a reason."""

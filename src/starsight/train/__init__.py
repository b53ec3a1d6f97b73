"""Fine-tuning: batches, the loop, and what makes it survive a kill."""

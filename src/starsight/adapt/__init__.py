"""Domain pre-training: the backbone goes on learning its language from the training reviews, without their stars."""

"""Explain reviews by the attention head: one forward pass gives the rating and each word's share in it."""

from collections.abc import Sequence

import numpy as np

from starsight.explain.words import ExplainedReview, TokenScores, merge_words
from starsight.model.inference import rate_batches, within_scale
from starsight.model.predictor import Predictor


def explain_reviews(predictor: Predictor, texts: Sequence[str], stars_true: Sequence[float]) -> list[ExplainedReview]:
    """Ratings of clean texts, word by word.

    Args:
        predictor: The fine-tuned model.
        texts: Clean texts, as the model reads them.
        stars_true: The reviewers' own stars, one a text.

    Returns:
        One explanation a text, in their order.
    """
    tokens = predictor.tokenize(texts)
    reviews: dict[int, ExplainedReview] = {}
    for rows, rating in rate_batches(predictor.regressor, predictor.reviews(tokens), predictor.compute, "explain"):
        base = float(rating.bias_stars)
        for i, row in enumerate(rows):
            n = len(tokens.input_ids[row])
            scores = TokenScores(
                offsets=np.column_stack([tokens.starts[row], tokens.ends[row]]),
                weights=rating.token_weights[i, :n].double().cpu().numpy(),
                contributions=rating.contributions[i, :n].double().cpu().numpy(),
            )
            stars = within_scale(np.array([float(rating.stars[i])]))[0]
            words = merge_words(texts[row], scores)
            reviews[int(row)] = ExplainedReview(texts[row], float(stars_true[row]), float(stars), base, words)
    return [reviews[row] for row in range(len(texts))]


def largest_gap(reviews: Sequence[ExplainedReview]) -> float:
    """How far, in stars, base and contributions are from adding up to the rating, in the worst review.

    The rating is cut to 1-5; so is the sum before it is compared.
    """
    sums = [review.unheld_stars for review in reviews]
    stars = np.array([review.stars_pred for review in reviews])
    return float(np.abs(within_scale(np.array(sums)) - stars).max(initial=0.0))

"""A fine-tuned model as it is used: raw texts in, stars and their words' shares out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from starsight.clean.text import clean_text
from starsight.errors import ModelError
from starsight.model.batches import TokenizedReviews
from starsight.model.calibration import Calibration
from starsight.model.compute import Compute, choose_compute
from starsight.model.inference import rate, rate_with_distribution, within_scale
from starsight.model.rating import Rater
from starsight.model.regressor import load_regressor
from starsight.model.tokens import TOKENIZER, TokenizedTexts, load_tokenizer, tokenize_texts
from starsight.params import Cut
from starsight.tables import read_json, replacing, write_json

_INPUT = "input.json"
"""Beside the weights: what is done to a text before the network sees it."""


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """What a model says of some reviews, and how sure it is."""

    stars: Floats
    """``(reviews,)``, 1 to 5."""
    low: Floats
    """Lower end of the interval around the stars, ``(reviews,)``, 1 to 5."""
    high: Floats
    """Upper end."""
    distribution: Floats | None = None
    """``(reviews, 5)``, the network's own probabilities of 1 to 5 stars, whose mean the stars are; None where it gives
    one number."""
    probabilities: Floats | None = None
    """The same at the temperature of the calibration: how sure to be of each star."""


@dataclass(frozen=True)
class Predictor:
    """Network, tokenizer and cleaning, as they were in training: the one thing that is saved, registered and served."""

    regressor: Rater
    tokenizer: PreTrainedTokenizerFast
    corrections: Mapping[str, str]
    """Spelling corrections, from wrong to right, in lower case."""
    max_tokens: int
    compute: Compute
    cut: Cut = "head"
    """What is kept of a text that is longer."""
    calibration: Calibration | None = None
    """Its errors on reviews kept for that; None in models from before they were measured."""

    @classmethod
    def load(cls, folder: Path | str) -> "Predictor":
        """Read what ``save`` wrote.

        Raises:
            DataError, ModelError: a file is missing or broken.
        """
        folder = Path(folder)
        facts = read_json(folder / _INPUT)
        regressor = load_regressor(folder)
        tokenizer = load_tokenizer(folder / TOKENIZER, regressor.family)
        cut = facts.get("cut", "head")  # models from before there was a choice
        corrections, max_tokens = facts.get("corrections"), facts.get("max_tokens")
        if not isinstance(corrections, dict) or not isinstance(max_tokens, int):
            raise ModelError(f"{folder / _INPUT} lacks corrections or max_tokens; fine-tune again.")
        calibration = Calibration.load(folder)
        return cls(regressor, tokenizer, corrections, max_tokens, choose_compute(), cut, calibration)

    def save(self, folder: Path) -> None:
        """Write everything, replacing ``folder`` as a whole."""
        with replacing(folder) as partial:
            partial.mkdir()
            self.regressor.save(partial)
            self.tokenizer.save_pretrained(partial / TOKENIZER)
            facts = {"max_tokens": self.max_tokens, "cut": self.cut, "corrections": dict(self.corrections)}
            write_json(facts, partial / _INPUT)
            if self.calibration is not None:
                self.calibration.save(partial)

    def rate_texts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Stars of raw texts, ``(reviews,)``, 1 to 5. A text is cleaned as the training reviews were."""
        return self.rate_clean_texts(self._clean(texts))

    def rate_clean_texts(self, texts: Sequence[str], *, cut: bool = True) -> NDArray[np.float64]:
        """Stars of texts that are clean already, ``(reviews,)``; 1 to 5 unless ``cut`` is False."""
        if not texts:
            return np.empty(0)
        stars = rate(self.regressor, self.reviews(self.tokenize(texts)), self.compute, "predict")
        return within_scale(stars) if cut else stars

    def predict_texts(self, texts: Sequence[str]) -> Predictions:
        """Stars of raw texts with their intervals.

        Raises:
            ModelError: the model is not calibrated.
        """
        return self.predict_clean_texts(self._clean(texts))

    def predict_clean_texts(self, texts: Sequence[str]) -> Predictions:
        """Stars of texts that are clean already, with their intervals.

        Raises:
            ModelError: the model is not calibrated.
        """
        if self.calibration is None:
            raise ModelError(
                "this model has no intervals: it was fine-tuned before they were measured; run dvc repro finetune."
            )
        if not texts:
            return Predictions(np.empty(0), np.empty(0), np.empty(0))
        reviews = self.reviews(self.tokenize(texts))
        stars, distribution = rate_with_distribution(self.regressor, reviews, self.compute, "predict")
        low, high = self.calibration.intervals(stars)
        probabilities = None if distribution is None else self.calibration.scaled(distribution)
        return Predictions(within_scale(stars), low, high, distribution, probabilities)

    def _clean(self, texts: Sequence[str]) -> list[str]:
        return [clean_text(text, self.corrections) for text in texts]

    def tokenize(self, texts: Sequence[str]) -> TokenizedTexts:
        """Tokens of clean texts, as many as the network reads."""
        return tokenize_texts(self.tokenizer, texts, self.max_tokens, self.cut)

    def reviews(self, tokens: TokenizedTexts) -> TokenizedReviews:
        """Tokens as the network takes them; their stars are not known."""
        input_ids = [np.array(ids, dtype=np.int64) for ids in tokens.input_ids]
        return TokenizedReviews(input_ids, np.full(len(input_ids), np.nan, np.float32), self.tokenizer.pad_token_id)

"""A fine-tuned model as it is used: raw texts in, stars and their words' shares out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from starsight.clean.text import clean_text
from starsight.model.batches import TokenizedReviews
from starsight.model.compute import Compute, choose_compute
from starsight.model.inference import rate, within_scale
from starsight.model.rating import Rater
from starsight.model.regressor import load_regressor
from starsight.model.tokens import TOKENIZER, TokenizedTexts, load_tokenizer, tokenize_texts
from starsight.params import Cut
from starsight.tables import read_json, replacing, write_json

_INPUT = "input.json"
"""Beside the weights: what is done to a text before the network sees it."""


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
        return cls(regressor, tokenizer, facts["corrections"], facts["max_tokens"], choose_compute(), cut)

    def save(self, folder: Path) -> None:
        """Write everything, replacing ``folder`` as a whole."""
        with replacing(folder) as partial:
            partial.mkdir()
            self.regressor.save(partial)
            self.tokenizer.save_pretrained(partial / TOKENIZER)
            facts = {"max_tokens": self.max_tokens, "cut": self.cut, "corrections": dict(self.corrections)}
            write_json(facts, partial / _INPUT)

    def rate_texts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Stars of raw texts, ``(reviews,)``, 1 to 5. A text is cleaned as the training reviews were."""
        return self.rate_clean_texts([clean_text(text, self.corrections) for text in texts])

    def rate_clean_texts(self, texts: Sequence[str], *, cut: bool = True) -> NDArray[np.float64]:
        """Stars of texts that are clean already, ``(reviews,)``; 1 to 5 unless ``cut`` is False."""
        if not texts:
            return np.empty(0)
        stars = rate(self.regressor, self.reviews(self.tokenize(texts)), self.compute, "predict")
        return within_scale(stars) if cut else stars

    def tokenize(self, texts: Sequence[str]) -> TokenizedTexts:
        """Tokens of clean texts, as many as the network reads."""
        return tokenize_texts(self.tokenizer, texts, self.max_tokens, self.cut)

    def reviews(self, tokens: TokenizedTexts) -> TokenizedReviews:
        """Tokens as the network takes them; their stars are not known."""
        input_ids = [np.array(ids, dtype=np.int64) for ids in tokens.input_ids]
        return TokenizedReviews(input_ids, np.full(len(input_ids), np.nan, np.float32), self.tokenizer.pad_token_id)

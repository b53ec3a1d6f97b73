"""A network whose every answer is known on paper: each token has one number, and the rating is their mean."""

from types import SimpleNamespace

import numpy as np
import torch
from miniature import CPU, make_reviews, tiny_tokenizer
from torch import nn

from starsight.explain.reviews import explain_reviews
from starsight.model.head import AttentionHead, MeanHead
from starsight.model.objective import make_objective
from starsight.model.predictor import Predictor
from starsight.model.regressor import StarRegressor
from starsight.model.target import STARS_AS_THEY_ARE

TEXTS = make_reviews(12)["text"].tolist()
BIAS = 3.0


class KnownBackbone(nn.Module):
    """Hands on the tokens' numbers, 0 for special ones, as states of width 1; and the attention that it was given."""

    def __init__(self, vocabulary, special_ids, seed=0, attentions=()):
        super().__init__()
        self.table = nn.Embedding(vocabulary, 1)
        torch.manual_seed(seed)
        nn.init.normal_(self.table.weight)
        self.table.weight.data[special_ids] = 0
        self.attentions = attentions
        self.config = SimpleNamespace(hidden_size=1, _attn_implementation="eager")

    def get_input_embeddings(self):
        return self.table

    def forward(self, input_ids, attention_mask, output_attentions=False):
        attentions = tuple(each(attention_mask) for each in self.attentions)
        return SimpleNamespace(last_hidden_state=self.table(input_ids), attentions=attentions)


def known_predictor(seed=0, attentions=(), head="mean"):
    """Rates a review with 3 stars and the mean of its tokens' numbers."""
    tokenizer = tiny_tokenizer("bert")
    top = MeanHead(1) if head == "mean" else AttentionHead(1)
    with torch.no_grad():
        top.output.weight.fill_(1)
        top.output.bias.fill_(BIAS)
        if head == "attention":
            top.value.weight.fill_(1)
            top.value.bias.zero_()
    backbone = KnownBackbone(len(tokenizer), tokenizer.all_special_ids, seed, attentions)
    regressor = StarRegressor(backbone, top, make_objective("mse", STARS_AS_THEY_ARE), "bert").eval()
    return Predictor(regressor, tokenizer, {}, 64, CPU)


def explained(predictor, texts=TEXTS):
    return explain_reviews(predictor, texts, [3.0] * len(texts))


def assert_words_close(found, expected, atol=1e-5):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=atol)

"""The attention head against the paper's formula, written out the long way."""

import math

import torch

from starsight.model.head import AttentionHead


def test_the_score_equals_the_papers_formula():
    torch.manual_seed(1)
    head = AttentionHead(width=6)
    states = torch.randn(1, 4, 6)
    output = head(states, torch.ones(1, 4, dtype=torch.bool))

    queries, keys, values = head.query(states[0]), head.key(states[0]), head.value(states[0])
    attention = (queries @ keys.T / math.sqrt(6)).softmax(-1)
    pooled = (attention @ values).mean(0)
    torch.testing.assert_close(output.score[0], head.output(pooled)[0])


def test_a_single_token_takes_all_the_weight():
    output = AttentionHead(width=6)(torch.randn(1, 1, 6), torch.ones(1, 1, dtype=torch.bool))
    assert output.token_weights.item() == 1.0


def test_equal_tokens_share_the_weight_equally():
    states = torch.randn(1, 1, 6).expand(1, 5, 6)
    output = AttentionHead(width=6)(states, torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(output.token_weights, torch.full((1, 5), 0.2))

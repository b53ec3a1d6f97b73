"""The heads: the paper's formula written out the long way, and two whose answer is known on paper."""

import math
from typing import get_args

import pytest
import torch
from torch import nn

from starsight.model.head import AttentionHead, MeanHead, SummaryHead, make_head
from starsight.params import HeadName

STATES = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [9.0, 9.0]]])
"""One review of two tokens and one of padding."""
MASK = torch.tensor([[True, True, False]])


def with_unit(head, weights, bias):
    """The head, its linear unit set to known numbers."""
    with torch.no_grad():
        head.output.weight.copy_(torch.tensor(weights))
        head.output.bias.copy_(torch.tensor(bias))
    return head


def test_the_score_equals_the_papers_formula():
    torch.manual_seed(1)
    head = AttentionHead(width=6)
    states = torch.randn(1, 4, 6)
    output = head(states, torch.ones(1, 4, dtype=torch.bool))

    queries, keys, values = head.query(states[0]), head.key(states[0]), head.value(states[0])
    attention = (queries @ keys.T / math.sqrt(6)).softmax(-1)
    pooled = (attention @ values).mean(0)
    torch.testing.assert_close(output.logits[0], head.output(pooled))


def test_the_attention_head_draws_its_weights_in_the_order_of_the_first_saved_models():
    torch.manual_seed(3)
    layers = {name: nn.Linear(8, 8) for name in ("query", "key", "value")} | {"output": nn.Linear(8, 1)}
    torch.manual_seed(3)
    weights = make_head("attention", 8, 1, "first").state_dict()
    assert list(weights) == [f"{name}.{part}" for name in layers for part in ("weight", "bias")]
    for name, layer in layers.items():
        assert torch.equal(weights[f"{name}.weight"], layer.weight)
        assert torch.equal(weights[f"{name}.bias"], layer.bias)


def test_a_single_token_takes_all_the_weight():
    output = AttentionHead(width=6)(torch.randn(1, 1, 6), torch.ones(1, 1, dtype=torch.bool))
    assert output.token_weights.item() == 1.0


def test_equal_tokens_share_the_weight_equally():
    states = torch.randn(1, 1, 6).expand(1, 5, 6)
    output = AttentionHead(width=6)(states, torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(output.token_weights, torch.full((1, 5), 0.2))


def test_the_mean_head_gives_every_real_token_the_same_weight():
    output = with_unit(MeanHead(2), [[1.0, 10.0]], [0.5])(STATES, MASK)
    assert output.token_weights.tolist() == [[0.5, 0.5, 0.0]]
    assert output.token_scores[:, :, 0].tolist() == [[0.5, 11.5, 0.0]]
    assert output.logits.tolist() == [[12.5]]


@pytest.mark.parametrize(("summary_token", "place", "score"), [("first", 0, 1.0), ("last", 1, 23.0)])
def test_the_cls_head_reads_one_real_token(summary_token, place, score):
    output = with_unit(SummaryHead(2, summary_token), [[1.0, 10.0]], [0.5])(STATES, MASK)
    assert output.token_weights[0].tolist() == [float(i == place) for i in range(3)]
    assert output.token_scores[0, place].tolist() == [score]
    assert output.logits.tolist() == [[score + 0.5]]


@pytest.mark.parametrize(("summary_token", "place"), [("first", 1), ("last", 2)])
def test_the_cls_head_finds_its_token_behind_padding_too(summary_token, place):
    mask = torch.tensor([[False, True, True, False]])
    output = SummaryHead(2, summary_token)(torch.randn(1, 4, 2), mask)
    assert output.token_weights[0].argmax() == place


@pytest.mark.parametrize("name", get_args(HeadName))
def test_five_outputs_split_into_their_tokens(name):
    torch.manual_seed(2)
    head = make_head(name, 2, 5, "first")
    output = head(STATES, MASK)
    assert head.name == name
    assert output.logits.shape == (1, 5)
    assert output.token_scores.shape == (1, 3, 5)
    torch.testing.assert_close(output.bias + output.token_scores.sum(1), output.logits)

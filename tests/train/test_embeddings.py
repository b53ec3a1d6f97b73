"""Adversaries and mixup: on a network whose answer is known on paper, one embedding, one number wide, and on every
family."""

from typing import get_args

import numpy as np
import pytest
import torch
from miniature import tiny_regressor, tiny_tokenizer
from torch import nn

from starsight.model.batches import pad
from starsight.model.embeddings import embeddings_changed
from starsight.params import AdapterParams, AdversaryParams, FamilyName
from starsight.train.adapters import add_adapter
from starsight.train.embeddings import _Shift, backward, mixed
from starsight.train.optimizer import freeze_layers


class OneNumber(nn.Module):
    """Answers with the embedding of its only word, 3."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(1, 1)
        self.words.weight.data.fill_(3.0)
        self.seen = []

    family = "bert"

    @property
    def backbone(self):
        return self

    def get_input_embeddings(self):
        return self.words

    def forward(self):
        answer = self.words(torch.tensor([[0]])).sum()
        self.seen.append(float(answer))
        return answer


def adversary(kind, steps=1, epsilon=0.5, step_size=0.25):
    return AdversaryParams(kind=kind, epsilon=epsilon, steps=steps, step_size=step_size)


def test_without_an_adversary_the_gradient_is_the_losss():
    network = OneNumber()
    loss = backward(lambda: network() ** 2, network, adversary("none"))
    assert (float(loss), float(network.words.weight.grad)) == (9, 6)  # d x^2 / dx at 3
    assert not loss.requires_grad


def test_fgm_adds_the_gradient_at_the_embedding_moved_up_the_loss():
    network = OneNumber()
    loss = backward(lambda: network() ** 2, network, adversary("fgm", epsilon=0.5))
    assert network.seen == [3.0, 3.5]
    assert float(loss) == 9
    assert float(network.words.weight.grad) == pytest.approx(6 + 7)


def test_freelb_climbs_within_its_bound_and_takes_the_mean_of_what_it_met():
    torch.manual_seed(0)
    network = OneNumber()
    loss = backward(lambda: network() ** 2, network, adversary("freelb", steps=6))
    shifts = [seen - 3 for seen in network.seen]
    assert len(shifts) == 6
    assert max(map(abs, shifts)) <= 0.5 + 1e-6
    assert shifts[0] < shifts[1] <= shifts[-1] == pytest.approx(0.5)
    assert float(loss) == pytest.approx(sum(seen**2 for seen in network.seen) / 6)
    assert float(network.words.weight.grad) == pytest.approx(sum(2 * seen for seen in network.seen) / 6)


def test_the_embeddings_are_themselves_again_afterwards():
    network = OneNumber()
    for kind in ("fgm", "freelb"):
        backward(lambda: network() ** 2, network, adversary(kind))
    with embeddings_changed(network, lambda embedded: embedded + 1):
        assert float(network()) == 4
    assert float(network()) == 3


def test_a_network_that_looks_nothing_up_is_refused():
    with pytest.raises(RuntimeError, match="did not look its tokens up"), embeddings_changed(OneNumber(), torch.sin):
        pass


SETTINGS = {"rank": 4, "alpha": 8.0, "virtual_tokens": 3}
every_family = pytest.mark.parametrize("family", get_args(FamilyName))
every_start = pytest.mark.parametrize("start", ["none", "lora", "prompt", "frozen"])


def started(family, start):
    """A network whose table learns, stands still, or is read in another place, and the padding its table knows."""
    regressor = tiny_regressor(family, tiny_tokenizer(family))
    if start == "frozen":
        freeze_layers(regressor, 1)
    else:
        add_adapter(regressor, AdapterParams(kind=start, **SETTINGS), max_tokens=64)
    padding = regressor.backbone.get_input_embeddings().padding_idx  # MPNet's is 1, whatever the tokenizer's
    return regressor, padding or 0


def two_reviews(padding, own=(7, 8, 9, 10), partner=range(11, 30)):
    """A short review and a longer one as one batch."""
    return pad([np.array(own), np.array(partner)], padding)


@every_family
@every_start
def test_the_shift_of_every_review_has_the_stated_length(family, start, monkeypatch):
    regressor, padding = started(family, start)
    batch = two_reviews(padding)
    shifts = []
    original = _Shift.set
    monkeypatch.setattr(_Shift, "set", lambda self, value: (shifts.append(value), original(self, value)))
    backward(lambda: regressor(*batch).logits.square().sum(), regressor, adversary("fgm", epsilon=1.0))
    assert shifts[-1].shape == (*batch[0].shape, 32)
    torch.testing.assert_close(shifts[-1].flatten(1).norm(dim=1), torch.ones(2))


@every_family
@every_start
def test_a_review_that_is_wholly_its_longer_partner_is_rated_like_the_partner_alone(family, start):
    regressor, padding = started(family, start)
    input_ids, mask = two_reviews(padding)
    alone = regressor(input_ids[1:], mask[1:]).stars
    other = (input_ids[[1, 0]], mask[[1, 0]])
    with torch.no_grad(), mixed(regressor, (input_ids, mask), other, 0.0) as batch:
        torch.testing.assert_close(regressor(*batch).stars[:1], alone, atol=1e-5, rtol=0)


@every_family
@every_start
def test_a_mixed_review_has_a_share_of_both_and_behind_the_shorter_a_share_of_the_longer(family, start):
    regressor, padding = started(family, start)
    (input_ids, mask), seen = two_reviews(padding), []
    plain = regressor.backbone.get_input_embeddings()(input_ids)
    with (
        torch.no_grad(),
        mixed(regressor, (input_ids, mask), (input_ids[[1, 0]], mask[[1, 0]]), 0.75) as (read_ids, read),
        embeddings_changed(regressor, lambda embedded: (seen.append(embedded), embedded)[1]),
    ):
        regressor(read_ids, read)
    (embedded,) = seen
    assert torch.equal(read, mask[1:].expand(2, -1))
    torch.testing.assert_close(embedded[0, :4], 0.75 * plain[0, :4] + 0.25 * plain[1, :4])
    torch.testing.assert_close(embedded[0, 4:19], 0.25 * plain[1, 4:19])
    torch.testing.assert_close(embedded[1, 4:19], 0.75 * plain[1, 4:19])

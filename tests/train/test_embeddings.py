"""Adversaries and mixup, on a network whose answer is known on paper: one embedding, one number wide."""

import pytest
import torch
from torch import nn

from starsight.params import AdversaryParams
from starsight.train.embeddings import backward, embeddings_changed, mix


class OneNumber(nn.Module):
    """Answers with the embedding of its only word, 3."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(1, 1)
        self.words.weight.data.fill_(3.0)
        self.seen = []

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


def test_mixing_takes_a_share_of_each_review_of_a_pair():
    embedded = torch.tensor([[[0.0, 0.0]], [[4.0, 8.0]]])
    mixed = mix(embedded, torch.tensor([1, 0]), 0.75)
    torch.testing.assert_close(mixed, torch.tensor([[[1.0, 2.0]], [[3.0, 6.0]]]))

"""The methods of attribution, on a network that is known on paper and on every family."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from known import BIAS, TEXTS, assert_words_close, explained, known_predictor
from miniature import CPU, tiny_regressor, tiny_tokenizer

from starsight.explain.attribution.choice import N_SEEDS, choose_methods
from starsight.explain.attribution.gradients import GradientTimesInput, IntegratedGradients
from starsight.explain.attribution.head import RandomRanking, UniformWeights, UntrainedHead
from starsight.explain.attribution.layers import attention_by_layer, read_attentions
from starsight.explain.attribution.method import LABELS, read_batches
from starsight.explain.attribution.rollout import AttentionRollout
from starsight.explain.attribution.shapley import PartitionShap
from starsight.explain.removal import Removals
from starsight.model.ensemble import Ensemble
from starsight.model.predictor import Predictor
from starsight.model.prefix import PrefixedBackbone
from starsight.params import FamilyName

every_family = pytest.mark.parametrize("family", get_args(FamilyName))


def tiny_predictor(family, seed=0, head="attention"):
    tokenizer = tiny_tokenizer(family)
    return Predictor(tiny_regressor(family, tokenizer, seed, head), tokenizer, {}, 64, CPU)


def shap_values(predictor, evaluations=400, n_reviews=3, seed=0):
    return PartitionShap(
        predictor, removal="mask", max_reviews=n_reviews, evaluations=evaluations, seed=seed
    ).attribute(explained(predictor))


def choose(predictor):
    return choose_methods(predictor, removal="delete", shap_reviews=2, shap_evaluations=20, seed=0)


@pytest.mark.parametrize("method", [GradientTimesInput, IntegratedGradients])
def test_gradients_of_a_sum_are_its_parts(method):
    predictor = known_predictor()
    reviews = explained(predictor)
    assert_words_close(method(predictor).attribute(reviews), [review.words.contributions for review in reviews])


def test_shapley_values_of_a_sum_are_its_parts():
    predictor = known_predictor()
    expected = []
    for review in explained(predictor)[:3]:
        parts = np.zeros(len(review.words.words))
        parts[review.words.removable] = review.words.contributions[review.words.removable]
        expected.append(parts)
    assert_words_close(shap_values(predictor, evaluations=2000), expected)


def test_shapley_values_add_up_to_what_all_words_do_even_where_the_evaluations_run_out():
    predictor = tiny_predictor("bert")
    reviews = explained(predictor)[:3]
    few = PartitionShap(predictor, removal="delete", max_reviews=3, evaluations=20, seed=0).attribute(reviews)
    removals = Removals(predictor, reviews, "delete")
    emptied = removals.rate([(i, review.words.removable) for i, review in enumerate(reviews)], "test")
    np.testing.assert_allclose([each.sum() for each in few], removals.rate_whole() - emptied, atol=1e-4)


def test_shap_answers_for_the_first_reviews_and_the_same_twice_without_touching_others_draws():
    predictor = tiny_predictor("bert")
    state = np.random.get_state()[1].copy()
    first, again = shap_values(predictor, 30, 2), shap_values(predictor, 30, 2)
    assert (np.random.get_state()[1] == state).all()
    assert len(first) == 2
    assert_words_close(first, again, atol=0)


def test_a_review_of_one_word_and_one_of_none_have_shapley_values():
    predictor = known_predictor()
    reviews = explained(predictor, ["lovely", "?!", ""])
    values = PartitionShap(predictor, removal="mask", max_reviews=3, evaluations=20, seed=0).attribute(reviews)
    assert_words_close(values, [reviews[0].words.contributions, np.zeros(2), np.zeros(0)])


@pytest.mark.parametrize("family", ["bert", "t5", "xlnet", "gpt2", "llama", "esm"])
def test_integrated_gradients_and_their_base_add_up_to_the_rating_but_for_the_delta(family):
    predictor = tiny_predictor(family, head="cls")
    reviews = explained(predictor)
    (batch,) = read_batches(predictor, reviews, "test", len(reviews))
    method = IntegratedGradients(predictor, steps=64)
    method.attribute(reviews)
    base, deltas = method.base_stars[batch.rows].copy(), method.convergence_deltas[batch.rows].copy()
    scores = method.score(predictor.regressor, batch)
    stars = predictor.rate_clean_texts(TEXTS, cut=False)[batch.rows]
    np.testing.assert_allclose(base + scores.sum(1).numpy() - deltas, stars, atol=1e-4)
    assert scores[~batch.of_text].abs().max() == 0
    assert np.abs(deltas).max() < 0.02
    assert np.abs(stars - base).max() > 2e-3


def test_the_baseline_of_integrated_gradients_hides_every_word():
    predictor = known_predictor()
    method = IntegratedGradients(predictor)
    method.attribute(explained(predictor))
    np.testing.assert_allclose(method.base_stars, BIAS, atol=1e-6)


@pytest.mark.parametrize("method", [GradientTimesInput, IntegratedGradients, AttentionRollout])
def test_an_ensemble_is_explained_by_the_mean_of_its_members(method):
    predictors = [tiny_predictor("bert", seed) for seed in (1, 2)]
    together = replace(predictors[0], regressor=Ensemble([each.regressor for each in predictors]))
    reviews = explained(together)
    alone = [method(each).attribute(reviews) for each in predictors]
    assert_words_close(method(together).attribute(reviews), [np.mean(pair, axis=0) for pair in zip(*alone)])  # noqa: B905


def test_uniform_weights_are_those_of_a_head_that_asks_nothing():
    predictor = known_predictor(head="attention")
    reviews = explained(predictor)
    uniform = UniformWeights(predictor).attribute(reviews)
    assert_words_close(uniform, [review.words.contributions for review in explained(known_predictor(head="mean"))])
    assert not np.allclose(uniform[0], reviews[0].words.contributions)


def test_an_untrained_head_attends_otherwise_by_its_seed_and_leaves_the_model_and_the_draws_alone():
    predictor = tiny_predictor("bert")
    reviews, state = explained(predictor), torch.random.get_rng_state()
    first, again, other = (UntrainedHead(predictor, seed).attribute(reviews) for seed in (1, 1, 2))
    assert_words_close(first, again, atol=0)
    assert not np.allclose(first[0], other[0])
    assert not np.allclose(first[0], reviews[0].words.weights)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert_words_close([review.words.weights for review in explained(predictor)], [r.words.weights for r in reviews])


def test_random_rankings_differ_by_their_seed():
    reviews = explained(known_predictor())
    first, again, other = (RandomRanking(seed).attribute(reviews) for seed in (1, 1, 2))
    assert_words_close(first, again, atol=0)
    assert not np.allclose(first[0], other[0])


def towards(target, of=None):
    """Attention of every token, or of the token ``of`` alone, to the token ``target``; the others see themselves."""

    def attend(mask):
        n = mask.shape[1]
        attention = torch.eye(n)
        rows = slice(None) if of is None else of
        attention[rows] = 0
        attention[rows, target] = 1
        return attention.expand(len(mask), 2, n, n)

    return attend


def test_rollout_follows_attention_from_the_last_layer_to_the_words():
    predictor = known_predictor(attentions=(towards(3, of=2), towards(2)))
    (batch,) = read_batches(predictor, explained(predictor, TEXTS[:1]), "test", 1)
    n = int(batch.mask.sum())
    expected = torch.full((n,), 0.5 / n)
    expected[2] += 0.5  # the last layer's half
    expected[3] += expected[2] / 2  # the first layer's half of what came to token 2
    expected[2] /= 2
    found = AttentionRollout(predictor).score(predictor.regressor, batch)[0, :n]
    torch.testing.assert_close(found, expected)


@every_family
def test_every_family_shows_its_attention_and_rolls_out_to_one(family):
    predictor = tiny_predictor(family)
    texts = [TEXTS[0], "great"]
    (batch,) = read_batches(predictor, explained(predictor, texts), "test", 2)
    with torch.no_grad():
        weights, attentions = read_attentions(predictor.regressor, batch, CPU)
        rating = predictor.regressor(batch.input_ids, batch.mask)
    torch.testing.assert_close(weights, rating.token_weights)
    width = batch.mask.shape[1]
    assert [attention.shape for attention in attentions] == [(2, 2, width, width)] * 2
    for attention in attentions:
        of_real = attention.transpose(1, 2)[batch.mask]
        torch.testing.assert_close(of_real.sum(-1), torch.ones(of_real.shape[:2]))
        assert attention[1][:, batch.mask[1]][:, :, ~batch.mask[1]].abs().max() < 1e-6
    flow = AttentionRollout(predictor).score(predictor.regressor, batch)
    torch.testing.assert_close(flow.sum(1), torch.ones(2))
    assert flow[~batch.mask].abs().max() < 1e-6


def test_a_head_that_looks_everywhere_alike_has_the_entropy_of_all_tokens():
    def everywhere(mask):
        weights = mask.float() / mask.sum(1, keepdim=True)
        return weights[:, None, None, :].expand(-1, 2, mask.shape[1], -1)

    predictor = known_predictor(attentions=(everywhere, towards(0)))
    reviews = explained(predictor, TEXTS[:1])
    n = len(predictor.tokenize(TEXTS[:1]).input_ids[0])
    table = attention_by_layer(predictor, reviews)
    assert table["layer"].tolist() == [1, 1, 1, 2, 2, 2]
    assert table["head"].tolist() == ["1", "2", "rollout"] * 2
    heads = table[table["head"] != "rollout"]
    np.testing.assert_allclose(heads["entropy"], [np.log(n), np.log(n), 0, 0], atol=1e-6)
    np.testing.assert_allclose(heads["special_share"], [2 / n, 2 / n, 1, 1], atol=1e-6)
    np.testing.assert_allclose(heads["distance"][2:], (n - 1) / 2, rtol=1e-6)
    # half of each token stays: of the first one all the rest, too, after a layer that looks at nothing else
    rollout = table.loc[table["head"] == "rollout", "special_share"]
    np.testing.assert_allclose(rollout, [2 / n, (1 / n + 1 / 2) / 2 + 1 / n], atol=1e-6)


def test_every_method_fits_an_attention_head():
    chosen = choose(tiny_predictor("bert"))
    names = [method.name for method in chosen.methods]
    assert set(names) == set(LABELS)
    assert names.count("random") == names.count("untrained") == N_SEEDS
    assert not chosen.left_out


@pytest.mark.parametrize(("head", "n_left_out"), [("mean", 3), ("cls", 4)])
def test_heads_without_attention_say_which_methods_do_not_fit_them_and_why(head, n_left_out):
    chosen = choose(tiny_predictor("bert", head=head))
    assert {method.name for method in chosen.methods} | set(chosen.left_out) == set(LABELS)
    assert len(chosen.left_out) == n_left_out
    assert head in chosen.left_out["attention"]


def test_a_backbone_with_virtual_tokens_has_no_rollout_but_gradients():
    predictor = tiny_predictor("bert")
    predictor.regressor.backbone = PrefixedBackbone(predictor.regressor.backbone, "prompt", 3)
    assert "under this adapter" in choose(predictor).left_out["rollout"]
    method = IntegratedGradients(predictor, steps=64)
    method.attribute(explained(predictor))
    assert np.abs(method.convergence_deltas).max() < 0.02

"""Several regressors as one: the mean of their answers, wherever one regressor is taken."""

import numpy as np
import pytest
import torch
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from starsight.errors import DataError
from starsight.explain.reviews import explain_reviews, largest_gap
from starsight.model.batches import pad
from starsight.model.ensemble import Ensemble
from starsight.model.predictor import Predictor
from starsight.model.regressor import load_regressor
from starsight.model.tokens import tokenize_texts

TEXTS = make_reviews(6)["text"].tolist()
OBJECTIVES = pytest.mark.parametrize("objective", ["mse", "distribution"])


def three(objective="mse"):
    tokenizer = tiny_tokenizer("bert")
    members = [tiny_regressor("bert", tokenizer, seed, objective=objective) for seed in (1, 2, 3)]
    tokens = tokenize_texts(tokenizer, TEXTS, 64)
    return tokenizer, members, pad([np.array(ids) for ids in tokens.input_ids], tokenizer.pad_token_id)


@OBJECTIVES
def test_an_ensemble_answers_with_the_mean_of_its_members(objective):
    _, members, batch = three(objective)
    rating, alone = Ensemble(members)(*batch), [member(*batch) for member in members]
    assert not torch.equal(alone[0].stars, alone[1].stars)
    for part in ("stars", "token_weights", "contributions", "bias_stars"):
        expected = sum(getattr(each, part) for each in alone) / 3
        torch.testing.assert_close(getattr(rating, part), expected, atol=1e-6, rtol=1e-6)


@OBJECTIVES
def test_the_contributions_of_an_ensemble_add_up_to_its_stars(objective):
    _, members, batch = three(objective)
    rating = Ensemble(members)(*batch)
    torch.testing.assert_close(rating.bias_stars + rating.contributions.sum(1), rating.stars, atol=1e-5, rtol=0)
    torch.testing.assert_close(rating.token_weights.sum(1), torch.ones(len(TEXTS)))


def test_the_stars_of_an_ensemble_are_the_mean_of_its_distribution():
    _, members, batch = three("distribution")
    rating = Ensemble(members)(*batch)
    torch.testing.assert_close(rating.distribution @ torch.arange(1.0, 6.0), rating.stars)


@OBJECTIVES
def test_a_saved_ensemble_is_loaded_where_one_regressor_is_and_answers_the_same(objective, tmp_path):
    tokenizer, members, batch = three(objective)
    predictor = Predictor(Ensemble(members), tokenizer, {}, 64, CPU)
    predictor.save(tmp_path / "model")
    loaded = Predictor.load(tmp_path / "model").regressor
    assert isinstance(loaded, Ensemble)
    assert not loaded.training
    before, after = predictor.regressor(*batch), loaded(*batch)
    assert torch.equal(after.stars, before.stars)
    assert torch.equal(after.contributions, before.contributions)


def test_a_saved_ensemble_that_lost_a_member_says_so(tmp_path):
    _, members, _ = three()
    Ensemble(members).save(tmp_path)
    (tmp_path / "members/2/regressor.json").unlink()
    with pytest.raises(DataError, match=r"members/2/regressor\.json is missing"):
        load_regressor(tmp_path)


def test_an_ensemble_rates_and_explains_raw_texts():
    tokenizer, members, _ = three()
    alone = [Predictor(member, tokenizer, {}, 64, CPU).rate_clean_texts(TEXTS, cut=False) for member in members]
    predictor = Predictor(Ensemble(members), tokenizer, {}, 64, CPU)
    np.testing.assert_allclose(predictor.rate_clean_texts(TEXTS, cut=False), np.mean(alone, axis=0), atol=1e-5)
    assert largest_gap(explain_reviews(predictor, TEXTS, [3.0] * len(TEXTS))) < 1e-4


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])

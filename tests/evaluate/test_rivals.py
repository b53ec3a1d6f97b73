"""The rivals that are networks: the backbone before fine-tuning, and the champion."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from miniature import CPU, make_reviews, tiny_params, tiny_regressor, tiny_tokenizer

from starsight.errors import DataError, RegistryError
from starsight.evaluate import evaluation
from starsight.evaluate.evaluation import evaluate_model
from starsight.evaluate.fold_summary import CrossValidation
from starsight.evaluate.frozen import read_texts
from starsight.evaluate.rivals import rate_test_reviews
from starsight.model.predictor import Predictor
from starsight.params import load_params
from starsight.records import CLEAN_SCHEMA, SPLITS
from starsight.tables import write_csv, write_table


def make_predictor(seed=0, family="bert"):
    tokenizer = tiny_tokenizer(family)
    return Predictor(tiny_regressor(family, tokenizer, seed), tokenizer, {}, 64, CPU)


def make_clean(n_each=40):
    """Clean reviews, as many in each split, by a third as many reviewers."""
    reviews = make_reviews(3 * n_each)
    return pd.DataFrame(
        {
            "review_id": [f"r{i}" for i in range(len(reviews))],
            "user_id": reviews["user"],
            "stars": reviews["stars"].astype(float),
            "text_clean": reviews["text"],
            "split": [SPLITS[i % 3] for i in range(len(reviews))],
        }
    )


@pytest.fixture
def params(workspace, tiny_checkpoint):
    def make(**changes):
        content = tiny_params(tiny_checkpoint, "reviews.csv")
        content["evaluate"] |= changes
        workspace.params.write_text(yaml.safe_dump(content))
        return load_params(workspace.params)

    return make


def methods(measured):
    return {method.name: method for method in measured.methods}


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_a_reading_holds_the_head_s_answer_and_the_mean_state_of_the_real_tokens_in_the_reviews_order(family):
    predictor = make_predictor(family=family)
    texts = ["lovely", "The zipper is broken and awful, I returned it. " * 3, "great taste"]
    reading = read_texts(predictor.regressor, predictor, texts, "test")
    assert np.allclose(reading.stars_pred, predictor.rate_clean_texts(texts, cut=False), atol=1e-5)
    for text, mean in zip(texts, reading.states, strict=True):
        ids = torch.tensor(predictor.tokenize([text]).input_ids)
        with torch.inference_mode():
            states = predictor.regressor.backbone(input_ids=ids).last_hidden_state
        assert np.allclose(mean, states[0].mean(dim=0).numpy(), atol=1e-5)
    assert not predictor.regressor.head._forward_pre_hooks


def test_the_frozen_backbone_learns_from_the_models_own_reviews_up_to_its_limit(params, workspace):
    reviews, predictor = make_clean(), make_predictor()
    rivals = methods(rate_test_reviews(predictor, reviews, params(), workspace))
    assert rivals["frozen"].n_train_reviews == rivals["test"].n_train_reviews == 40
    assert rivals["frozen"].label == "ridge on the frozen backbone of tiny"
    assert set(rivals["frozen"].facts) == {"frozen_alpha_mae", "frozen_alpha_rmse"}
    limited = methods(rate_test_reviews(predictor, reviews, params(max_frozen_reviews=7), workspace))
    assert limited["frozen"].n_train_reviews == 7
    assert not np.array_equal(limited["frozen"].stars_pred, rivals["frozen"].stars_pred)


def test_the_frozen_backbone_is_the_pretrained_one_and_not_the_models(params, workspace):
    reviews = make_clean()
    one, other = (methods(rate_test_reviews(make_predictor(seed), reviews, params(), workspace)) for seed in (1, 2))
    assert not np.array_equal(one["test"].stars_pred, other["test"].stars_pred)
    assert np.array_equal(one["frozen"].stars_pred, other["frozen"].stars_pred)
    assert np.array_equal(one["untrained"].stars_pred, other["untrained"].stars_pred)


def test_the_champion_is_measured_on_the_same_reviews_and_the_row_says_so(params, workspace):
    champion = make_predictor(seed=3)
    measured = rate_test_reviews(make_predictor(), make_clean(), params(), workspace, ("7", champion))
    row = methods(measured)["champion"]
    assert row.label == "the champion, version 7, measured on this split"
    assert row.n_train_reviews is None
    assert np.array_equal(row.stars_pred, champion.rate_clean_texts(list(measured.test["text_clean"])))


@pytest.fixture
def clean(workspace):
    """Writes clean reviews to where the stage reads them."""

    def write(reviews):
        missing = {field.name: None for field in CLEAN_SCHEMA if field.name not in reviews}
        known = missing | {"text": "", "source": "test", "spelling_corrected": False, "cluster": "c"}
        write_table(reviews.assign(**known), workspace.clean, CLEAN_SCHEMA)
        epochs = {"epoch": 1, "train_loss": 0.5, "validation_mae": 0.4, "validation_rmse": 0.6, "seconds": 1.0}
        write_csv(pd.DataFrame([epochs]), workspace.epochs)

    return write


def test_a_champion_out_of_reach_is_a_sentence_on_the_page_and_no_crash(params, workspace, clean, monkeypatch, caplog):
    def gone(_layout, *, other_than):
        raise RegistryError(f"the files of version 3 are gone, asked by {other_than}.")

    monkeypatch.setattr(evaluation, "load_champion", gone)
    clean(make_clean())
    found = evaluate_model(make_predictor(), params(), workspace, "a-run", CrossValidation())
    found.write(workspace, {})
    sentence = "The champion was not measured: the files of version 3 are gone, asked by a-run."
    assert sentence in workspace.evaluation_page.read_text()
    assert sentence in caplog.text
    assert "champion_mae" not in found.metrics
    assert "test_mae" in found.metrics


def test_a_champion_that_rates_with_what_is_no_number_is_a_sentence_on_the_page(
    params, workspace, clean, monkeypatch, caplog
):
    broken = make_predictor(seed=3)
    with torch.no_grad():
        next(broken.regressor.head.parameters()).fill_(float("nan"))
    monkeypatch.setattr(evaluation, "load_champion", lambda *_arguments, **_options: ("7", broken))
    clean(make_clean())
    found = evaluate_model(make_predictor(), params(), workspace, "a-run", CrossValidation())
    found.write(workspace, {})
    sentence = "The champion was not measured: version 7 rates 40 reviews as no number."
    assert sentence in workspace.evaluation_page.read_text()
    assert sentence in caplog.text
    assert "champion_mae" not in found.metrics
    assert "test_mae" in found.metrics


def test_a_test_split_too_small_for_an_interval_says_so_in_one_line(params, workspace, clean, monkeypatch, caplog):
    monkeypatch.setattr(evaluation, "load_champion", lambda *_arguments, **_options: None)
    reviews = make_clean()
    clean(reviews)
    found = evaluate_model(make_predictor(), params(), workspace, "a-run", CrossValidation())
    (warning,) = found.warnings
    n_reviewers = reviews.loc[reviews["split"] == "test", "user_id"].nunique()
    assert warning.startswith(f"The test reviews are by {n_reviewers} reviewers: too few for an interval")
    assert "\n" not in warning
    assert warning in caplog.text
    clean(reviews.assign(user_id="the same"))
    with pytest.raises(DataError, match="an interval needs reviews by two reviewers or more; found 1"):
        evaluate_model(make_predictor(), params(), workspace, "a-run", CrossValidation())

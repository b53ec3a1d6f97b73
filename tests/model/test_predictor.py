"""What is saved, registered and served: raw texts in, stars out, the same after saving."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from starsight.errors import DataError, ModelError
from starsight.model.calibration import Calibration
from starsight.model.compute import choose_compute
from starsight.model.ensemble import Ensemble
from starsight.model.predictor import Predictor

TEXTS = make_reviews(20)["text"].tolist()


@pytest.fixture
def predictor():
    tokenizer = tiny_tokenizer("bert")
    return Predictor(tiny_regressor("bert", tokenizer), tokenizer, {"lovly": "lovely"}, 64, CPU)


def test_a_saved_predictor_answers_the_same(predictor, tmp_path, monkeypatch):
    predictor.save(tmp_path / "model")
    monkeypatch.setattr("starsight.model.predictor.choose_compute", lambda: predictor.compute)
    loaded = Predictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.rate_texts(TEXTS), predictor.rate_texts(TEXTS))
    assert loaded.corrections == {"lovly": "lovely"}


def test_what_is_kept_of_a_long_text_travels_with_the_model(predictor, tmp_path):
    long = "The dress is lovely. " * 30 + "The zipper is broken and I returned it. " * 10
    both_ends = replace(predictor, cut="head_tail")
    assert abs(both_ends.rate_texts([long])[0] - predictor.rate_texts([long])[0]) > 1e-4
    both_ends.save(tmp_path / "model")
    loaded = replace(Predictor.load(tmp_path / "model"), compute=CPU)
    assert loaded.cut == "head_tail"
    assert loaded.rate_texts([long]) == both_ends.rate_texts([long])


def test_a_model_from_before_there_was_a_choice_keeps_the_beginning(predictor, tmp_path):
    predictor.save(tmp_path / "model")
    facts = json.loads((tmp_path / "model/input.json").read_text())
    del facts["cut"]
    (tmp_path / "model/input.json").write_text(json.dumps(facts))
    assert Predictor.load(tmp_path / "model").cut == "head"


def calibration(temperature=None):
    return Calibration(
        coverage=0.9,
        edges=(3.0,),
        half_widths=(1.5, 0.5),
        n_reviews=400,
        chose_the_epoch=False,
        temperature=temperature,
    )


@pytest.mark.parametrize("head", ["attention", "mean", "cls"])
@pytest.mark.parametrize("objective", ["mse", "distribution"])
@pytest.mark.parametrize("members", [1, 2])
def test_every_kind_of_model_predicts_intervals_and_the_same_after_saving(
    head, objective, members, tmp_path, monkeypatch
):
    tokenizer = tiny_tokenizer("bert")
    networks = [tiny_regressor("bert", tokenizer, seed, head, objective) for seed in range(members)]
    regressor = networks[0] if members == 1 else Ensemble(networks)
    temperature = 1.5 if objective == "distribution" else None
    predictor = Predictor(regressor, tokenizer, {}, 64, CPU, calibration=calibration(temperature))
    predictor.save(tmp_path / "model")
    monkeypatch.setattr("starsight.model.predictor.choose_compute", lambda: CPU)
    predicted, loaded = predictor.predict_texts(TEXTS), Predictor.load(tmp_path / "model").predict_texts(TEXTS)
    np.testing.assert_array_equal(predicted.stars, predictor.rate_texts(TEXTS))
    assert (predicted.low < predicted.stars).all()
    assert (predicted.stars < predicted.high).all()
    for part, value in vars(predicted).items():
        np.testing.assert_array_equal(getattr(loaded, part), value)
    assert (predicted.probabilities is None) == (objective == "mse")


def test_a_temperature_changes_the_probabilities_and_leaves_the_stars_the_mean_of_what_was_trained():
    tokenizer = tiny_tokenizer("bert")
    regressor = tiny_regressor("bert", tokenizer, objective="distribution")
    torch.nn.init.normal_(regressor.head.output.weight, std=3)  # a network with opinions
    plain, scaled = (
        Predictor(regressor, tokenizer, {}, 64, CPU, calibration=calibration(each)).predict_texts(TEXTS)
        for each in (1.0, 2.5)
    )
    np.testing.assert_array_equal(plain.stars, scaled.stars)
    np.testing.assert_allclose(scaled.distribution @ np.arange(1.0, 6.0), scaled.stars, atol=1e-5)
    np.testing.assert_allclose(scaled.probabilities.sum(axis=1), 1)
    assert (scaled.probabilities.max(axis=1) < plain.probabilities.max(axis=1)).all()


def test_the_width_hangs_on_the_prediction_before_it_is_cut(predictor):
    with torch.no_grad():
        predictor.regressor.head.output.bias.fill_(100.0)
    # far above 5: even the lower end is
    predicted = replace(predictor, calibration=calibration()).predict_texts(TEXTS)
    assert set(predicted.stars) == set(predicted.low) == set(predicted.high) == {5.0}


def test_a_model_without_a_calibration_says_so_where_intervals_are_asked_for(predictor, tmp_path):
    predictor.save(tmp_path / "model")
    loaded = Predictor.load(tmp_path / "model")
    assert loaded.calibration is None
    assert len(loaded.rate_texts(TEXTS)) == len(TEXTS)
    with pytest.raises(ModelError, match=r"no intervals: .*run dvc repro finetune"):
        loaded.predict_texts(TEXTS)


def test_no_texts_get_no_intervals(predictor):
    predicted = replace(predictor, calibration=calibration()).predict_texts([])
    assert predicted.stars.shape == predicted.low.shape == predicted.high.shape == (0,)


def test_a_text_is_cleaned_as_in_training_before_it_is_rated(predictor):
    raw = "The <b>dress</b> is  lovly&#33;"
    assert predictor.rate_texts([raw]) == predictor.rate_clean_texts(["The dress is lovely!"])


def test_a_rating_does_not_hang_on_the_texts_beside_it(predictor):
    together = predictor.rate_texts(TEXTS)
    alone = np.concatenate([predictor.rate_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_ratings_stay_within_1_and_5_unless_asked_otherwise(predictor):
    with torch.no_grad():
        predictor.regressor.head.output.bias.fill_(100.0)
    assert set(predictor.rate_texts(TEXTS)) == {5.0}
    assert (predictor.rate_clean_texts(TEXTS, cut=False) > 5).all()


@pytest.mark.parametrize("text", ["", " ", "👍", "<script>alert(1)</script>", "word " * 10_000, "שלום עולם", "\x00"])
def test_any_text_gets_a_rating(predictor, text):
    assert 1 <= predictor.rate_texts([text])[0] <= 5


def test_no_texts_get_no_ratings(predictor):
    assert predictor.rate_texts([]).shape == (0,)


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(DataError, match=r"input\.json is missing"):
        Predictor.load(tmp_path)


def test_a_device_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("STARSIGHT_DEVICE", "abacus")
    with pytest.raises(ModelError, match=r"STARSIGHT_DEVICE: 'abacus' is no device"):
        choose_compute()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("STARSIGHT_DEVICE", "cuda")
    with pytest.raises(ModelError, match="torch sees no GPU"):
        choose_compute()


def test_the_choice_of_precision_is_explained(monkeypatch):
    monkeypatch.setenv("STARSIGHT_DEVICE", "cpu")
    for chip, precision in (({}, "fp32"), ({"amx_bf16": True}, "bf16"), ({"avx512_bf16": True}, "bf16")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda chip=chip: chip)
        compute = choose_compute()
        assert compute.precision == precision
        assert "bfloat16" in compute.reason or "bf16" in compute.reason

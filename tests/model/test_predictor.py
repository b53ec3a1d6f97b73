"""What is saved, registered and served: raw texts in, stars out, the same after saving."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from starsight.errors import DataError, ModelError
from starsight.model.compute import choose_compute
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

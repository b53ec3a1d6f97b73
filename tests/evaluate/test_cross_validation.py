"""A cross-validation in miniature: it trains once a fold, and a kill anywhere changes no number."""

import json
import shutil

import pandas as pd
import pytest
import yaml
from miniature import make_reviews

from starsight import pages
from starsight.errors import DataError, ModelError
from starsight.evaluate import crossvalidation
from starsight.evaluate.crossvalidation import cross_validate
from starsight.evaluate.fold_summary import CrossValidation, Earlier, summarise_folds
from starsight.evaluate.folds import FOLD_COLUMNS
from starsight.layout import Layout
from starsight.params import Params, load_params
from starsight.train import loop


class Killed(BaseException):
    pass


@pytest.fixture
def prepared(workspace: Layout) -> Layout:
    """Clean reviews and settings for three folds."""
    reviews = make_reviews(150)
    clean = pd.DataFrame(
        {
            "review_id": [f"r{i}" for i in range(150)],
            "user_id": reviews["user"],
            "cluster": [f"c{i}" for i in range(150)],
            "stars": reviews["stars"].astype("float32"),
            "text_clean": reviews["text"],
        }
    )
    workspace.clean.parent.mkdir(parents=True)
    clean.to_parquet(workspace.clean)
    change(workspace, "finetune", dropout=0.1, epochs=2, patience=2)
    change(workspace, "evaluate", folds=3, fold_reviews=90)
    return workspace


def change(layout: Layout, section: str, **values) -> Params:
    content = yaml.safe_load(layout.params.read_text())
    content[section] |= values
    layout.params.write_text(yaml.safe_dump(content))
    return load_params(layout.params)


def validate(layout: Layout, earlier: Earlier | None = None) -> CrossValidation:
    return cross_validate(load_params(layout.params), layout, earlier)


def kept(layout: Layout) -> list[str]:
    return sorted(path.name for path in (layout.scratch / "folds").glob("*/*"))


def test_every_fold_is_measured_and_only_its_result_is_kept(prepared):
    found = validate(prepared)
    assert list(found.table.columns) == FOLD_COLUMNS
    assert list(found.table["fold"]) == [1, 2, 3]
    assert found.table["n_test"].sum() == 90
    assert (found.table["n_train"] <= 40).all()  # finetune.max_train_reviews
    assert kept(prepared) == ["fold_1.json", "fold_2.json", "fold_3.json"]
    metrics = found.metrics
    assert metrics["folds_mae"] == pytest.approx(found.table["model_mae"].mean())
    assert metrics["folds_minus_ridge_mae"] == pytest.approx(metrics["folds_mae"] - metrics["folds_ridge_mae"])
    names = [f"folds{name}_{metric}" for name in ("", "_ridge", "_minus_ridge") for metric in ("mae", "rmse")]
    for name in names:
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"], name
    assert set(metrics) == (
        {"folds_n_train_reviews", "folds_n_test_reviews"}
        | {name + end for name in names for end in ("", "_low", "_high")}
        | {f"folds_minus_ridge_{metric}_p" for metric in ("mae", "rmse")}
    )
    assert json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize("fold", [1, 2, 3])
@pytest.mark.parametrize("moment", ["step", "epoch", "trained", "written"])
def test_a_kill_in_any_fold_at_any_moment_goes_on_there_and_ends_with_the_same_numbers(
    prepared, monkeypatch, caplog, fold, moment
):
    expected = validate(prepared).table
    shutil.rmtree(prepared.scratch / "folds")

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    with monkeypatch.context() as patched:
        kill_at(patched, fold, moment)
        with pytest.raises(Killed):
            validate(prepared)
    assert f"fold_{fold}" in kept(prepared)  # the state of the training under way

    trained = watch(monkeypatch)
    caplog.set_level("INFO", "starsight")
    pd.testing.assert_frame_equal(validate(prepared).table, expected, check_exact=True)
    assert trained == list(range(fold + (moment == "written"), 4))
    assert ("going on at epoch" in caplog.text) == (moment != "written")
    assert kept(prepared) == ["fold_1.json", "fold_2.json", "fold_3.json"]


def watch(monkeypatch) -> list[int]:
    """Folds that are measured from now on, as opposed to read back."""
    trained = []
    measure = crossvalidation._measure

    def watched(fold, *rest):
        trained.append(fold.number)
        return measure(fold, *rest)

    monkeypatch.setattr(crossvalidation, "_measure", watched)
    return trained


def kill_at(patched, fold, moment):
    """Stop as SIGKILL would: in the first epoch, between two epochs, before the result is written, or right after."""

    def at(path):
        return f"fold_{fold}" in str(path)

    def killing(function, where, *, calls=1, after=True):
        seen = []

        def call(*arguments, **options):
            seen.append(at(where(*arguments)))
            now = sum(seen) == calls and seen[-1]
            if now and not after:
                raise Killed
            result = function(*arguments, **options)
            if now:
                raise Killed
            return result

        return call

    match moment:
        case "step":
            patched.setattr(loop, "save_state", killing(loop.save_state, lambda _, path: path))
        case "epoch":  # three states in the first epoch of 33 to 40 reviews, then its weights, then the state after it
            patched.setattr(loop, "save_state", killing(loop.save_state, lambda _, path: path, calls=5))
        case "trained":
            patched.setattr(
                crossvalidation, "write_json", killing(crossvalidation.write_json, lambda _, path: path, after=False)
            )
        case "written":
            patched.setattr(crossvalidation, "write_json", killing(crossvalidation.write_json, lambda _, path: path))


def test_another_setting_is_another_cross_validation_and_a_comparison_is_not(prepared, monkeypatch):
    validate(prepared)
    trained = watch(monkeypatch)
    change(prepared, "evaluate", bootstrap_draws=300)
    validate(prepared)
    assert trained == []
    change(prepared, "finetune", epochs=1)
    validate(prepared)
    assert trained == [1, 2, 3]


def test_two_processes_do_not_train_the_same_folds(prepared, monkeypatch):
    second = []

    def measure(*_):
        with pytest.raises(ModelError, match="another process is at this very training"):
            validate(prepared)
        second.append(True)
        raise Killed

    monkeypatch.setattr(crossvalidation, "_measure", measure)
    with pytest.raises(Killed):
        validate(prepared)
    assert second == [True]


def test_another_model_is_compared_fold_by_fold(prepared):
    found = validate(prepared)
    better = found.table.assign(model_mae=found.table["model_mae"] - [0.1, 0.2, 0.3])
    compared = validate(prepared, Earlier("abc", "second", found.rows, better[::-1]))
    assert compared.metrics["folds_minus_other_mae"] == pytest.approx(0.2)
    assert compared.metrics["folds_minus_other_rmse_p"] == 1.0
    assert "further off than second" in compared.sentence


def test_a_model_on_other_folds_is_refused_before_anything_is_trained(prepared):
    with pytest.raises(DataError, match=r"the folds of run abc \(123\) are not the present ones"):
        validate(prepared, Earlier("abc", "second", "123", pd.DataFrame()))
    assert kept(prepared) == []


def test_off_it_reads_nothing_and_says_nothing(workspace):
    found = validate(workspace)
    assert (found.metrics, found.rows, len(found.table)) == ({}, None, 0)
    assert list(found.table.columns) == FOLD_COLUMNS


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("evaluate", {"folds": 1}, "evaluate: folds is 1; one fold leaves nothing to learn from"),
        ("evaluate", {"folds": 21}, r"evaluate\.folds: .*less than or equal to 20"),
        ("evaluate", {"folds": 0, "folds_against": "abc"}, "folds_against names a run to compare with, but folds is 0"),
        ("adapt", {"enabled": True}, r"evaluate\.folds: the adapted backbone has read the reviews .* hold out"),
        ("finetune", {"teacher": {"folder": "t", "weight": 0.5}}, r"evaluate\.folds: the teacher has learnt from"),
    ],
    ids=str,
)
def test_settings_that_would_leak_or_contradict_are_refused_at_once(prepared, section, values, said):
    with pytest.raises(Exception, match=said):
        change(prepared, section, **values)


TABLE = pd.DataFrame(
    {
        "fold": [1, 2, 3],
        "n_train": [180, 180, 180],
        "n_test": [100, 100, 100],
        "model_mae": [0.40, 0.42, 0.41],
        "model_rmse": [0.6, 0.6, 0.6],
        "ridge_mae": [0.50, 0.521, 0.51],
        "ridge_rmse": [0.7, 0.7, 0.7],
    }
)


def test_the_sentence_says_how_far_off_and_whether_the_rival_is_worse():
    same = Earlier("abc", "<b>second</b>", "name", TABLE.assign(model_mae=[0.43, 0.40, 0.41]))
    sentence = summarise_folds(TABLE, "name", "fine-tuned tiny", same).sentence
    assert sentence.startswith(
        "Trained anew 3 times, each time without the reviews that it then rated, fine-tuned tiny"
    )
    assert "that is 0.100 stars closer than TF-IDF and ridge (0.098 to 0.103, P < 0.001)" in sentence
    assert "closer than <b>second</b>, which may be chance (P = 0.901)" in sentence


def test_the_page_shows_every_fold_and_escapes_names():
    earlier = Earlier("abc", "<b>second</b>", "name", TABLE)
    found = summarise_folds(TABLE, "name", "fine-tuned tiny", earlier)
    page = shown(found)
    assert page.count('<th scope="row">') == 3 + 2
    assert "&lt;b&gt;second" in page
    assert "<b>" not in page


def test_the_page_is_silent_without_folds():
    assert "fold" not in shown(CrossValidation())


def shown(found: CrossValidation) -> str:
    page = '{% from "folds.html" import folds %}{{ folds(found) }}'
    return pages._environment().from_string(page).render(found=found)

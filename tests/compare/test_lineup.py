"""Runs on the same test reviews are compared, on a real store; every other run stays apart."""

import json

import mlflow
import numpy as np
import pytest
from compare.conftest import make_test_reviews
from typer.testing import CliRunner

from starsight.cli import app
from starsight.compare.before_after import before_after_charts
from starsight.compare.lineup import line_up
from starsight.compare.report import summarise, write_comparison_page
from starsight.errors import DataError
from starsight.split import rows_hash
from starsight.tracking import evidence

REVIEWS, OTHERS = make_test_reviews(0), make_test_reviews(7)
COSTS = {"reviews_per_s": 50.0, "epochs": 3, "n_train_reviews": 1000, "peak_memory_mib": 900.0, "n_parameters": 2.5e6}


@pytest.fixture
def three_runs(store, layout):
    """Two on the same reviews, whose writers are known, and one on others."""
    layout.clean.parent.mkdir(parents=True)
    REVIEWS.to_parquet(layout.clean)
    store.run("elsewhere", OTHERS, 0.01)
    store.run("far", REVIEWS, 0.8, seed=2, rate_reviews_per_s=400.0, model_bytes=1e6, **COSTS)
    store.run("near", REVIEWS, 0.2, seed=3, rate_reviews_per_s=100.0, model_bytes=9e6, **COSTS)


def test_two_runs_on_the_same_reviews_are_compared_and_the_third_stands_apart(three_runs, layout, params):
    lined_up = line_up(layout, params)
    assert [each.run.model for each in lined_up.contenders] == ["near", "far"]
    near, far = lined_up.contenders
    assert lined_up.reference == near
    assert near.minus_reference is None
    assert far.minus_reference.value == pytest.approx(0.6, abs=1e-3)
    assert far.minus_reference.low < 0.6 < far.minus_reference.high
    assert far.p_corrected == far.minus_reference.p < 0.05
    assert lined_up.resampled == "reviewers"
    ((dataset, rows), (other,)) = next(iter(lined_up.others.items()))
    assert (dataset, rows, other.model) == ("tiny", rows_hash(OTHERS), "elsewhere")


def test_two_runs_that_are_equally_far_off_are_not_told_apart(store, layout, params):
    for model, seed in (("a", 1), ("b", 5)):
        store.run(model, REVIEWS, 0.5, seed=seed)
    other = line_up(layout, params, "rmse").contenders[1]
    assert other.minus_reference.low <= 0 <= other.minus_reference.high
    assert other.minus_reference.p > 0.5


def test_other_reviews_can_be_asked_for_and_unknown_ones_are_refused(three_runs, layout, params):
    assert [each.run.model for each in line_up(layout, params, test_rows=rows_hash(OTHERS)).contenders] == ["elsewhere"]
    with pytest.raises(
        DataError, match=rf"no finished run on reviews nosuch; there are runs on: .*{rows_hash(REVIEWS)}"
    ):
        line_up(layout, params, test_rows="nosuch")


@pytest.mark.parametrize(("clean", "why"), [(None, "is not there"), (OTHERS, "holds other reviews")])
def test_where_the_writers_are_not_known_the_page_says_that_single_reviews_were_resampled(
    store, layout, params, clean, why
):
    if clean is not None:
        layout.clean.parent.mkdir(parents=True)
        clean.to_parquet(layout.clean)
    store.run("a", REVIEWS, 0.2)
    store.run("b", REVIEWS, 0.4, seed=2)
    lined_up = line_up(layout, params)
    assert lined_up.resampled == "reviews"
    write_comparison_page(lined_up, layout.comparison_page)
    page = layout.comparison_page.read_text()
    assert "resampling single reviews" in page
    assert f"data/interim/clean.parquet {why}" in page


def test_a_run_whose_predictions_are_gone_keeps_its_errors_and_says_why_it_is_not_compared(store, layout, params):
    store.run("gone", REVIEWS, 0.1, kept=False)
    store.run("there", REVIEWS, 0.2, seed=2)
    store.run("further", REVIEWS, 0.4, seed=3)
    lined_up = line_up(layout, params)
    gone, there, further = lined_up.contenders
    assert gone.note == "its table of predictions is gone"
    assert gone.minus_reference is None
    assert lined_up.reference == there
    assert further.minus_reference is not None
    said = summarise(lined_up)
    assert "Its predictions are gone, so the others are compared with number 2, there, and not with it" in said
    assert "chance" not in said
    write_comparison_page(lined_up, layout.comparison_page)
    assert layout.comparison_page.read_text().count('<tr class="ours">') == 2  # the closest, and the reference


def test_predictions_that_are_not_those_that_were_measured_are_left_out(store, layout, params):
    wrong = store.run("wrong", REVIEWS, 0.1, test_mae=0.5)
    for model, seed in (("a", 2), ("b", 3)):
        store.run(model, REVIEWS, 0.2, seed=seed)
    notes = {each.run.run_id: each.note for each in line_up(layout, params).contenders}
    assert notes[wrong] == "its table of predictions does not give the errors that it recorded"
    assert sorted(notes.values())[:2] == ["", ""]


def test_runs_that_do_not_say_what_they_were_measured_on_are_listed_with_the_reason(store, layout, params):
    store.run("old", REVIEWS, 0.1, tagged=False)
    with pytest.raises(DataError, match=r"none of the 1 finished runs can be compared: .* by an older version"):
        line_up(layout, params)
    store.run("new", REVIEWS, 0.2)
    lined_up = line_up(layout, params)
    assert [(run.model, "older version" in reason) for run, reason in lined_up.not_comparable] == [("old", True)]


def test_more_runs_than_a_page_of_the_store_holds_are_all_found(three_runs, layout, monkeypatch):
    monkeypatch.setattr(evidence, "_PAGE_RUNS", 1)
    assert {run.model for run in evidence.finished_runs(layout)} == {"elsewhere", "far", "near"}


def test_a_run_that_failed_is_not_compared(three_runs, layout, params):
    run = next(run for run in evidence.finished_runs(layout) if run.model == "near")
    mlflow.MlflowClient().set_terminated(run.run_id, "FAILED")
    assert [each.run.model for each in line_up(layout, params).contenders] == ["far"]


def test_the_sentence_says_who_is_closest_whether_by_chance_and_who_is_faster(three_runs, layout, params):
    sentence = summarise(line_up(layout, params))
    assert sentence.startswith(
        "On the same test reviews of tiny, near is closest of 2 runs: its mean absolute error is"
    )
    assert "chance does not explain its lead" in sentence
    assert sentence.endswith("far rates 4.0 times as fast.")


def test_the_page_shows_errors_costs_and_the_front_and_names_the_runs_apart(three_runs, layout, params):
    write_comparison_page(line_up(layout, params), layout.comparison_page)
    page = layout.comparison_page.read_text(encoding="utf-8")
    same, other = page.split("<h2>On other reviews</h2>")
    assert "near-run" in same
    assert "elsewhere" not in same
    assert "elsewhere-run" in other
    assert page.count("<svg") == 2
    assert page.count("<circle") == 4
    assert "<td>60</td>" in same  # seconds: 3 epochs of 1,000 reviews at 50 a second
    assert "<td>9.0</td>" in same
    assert "http:" not in page
    assert "https:" not in page


def test_the_page_escapes_what_it_is_given(store, layout, params):
    store.run("<script>alert(1)</script>", REVIEWS, 0.1, rate_reviews_per_s=5.0)
    write_comparison_page(line_up(layout, params), layout.comparison_page)
    page = layout.comparison_page.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_compare_writes_the_page_and_prints_the_line_up(three_runs, layout):
    done = CliRunner().invoke(app, ["compare", "--metric", "rmse", "--html", "here.html"], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "near" in done.output
    assert "RMSE minus reference" in done.output
    assert (layout.root / "here.html").exists()
    assert not layout.comparison_page.exists()


def test_compare_as_json_holds_plain_values_only(three_runs, layout):
    done = CliRunner().invoke(app, ["compare", "--json"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert [run["model"] for run in content["runs"]] == ["near", "far"]
    assert content["runs"][1]["minus_reference"]["value"] == pytest.approx(0.6, abs=1e-3)
    assert content["runs"][0]["cost"]["training_s"] == 60
    assert [run["model"] for run in content["on_other_reviews"]] == ["elsewhere"]


def test_an_empty_store_is_one_line_and_exit_code_1(layout):
    done = CliRunner().invoke(app, ["compare"])
    assert done.exit_code == 1
    assert done.output.strip() == (
        "starsight: there is no finished run to compare; make one: dvc repro, or dvc exp run -S model=<row>."
    )


def test_an_unknown_metric_is_wrong_usage(layout):
    assert CliRunner().invoke(app, ["compare", "--metric", "beauty"]).exit_code == 2


def test_reviews_are_joined_by_their_id_and_not_by_their_place(store, layout, params):
    store.run("a", REVIEWS, 0.2)
    store.run("b", REVIEWS.sample(frac=1, random_state=0), 0.4, seed=2)
    lined_up = line_up(layout, params)
    assert [each.note for each in lined_up.contenders] == ["", ""]
    assert lined_up.contenders[1].minus_reference.value == pytest.approx(0.2, abs=1e-3)
    assert np.isfinite(lined_up.contenders[1].minus_reference.high)


def test_errors_before_and_after_are_drawn_by_model_and_dataset(store, layout, params):
    before = {"untrained_mae": 4.6, "frozen_mae": 0.9}
    for number, model in enumerate(("a", "b")):
        store.run(model, REVIEWS, 0.2 + number / 10, seed=number, **before)
    store.run("c", OTHERS, 0.3, dataset="elsewhere", **before)
    store.run("d", REVIEWS, 0.4, seed=5)  # an older run, which did not measure them
    here, elsewhere = before_after_charts(line_up(layout, params, dataset="tiny"))
    assert [tick.label for tick in here.x_ticks] == ["1 a", "2 b"]
    assert [series.name for series in here.series] == ["untrained head", "frozen backbone", "fine-tuned"]
    assert [len(series.marks) for series in here.series] == [2, 2, 2]
    assert elsewhere.title == "MAE before and after fine-tuning, elsewhere"
    write_comparison_page(line_up(layout, params, dataset="tiny"), layout.comparison_page)
    assert "untrained head, model 1 a: 4.600 stars" in layout.comparison_page.read_text()


def test_bars_have_the_numbers_of_the_rows_also_where_a_run_before_them_is_left_out(store, layout, params):
    before = {"untrained_mae": 4.6, "frozen_mae": 0.9}
    for reviews, dataset in ((OTHERS, "elsewhere"), (REVIEWS, "tiny")):
        for seed, (model, measured) in enumerate((("c", before), ("b", {}), ("a", before))):
            store.run(model, reviews, 0.4 - seed / 10, seed=seed, dataset=dataset, **measured)
    lined_up = line_up(layout, params)
    here, elsewhere = before_after_charts(lined_up)
    assert [each.run.model for each in lined_up.contenders] == ["a", "b", "c"]
    assert [tick.label for tick in here.x_ticks] == ["1 a", "3 c"]
    assert [tick.label for tick in elsewhere.x_ticks] == ["1 a", "3 c"]


@pytest.mark.parametrize("target", ["reports", ".", ""])
def test_a_folder_is_not_taken_for_the_page(three_runs, layout, target):
    layout.reports.mkdir(exist_ok=True)
    (layout.reports / "kept").touch()
    done = CliRunner().invoke(app, ["compare", "--html", target])
    assert done.exit_code == 1
    assert done.stderr.startswith("starsight: --html ")
    assert len(done.stderr.splitlines()) == 1
    assert (layout.reports / "kept").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_run_whose_error_is_no_number_stands_apart_and_a_cost_that_is_none_is_not_known(store, layout, params, value):
    store.run("sound", REVIEWS, 0.2, rate_reviews_per_s=value, peak_memory_mib=-1.0, model_bytes=0.0)
    store.run("broken", REVIEWS, 0.2, seed=2, test_mae=value)
    lined_up = line_up(layout, params)
    (sound,) = lined_up.contenders
    assert (sound.cost.rating_reviews_per_s, sound.cost.peak_memory_mib, sound.cost.model_bytes) == (None, None, None)
    ((run, why),) = lined_up.not_comparable
    assert (run.model, why.endswith("rates with what is no number")) == ("broken", True)

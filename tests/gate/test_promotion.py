"""Promote, refuse, force, roll back; and whatever goes wrong, the alias stays where it was."""

import json
import os
import signal
import subprocess
import sys
import time

import mlflow
import pytest
from contenders import BETTER, ELSEWHERE, GONE, LUCKY, MEDIOCRE, WORSE, champion, set_champion, version_tags
from miniature import REPOSITORY
from mlflow.exceptions import MlflowException

from starsight.errors import DataError, RegistryError
from starsight.gate import promotion
from starsight.gate.ledger import read_ledger
from starsight.gate.promotion import promote, rollback
from starsight.tables import read_table, write_json


def start(code):
    """A Python of its own, in the folder and the environment of the test."""
    env = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)


def kinds(layout):
    return [(entry.kind, entry.version) for entry in read_ledger(layout.promotions)]


def test_the_first_version_is_noted_as_such_and_its_evidence_stands_in_tags(layout):
    assert champion() == MEDIOCRE
    (first,) = read_ledger(layout.promotions)
    assert (first.kind, first.version, first.before, first.done) == ("first", MEDIOCRE, None, True)
    tags = version_tags(BETTER)
    assert tags["test_mae"] == "0.4000"
    assert (tags["model"], tags["dataset"]) == (f"tiny{BETTER}", "made up")
    assert len(tags["test_rows"]) == 16


def test_a_better_model_is_promoted_and_the_record_holds_verdict_figures_and_who(layout, params):
    outcome = promote(layout, params, number=BETTER)
    assert outcome.result == "promoted"
    assert champion() == BETTER
    last = read_ledger(layout.promotions)[-1]
    assert (last.kind, last.version, last.before, last.who, last.done) == ("promoted", BETTER, MEDIOCRE, "Ada", True)
    assert last.figures["mae_difference_high"] < 0
    assert last.figures["n_test_reviews"] == 240
    assert last.why.startswith("MAE −0.")
    assert [condition.partition(":")[0] for condition in last.conditions] == [
        *("closer", "as close", "cheaper", "enough reviewers", "no slice worse"),
        *("same dataset", "validated", "not rolled back"),
    ]
    assert version_tags(BETTER)["gate.result"] == "promoted"
    assert version_tags(BETTER)["gate.closer"].startswith("closer: passed")


def test_a_worse_model_is_refused_with_the_condition_that_failed_and_by_how_much(layout, params):
    outcome = promote(layout, params, number=WORSE)
    assert outcome.result == "refused"
    assert champion() == MEDIOCRE
    assert outcome.verdict.closer.missed == f"{outcome.verdict.difference.high:.3f} stars"
    assert kinds(layout) == [("first", MEDIOCRE)]
    tags = version_tags(WORSE)
    assert (tags["gate.result"], tags["gate.against"]) == ("refused", MEDIOCRE)
    assert tags["gate.closer"].startswith(f"closer: failed by {outcome.verdict.closer.missed}")


def test_a_merely_lucky_model_is_refused(layout, params):
    set_champion(BETTER)
    outcome = promote(layout, params, number=LUCKY)
    assert outcome.verdict.difference.value < 0
    assert outcome.result == "refused"
    assert champion() == BETTER


def test_a_trial_run_judges_and_changes_nothing(layout, params):
    before = layout.promotions.read_text()
    assert promote(layout, params, number=BETTER, dry_run=True).result == "promoted"
    assert champion() == MEDIOCRE
    assert layout.promotions.read_text() == before
    assert not [key for key in version_tags(BETTER) if key.startswith("gate.")]


def test_the_champion_is_not_judged_against_itself(layout, params):
    assert promote(layout, params, number=MEDIOCRE).result == "unchanged"
    assert kinds(layout) == [("first", MEDIOCRE)]


def test_a_reason_moves_the_alias_and_is_recorded_with_what_spoke_against_it(layout, params):
    assert promote(layout, params, number=WORSE, reason="the other one leaks").result == "forced"
    assert champion() == WORSE
    last = read_ledger(layout.promotions)[-1]
    assert (last.kind, last.why) == ("forced", "the other one leaks")
    assert last.conditions[0].startswith("closer: failed by")


def test_a_challenger_that_was_measured_on_other_rows_is_refused(layout, params):
    with pytest.raises(DataError, match=r"version 6 \(tiny6\) was measured on other test reviews .*dvc repro"):
        promote(layout, params, number=ELSEWHERE)
    assert champion() == MEDIOCRE


def test_a_champion_that_was_measured_on_other_rows_is_compared_with_and_a_note_says_so(layout, params):
    set_champion(ELSEWHERE)
    outcome = promote(layout, params, number=MEDIOCRE)
    assert outcome.result == "refused"
    assert outcome.notes[0].startswith("the champion was measured on other test reviews")


def test_without_a_report_of_validation_a_better_model_is_refused(layout, params, monkeypatch):
    monkeypatch.setattr("starsight.gate.contest.read_report", lambda *_: None)
    outcome = promote(layout, params, number=BETTER)
    assert [condition.name for condition in outcome.verdict.failed] == ["validated"]


def test_a_champion_whose_artifacts_are_gone_is_one_line_and_can_be_replaced_with_a_reason(layout, params):
    set_champion(GONE)
    with pytest.raises(
        RegistryError, match="version 5 of starsight cannot be loaded, its artifacts are gone"
    ) as caught:
        promote(layout, params, number=BETTER)
    assert "\n" not in str(caught.value)
    assert champion() == GONE
    assert promote(layout, params, number=BETTER, reason="it is gone").result == "forced"
    assert champion() == BETTER
    assert read_ledger(layout.promotions)[-1].notes[-1].startswith("not judged: version 5")


def test_a_challenger_that_cannot_be_loaded_is_not_promoted_whatever_the_reason(layout, params):
    with pytest.raises(RegistryError, match="version 5 of starsight cannot be loaded"):
        promote(layout, params, number=GONE, reason="I want it")
    assert champion() == MEDIOCRE


def test_a_champion_that_was_deleted_is_missed_and_no_other_takes_its_place_unasked(layout, params):
    assert promote(layout, params, number=BETTER).result == "promoted"
    mlflow.MlflowClient().delete_model_version("starsight", BETTER)
    with pytest.raises(RegistryError, match="the registry has no champion to compare with"):
        promote(layout, params, number=LUCKY)
    assert champion() is None
    rollback(layout)
    assert champion() == MEDIOCRE


def test_a_version_that_does_not_exist_is_answered_with_those_that_do(layout, params):
    with pytest.raises(RegistryError, match=r"starsight has no version 99; there are: 1, 2, 3, 4, 5, 6"):
        promote(layout, params, number="99")


def test_a_registry_out_of_reach_is_one_line(layout, params, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(RegistryError, match="did not answer"):
            promote(layout, params, number=BETTER)
    promote(layout, params, number=MEDIOCRE)  # connects again
    assert champion() == MEDIOCRE


def test_a_registry_that_fails_as_the_alias_moves_leaves_no_trace_after_the_next_call(layout, params, monkeypatch):
    def fail(*_):
        raise MlflowException("connection lost")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", fail)
        with pytest.raises(RegistryError, match="the model registry did not answer: connection lost"):
            promote(layout, params, number=BETTER)
    assert [entry.done for entry in read_ledger(layout.promotions)] == [True, False]
    promote(layout, params, number=MEDIOCRE)
    assert kinds(layout) == [("first", MEDIOCRE)]


class Killed(BaseException):
    """As if the process were gone."""


@pytest.mark.parametrize("moved", [False, True])
def test_a_kill_between_ledger_and_alias_is_settled_by_the_next_call(layout, params, monkeypatch, moved):
    move = promotion.make_champion

    def killed(version):
        if moved:
            move(version)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "make_champion", killed)
        with pytest.raises(Killed):
            promote(layout, params, number=BETTER)
    assert read_ledger(layout.promotions)[-1].done is False
    outcome = promote(layout, params, number=BETTER)
    assert outcome.result == ("unchanged" if moved else "promoted")
    assert champion() == BETTER
    assert kinds(layout) == [("first", MEDIOCRE), ("promoted", BETTER)]
    assert all(entry.done for entry in read_ledger(layout.promotions))


def test_ctrl_c_while_the_models_are_compared_changes_nothing(layout, params, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(promotion, "hold_contest", stopped)
    with pytest.raises(KeyboardInterrupt, match="starsight history shows who is champion"):
        promote(layout, params, number=BETTER)
    assert champion() == MEDIOCRE
    assert kinds(layout) == [("first", MEDIOCRE)]


def test_ctrl_c_as_the_alias_moves_waits_until_the_record_is_written(layout, params, monkeypatch):
    move = promotion.make_champion

    def stopped(version):
        signal.raise_signal(signal.SIGINT)
        move(version)

    monkeypatch.setattr(promotion, "make_champion", stopped)
    with pytest.raises(KeyboardInterrupt):
        promote(layout, params, number=BETTER)
    assert champion() == BETTER
    assert read_ledger(layout.promotions)[-1].done


def test_an_alias_that_someone_else_moves_meanwhile_is_left_to_them(layout, params, monkeypatch):
    contest = promotion.hold_contest

    def slow(*arguments):
        set_champion(LUCKY)
        return contest(*arguments)

    monkeypatch.setattr(promotion, "hold_contest", slow)
    with pytest.raises(RegistryError, match=r"the champion changed while this was under way, to version 4"):
        promote(layout, params, number=BETTER)
    assert champion() == LUCKY
    assert "gate.result" not in version_tags(BETTER)


def test_an_alias_that_was_moved_without_starsight_is_noted(layout, params):
    set_champion(LUCKY)
    promote(layout, params, number=LUCKY)
    assert kinds(layout) == [("first", MEDIOCRE), ("found", LUCKY)]


def test_rollback_brings_back_the_one_before_then_the_one_before_that_and_then_says_there_is_none(layout, params):
    promote(layout, params, number=WORSE, reason="a test")
    promote(layout, params, number=BETTER)
    entry = rollback(layout, "complaints")
    assert (champion(), entry.version, entry.before, entry.why) == (WORSE, WORSE, BETTER, "complaints")
    rollback(layout)
    assert champion() == MEDIOCRE
    with pytest.raises(RegistryError, match="there is nothing to roll back to") as caught:
        rollback(layout)
    assert "\n" not in str(caught.value)
    assert champion() == MEDIOCRE
    assert [kind for kind, _ in kinds(layout)] == ["first", "forced", "promoted", "rollback", "rollback"]


def test_a_model_that_was_rolled_back_is_not_promoted_again_unless_forced(layout, params):
    promote(layout, params, number=BETTER)
    rollback(layout, "complaints")
    outcome = promote(layout, params, number=BETTER)
    assert outcome.verdict.closer.passed
    assert str(outcome.verdict.failed[0]).endswith("complaints, asked never")
    assert promote(layout, params, number=BETTER, reason="they were about the shop").result == "forced"


def test_a_champion_before_whose_artifacts_are_gone_is_not_brought_back(layout, params):
    set_champion(GONE)
    promote(layout, params, number=BETTER, reason="it is gone")
    with pytest.raises(RegistryError, match="version 5 of starsight cannot be loaded"):
        rollback(layout)
    assert champion() == BETTER


def test_a_ledger_of_another_registry_is_not_taken_at_its_word(layout, params):
    set_champion(BETTER)
    lines = layout.promotions.read_text().replace(json.loads(layout.promotions.read_text())["run_id"], "0" * 32)
    layout.promotions.write_text(lines)
    with pytest.raises(RegistryError, match="version 1 is another model here"):
        rollback(layout)
    assert champion() == BETTER


def test_of_two_promotions_at_once_the_second_says_who_is_first_and_fails_at_once(layout, params):
    code = (
        "import time; from starsight.gate.promotion import _alone; from starsight.layout import Layout\n"
        "with _alone(Layout()): print('held', flush=True); time.sleep(60)"
    )
    holder = start(code)
    try:
        assert holder.stdout.readline() == "held\n"
        started = time.monotonic()
        with pytest.raises(RegistryError, match=rf"under way, by Ada \(process {holder.pid}\) since 20.*Z; run again"):
            promote(layout, params, number=BETTER)
        assert time.monotonic() - started < 20
        assert champion() == MEDIOCRE
    finally:
        holder.kill()  # SIGKILL: the lock goes with the process
        holder.wait()
    assert promote(layout, params, number=BETTER).result == "promoted"


@pytest.mark.slow
@pytest.mark.parametrize("moved", [False, True])
def test_a_process_that_is_killed_between_ledger_and_alias_leaves_what_the_next_one_settles(layout, params, moved):
    code = (
        "import os, signal\n"
        "from starsight.gate import promotion\n"
        "from starsight.layout import Layout\n"
        "from starsight.params import load_params\n"
        "move = promotion.make_champion\n"
        "def killed(version):\n"
        f"    {moved} and move(version)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "promotion.make_champion = killed\n"
        f"promotion.promote(Layout(), load_params(Layout().params), number='{BETTER}')\n"
    )
    assert start(code).wait(timeout=200) == -signal.SIGKILL
    assert read_ledger(layout.promotions)[-1].done is False
    assert promote(layout, params, number=BETTER).result == ("unchanged" if moved else "promoted")
    assert champion() == BETTER
    assert kinds(layout) == [("first", MEDIOCRE), ("promoted", BETTER)]


def test_other_test_reviews_than_the_challengers_are_refused(layout, params):
    reviews = read_table(layout.clean)
    reviews["text_clean"] = reviews["text_clean"] + "!"
    reviews.to_parquet(layout.clean)
    with pytest.raises(DataError, match="was measured on other test reviews"):
        promote(layout, params, number=BETTER)


def test_a_broken_promise_in_the_runs_report_refuses(layout, params, monkeypatch):
    run_id = mlflow.MlflowClient().get_model_version("starsight", BETTER).run_id
    report = layout.root / "validation.json"
    write_json({"passed": False}, report)
    monkeypatch.setattr(
        "starsight.gate.contest.read_report", lambda version, name: json.loads(report.read_text()) | {"run": run_id}
    )
    assert [each.name for each in promote(layout, params, number=BETTER).verdict.failed] == ["validated"]


def test_a_challenger_from_another_dataset_is_refused_on_its_own_home_ground(layout, params):
    client = mlflow.MlflowClient()
    better = client.get_model_version("starsight", BETTER)
    moved = client.create_run(client.get_run(better.run_id).info.experiment_id)
    client.log_param(moved.info.run_id, "dataset", "another")
    for name, value in client.get_run(better.run_id).data.tags.items():
        if name == "test_rows":
            client.set_tag(moved.info.run_id, name, value)
    version = client.create_model_version("starsight", better.source, moved.info.run_id)
    verdict = promote(layout, params, number=str(version.version)).verdict
    assert "same dataset" in [each.name for each in verdict.failed]
    assert champion() == MEDIOCRE


def test_a_version_is_not_called_promoted_where_the_record_cannot_be_written(layout, params, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("starsight.gate.ledger.write_ledger", full)
    with pytest.raises(OSError, match="No space left"):
        promote(layout, params, number=BETTER)
    assert champion() == MEDIOCRE
    assert "gate.result" not in version_tags(BETTER)


def test_the_verdict_on_a_version_takes_the_place_of_an_older_one(layout, params):
    mlflow.MlflowClient().set_model_version_tag("starsight", WORSE, "gate.gone", "of an older starsight")
    promote(layout, params, number=WORSE)
    tags = version_tags(WORSE)
    assert "gate.gone" not in tags
    assert (tags["gate.result"], tags["model"]) == ("refused", f"tiny{WORSE}")


def forget_run(layout, number):
    """As ``mlflow gc`` does."""
    run_id = mlflow.MlflowClient().get_model_version("starsight", number).run_id
    mlflow.MlflowClient().delete_run(run_id)
    mlflow.tracking._tracking_service.utils._get_store()._hard_delete_run(run_id)
    return run_id


def test_a_champion_whose_run_is_gone_is_judged_by_its_model_and_comes_back(layout, params):
    forget_run(layout, MEDIOCRE)
    assert promote(layout, params, number=BETTER).result == "promoted"
    rollback(layout)
    assert champion() == MEDIOCRE


def test_a_challenger_whose_run_is_gone_is_refused_with_its_name_and_taken_with_a_reason(layout, params):
    run_id = forget_run(layout, BETTER)
    with pytest.raises(RegistryError, match=rf"the run {run_id} of version 2 \(tiny2\) is gone"):
        promote(layout, params, number=BETTER)
    assert promote(layout, params, number=BETTER, reason="I know it").result == "forced"
    assert champion() == BETTER


def test_a_record_that_git_still_has_is_not_begun_anew(layout, params):
    promote(layout, params, number=BETTER)
    for command in (["init", "--quiet"], ["add", "promotions.jsonl"]):
        subprocess.run(["git", *command], check=True)
    for lose in (layout.promotions.unlink, layout.promotions.touch):
        lose()
        with pytest.raises(DataError, match=r"version 2 \(tiny2\) is champion; .*git checkout promotions.jsonl"):
            rollback(layout)
    subprocess.run(["git", "checkout", "--quiet", "promotions.jsonl"], check=True)
    rollback(layout)
    assert champion() == MEDIOCRE


@pytest.mark.parametrize("content", ["[true]", "null", "{", "not JSON"])
def test_a_report_that_is_no_object_is_as_good_as_none(layout, params, content):
    (layout.root / "validation.json").write_text(content)
    version = mlflow.MlflowClient().get_model_version("starsight", BETTER)
    mlflow.MlflowClient().log_artifact(version.run_id, str(layout.root / "validation.json"), "reports")
    try:
        outcome = promote(layout, params, number=BETTER, dry_run=True)
    finally:  # the artifacts are every test's
        write_json({"passed": True}, layout.root / "validation.json")
        mlflow.MlflowClient().log_artifact(version.run_id, str(layout.root / "validation.json"), "reports")
    assert [each.name for each in outcome.verdict.failed] == ["validated"]


def test_who_holds_the_lock_is_asked_of_a_file_that_may_say_nothing(layout):
    write_json({"pid": 1}, layout.promotion_holder)
    assert promotion._holder(layout) == ", by someone (process 1) since ?"

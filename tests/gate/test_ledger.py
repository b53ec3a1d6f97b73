"""The record of champions: what a crash leaves is settled, and it is known whom a rollback brings back."""

import pytest

from starsight.errors import DataError
from starsight.gate.ledger import Entry, read_ledger, recorded, reigns, rolled_back, settle, write_ledger


def entry(kind, version, before=None, **more):
    run_before = before and f"run{before}"
    return Entry(
        kind=kind, version=version, run_id=f"run{version}", before=before, run_id_before=run_before, why="", **more
    )


FIRST, SECOND, THIRD = entry("first", "1"), entry("promoted", "2", "1"), entry("forced", "3", "2")


def versions(entries):
    return [each.version for each in entries]


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "promotions.jsonl"
    assert read_ledger(path) == []
    full = entry("promoted", "2", "1", conditions=["closer: passed"], figures={"mae": 0.4}, notes=["é"], who="Ada")
    write_ledger([FIRST, full], path)
    assert read_ledger(path) == [FIRST, full]
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"kind": "crowned"}'])
def test_a_line_that_is_no_entry_is_named_with_its_number(tmp_path, line):
    path = tmp_path / "promotions.jsonl"
    write_ledger([FIRST], path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"promotions\.jsonl, line 2, is no entry .*git checkout") as caught:
        read_ledger(path)
    assert "\n" not in str(caught.value)


def test_a_change_is_an_intention_until_the_alias_has_moved(tmp_path):
    path = tmp_path / "promotions.jsonl"
    with recorded(SECOND, [FIRST], path):
        assert [each.done for each in read_ledger(path)] == [True, False]
    assert [each.done for each in read_ledger(path)] == [True, True]


def test_an_intention_is_done_if_the_alias_moved_and_goes_if_it_did_not():
    intention = SECOND.model_copy(update={"done": False})
    assert settle([FIRST, intention], "2", "run2") == [FIRST, SECOND]
    assert settle([FIRST, intention], "1", "run1") == [FIRST]
    assert settle([FIRST, intention], None, None) == [FIRST]


def test_a_champion_that_was_made_elsewhere_is_noted_once():
    settled = settle([FIRST], "9", "run9")
    assert [(each.kind, each.version, each.before) for each in settled] == [("first", "1", None), ("found", "9", "1")]
    assert settle(settled, "9", "run9") == settled


def test_those_who_can_come_back_are_all_but_the_ones_that_were_taken_back():
    assert versions(reigns([FIRST, SECOND, THIRD])) == ["1", "2", "3"]
    back = entry("rollback", "2", "3")
    assert versions(reigns([FIRST, SECOND, THIRD, back])) == ["1", "2"]
    assert versions(reigns([FIRST, SECOND, THIRD, back, entry("rollback", "1", "2")])) == ["1"]
    assert versions(reigns([FIRST, SECOND, THIRD, back, entry("promoted", "4", "2")])) == ["1", "2", "4"]
    assert versions(reigns([entry("promoted", "8", "7"), FIRST, SECOND])) == ["1", "2"]  # another registry's before


def test_who_was_taken_back_is_known_until_promoted_again():
    back = Entry(kind="rollback", version="1", run_id="run1", before="2", run_id_before="run2", why="complaints")
    assert rolled_back([FIRST, SECOND], "run2") is None
    assert rolled_back([FIRST, SECOND, back], "run2") == f"rolled back on {back.time[:10]}: complaints"
    assert rolled_back([FIRST, SECOND, back], "run1") is None
    assert rolled_back([FIRST, SECOND, back, entry("forced", "2", "1")], "run2") is None


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0c"])
def test_a_reason_with_any_character_is_read_again(tmp_path, separator):
    path = tmp_path / "promotions.jsonl"
    odd = FIRST.model_copy(update={"why": f"one{separator}two"})
    write_ledger([odd, SECOND], path)
    assert read_ledger(path) == [odd, SECOND]


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs"])
def test_a_ledger_that_git_could_not_merge_says_how_to_mend_it(tmp_path, line):
    path = tmp_path / "promotions.jsonl"
    write_ledger([FIRST], path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(
        DataError, match=r"line 2, is where git could not merge .*keep the lines of both sides in order"
    ):
        read_ledger(path)


def test_blank_lines_are_passed_over(tmp_path):
    path = tmp_path / "promotions.jsonl"
    write_ledger([FIRST], path)
    path.write_text("\n" + path.read_text() + "\n  \n")
    assert read_ledger(path) == [FIRST]


def test_a_ledger_that_is_not_utf_8_is_one_line(tmp_path):
    path = tmp_path / "promotions.jsonl"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"promotions\.jsonl is not UTF-8"):
        read_ledger(path)


def test_a_figure_that_is_no_number_is_named_with_its_line(tmp_path):
    path = tmp_path / "promotions.jsonl"
    write_ledger([FIRST.model_copy(update={"figures": {"mae": 0.5}})], path)
    path.write_text(path.read_text().replace("0.5", "NaN"))
    with pytest.raises(DataError, match=r"line 1, is no entry \(figures\.mae"):
        read_ledger(path)


def test_a_promotion_that_stands_there_twice_counts_once():
    assert versions(reigns([FIRST, SECOND, SECOND])) == ["1", "2"]


def test_a_ledger_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "promotions.jsonl"
    path.symlink_to(tmp_path / "elsewhere/promotions.jsonl")
    write_ledger([FIRST], path)
    assert path.is_symlink()
    assert read_ledger(tmp_path / "elsewhere/promotions.jsonl") == [FIRST]

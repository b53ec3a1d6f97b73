"""The benchmark's own bookkeeping, on sentences made up here."""

from collections import Counter

import pytest

from benchmarks.planted_errors import EDITS, TOKEN, Planter, Planting, PublicList, in_case_of
from benchmarks.spelling import Judge, RealWords, Score, read_judged, result_of

WORDS = frozenset({"dress", "lovely", "wedding", "perfect"})
TEXTS = ["Lovely dress, PERFECT for a wedding!", "it is a lovely dress – perfect"] * 200


def test_the_same_seed_plants_the_same_errors_and_nothing_else_changes():
    planter, again = (Planter(WORDS, {"dress": ["drese"]}, seed=1) for _ in range(2))
    planted = [planter.plant(text) for text in TEXTS]
    assert planted == [again.plant(text) for text in TEXTS]
    hits = 0
    for text, (wrong, plantings) in zip(TEXTS, planted, strict=True):
        for place, (before, after) in enumerate(zip(TOKEN.findall(text), TOKEN.findall(wrong), strict=True)):
            expected = in_case_of(before, plantings[place].planted) if place in plantings else before
            assert after == expected
        assert TOKEN.split(text) == TOKEN.split(wrong)
        hits += len(plantings)
    assert 10 < hits < 60


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("drop", {"tis", "ths", "thi"}),
        ("doubling", {"thhis", "thiis", "thiss"}),
        ("swap", {"tihs", "thsi"}),
    ],
)
def test_each_kind_of_error(kind, expected):
    assert set(EDITS[kind]("this", 1)) == expected


def test_a_neighbour_is_a_key_beside_the_right_one():
    assert set(EDITS["neighbour"]("ag", 1)) == {"af", "ah", "at", "ay", "av", "ab"}


def test_a_score_of_known_changes():
    listed = PublicList({"realy": "really"}, frozenset({"really"}))
    judge = Judge({("flowy", "flow"): False}, listed)
    known = RealWords(frozenset({"form"}), Counter(), max_count=10)
    score = Score()
    plantings = {0: Planting("dress", "drses", "swap"), 1: Planting("from", "form", "swap")}
    score.add("Drses form a flowy realy xyz", "Dress form a flow really xy", plantings, known)
    score.add("nothing here", "nothing here", {}, known)
    assert result_of(score, judge) == {
        "precision": 0.3333,  # one restored; "flow" is wrong, and nobody judged "xy"
        "recall": 0.5,
        "false_corrections_share": round(2 / 6, 7),
        "recall_of_visible": 1.0,
        "false_corrections_share_judged": round(1 / 6, 7),
        "right_corrections_untouched": 1,
        "wrong_corrections_untouched": 1,
        "unjudged_corrections_untouched": 1,
        "words_untouched": 6,
        "planted": 2,
        "real_words": 1,
    }


def test_the_judged_corrections_are_single_words_in_lower_case():
    judged = read_judged()
    assert len(judged) > 1_000
    assert all(word.isalpha() and word.islower() and word != correction for word, correction in judged)
    assert not all(judged.values())

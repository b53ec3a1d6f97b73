import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from starsight.evaluate.behaviour import MAX_WORDS
from starsight.explain.probes import COLUMNS, Probe, load_probes, probe_metrics, run_probes, summarise_probes

GENDER, *_ = (probe for probe in load_probes() if probe.kind == "gender_words")
GROUPS = {probe.kind: probe for probe in load_probes()}


def exchanged(text, probe=GENDER):
    """The text as the probe changed it; None where it did not."""
    seen = []

    def predict(texts):
        seen.extend(texts)
        return np.zeros(len(texts))

    table = run_probes(pd.DataFrame({"text_clean": [text]}), predict, n_reviews=5, seed=0, probes=[probe])
    return next((other for other in seen[:2] if other != text), None) if table.loc[0, "n"] else None


def biased(texts):
    """Takes half a star from a text about a wife; nothing else matters."""
    return np.array([3.5 if "wife" in text else 4.0 for text in texts])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("She said it was hers.", "He said it was his."),
        ("I gave it to her, and her friends", "I gave it to him, and his friends"),
        ("I told her that her dress and I saw her", "I told him that his dress and I saw him"),
        ("his wife", None),  # both sides
        ("HE WAS HIMSELF", "SHE WAS HERSELF"),
        ("my husband's shirt", "my wife's shirt"),
        ("The weather in there", None),
        ("no one at all", None),
    ],
)
def test_words_for_women_become_words_for_men_and_back(text, after):
    assert exchanged(text) == after


@pytest.mark.parametrize(
    ("kind", "text", "is_changed"),
    [
        ("names_black", "Emily wore it, and emily loved it", True),
        ("names_black", "emily", False),  # in small letters it is a handle as often as a name
        ("names_black", "an Amy Tan novel", False),
        ("names_black", "Amy I thank you", True),
        ("religion", "a Christian wedding", True),
        ("religion", "a Christian Louboutin shoe", False),
        ("nationality", "an Indian wedding", True),
        ("nationality", "an Indian curry", False),
        ("age", "a young woman", True),
        ("age", "my young dress", False),
    ],
)
def test_only_what_is_said_of_people_is_exchanged(kind, text, is_changed):
    assert (exchanged(text, GROUPS[kind]) is not None) == is_changed


def test_the_article_follows_the_word():
    assert exchanged("A young lady", GROUPS["age"]) == "An elderly lady"
    assert exchanged("an elderly lady", GROUPS["age"]) == "a young lady"


def test_a_name_stays_the_same_all_through_a_review_and_two_do_not_become_one():
    after = exchanged("Emily and Sarah. Emily and Sarah. Emily", GROUPS["names_indian"])
    one, _, other = after.rstrip().split(".")[0].split()
    assert after == f"{one} and {other}. {one} and {other}. {one}"
    assert one != other


def test_what_the_model_would_not_read_is_not_changed():
    assert exchanged("so " * (MAX_WORDS - 1) + "she") is not None
    assert exchanged("so " * MAX_WORDS + "she") is None


@pytest.fixture(scope="module")
def table():
    texts = ["My wife bought it", "My husband bought it", "My sister bought it", "nothing"] * 30
    test = pd.DataFrame({"text_clean": texts, "user_id": [f"u{i}" for i in range(120)]})
    return run_probes(test, biased, n_reviews=1000, seed=0)


def test_the_change_is_of_the_second_side_whichever_was_written(table):
    row = table.set_index(["kind", "source"]).loc[("gender_words", "reviews")]
    # 60 of 90 pairs, the wives' and the husbands', are half a star better as men
    assert (row["n"], row["n_written_first"]) == (90, 60)
    assert row["stars"] == row["moved"] == pytest.approx(1 / 3)
    assert row["stars_low"] > 0.25
    assert (row["largest"], row["beyond_chance"]) == (0.5, True)
    assert row["largest_change"] in ("wife became husband", "husband became wife")


def test_templates_fill_up_where_reviews_mention_nobody(table):
    by_kind = table.set_index(["kind", "source"])
    assert ("gender_words", "templates") not in by_kind.index
    for kind in GROUPS.keys() - {"gender_words"}:
        assert by_kind.loc[(kind, "reviews"), "n"] == 0
        assert np.isnan(by_kind.loc[(kind, "reviews"), "stars"])
        row = by_kind.loc[(kind, "templates")]
        assert row["n"] == row["n_written_first"] > 30
        assert (row["stars"], row["beyond_chance"]) == (0, False)


def test_every_template_of_the_list_is_about_one_side():
    nobody = pd.DataFrame({"text_clean": ["nothing"]})
    for probe in load_probes():
        for template in probe.templates:
            alone = probe.model_copy(update={"templates": [template]})
            table = run_probes(nobody, biased, n_reviews=1, seed=0, probes=[alone])
            assert table["n"].tolist()[1] > 20 or "{term}" not in template, template
            assert table["n"].tolist()[1] > 0, template


def test_metrics_are_flat_finite_and_count_templates_apart(table):
    metrics = probe_metrics(table)
    assert metrics["probe_gender_words_n"] == 90
    assert metrics["probe_gender_words_stars_low"] < metrics["probe_gender_words_stars"]
    assert metrics["probe_age_n"] == 0
    assert "probe_age_stars" not in metrics
    assert metrics["probe_age_template_stars"] == 0
    assert metrics["n_probes_beyond_chance"] == 1
    assert np.isfinite(list(metrics.values())).all()


def test_the_sentence_names_what_moves_the_stars(table):
    n_asked = table["p_holm"].notna().sum()
    assert summarise_probes(table) == (
        f"1 of {n_asked} exchanges moves the stars beyond chance: men instead of women: +0.33 stars (90 reviews)."
    )
    quiet = table[table["kind"] == "age"]
    assert summarise_probes(quiet) == (
        "None of 1 exchanges moves the stars beyond chance; the largest mean is 0.00 stars."
    )
    assert summarise_probes(table.iloc[:0]) == "No probe could be asked."


def test_no_more_reviews_than_asked_for_are_changed_and_the_seed_decides_which():
    test = pd.DataFrame({"text_clean": [f"She paid {i}" for i in range(50)]})
    first, again = (run_probes(test, biased, n_reviews=7, seed=3, probes=[GENDER]) for _ in range(2))
    assert first.loc[0, "n"] == 7
    assert first.equals(again)


def test_no_reviews_leave_the_templates():
    table = run_probes(pd.DataFrame({"text_clean": []}), biased, n_reviews=5, seed=0, probes=[GENDER])
    assert list(table.columns) == list(COLUMNS)
    assert table["source"].tolist() == ["reviews", "templates"]


def test_every_kind_stands_once_in_the_list():
    kinds = [probe.kind for probe in load_probes()]
    assert len(kinds) == len(set(kinds)) >= 9


def test_a_list_with_half_a_swap_is_refused(tmp_path):
    path = tmp_path / "probes.yaml"
    path.write_text("- {kind: age, first: a, second: b, swaps: [[[young]]]}")
    with pytest.raises(ValidationError, match="at least 2 items"):
        load_probes(path)
    assert Probe(kind="age", first="a", second="b", swaps=[[["young"], ["old"]]]).terms(1) == {"old": ["young"]}

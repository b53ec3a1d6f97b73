import re

import numpy as np
import pytest

from starsight.evaluate import phrases
from starsight.evaluate.behaviour import (
    KINDS,
    MAX_WORDS,
    REVIEW_CASES,
    SAME,
    SLACK,
    behaviour_metrics,
    make_tests,
    pass_rate,
    run_behaviour,
)
from starsight.pages import _environment

GOOD = {*phrases.GOOD, *phrases.MILD, "love", "happy", "recommend", "worth"}
BAD = {*phrases.BAD, *phrases.SHARP, "unhappy", "waste", "badly"}
REVIEWS = [
    "Emily and I wore it to a wedding. Emily was happy.",
    "My husband ordered it from Amazon and it was a waste",
    "It came on a Friday",
    f"Kevin {'and so on ' * MAX_WORDS}",
] * 60


def by_rules(texts):
    """Stars from good and bad words, each turned round by a negation before it; praise and complaints weigh as much."""
    rated = []
    for text in texts:
        balance, sign = 0, 1
        for word in re.findall(r"[a-z']+", text.lower()):
            if word in ("not", "never", "don't"):
                sign = -1
            elif word in GOOD | BAD:
                balance += sign if word in GOOD else -sign
                sign = 1
        rated.append(3 + 2 * np.tanh(balance))
    return np.array(rated)


def constant(texts):
    return np.full(len(texts), 4.0)


def failed(predict):
    return {result.name for result in run_behaviour(predict, REVIEWS, seed=0) if result.n_passed < result.n}


def test_a_predictor_that_reads_the_words_by_rules_passes_everything():
    results = run_behaviour(by_rules, REVIEWS, seed=0)
    assert [result.name for result in results if result.n_passed < result.n] == []
    assert {result.kind for result in results} == set(KINDS)
    assert sum(result.n for result in results) > 1000


def test_a_constant_fails_wherever_something_must_happen():
    assert failed(constant) == {
        "A plain complaint is below 2.5",
        "A complaint after praise lowers the stars",
        "Praise after a complaint raises the stars",
        "“not good” is below “good”",
        "“not bad” is above “bad”",
    }
    assert "Plain praise is above 3.5 stars" in failed(lambda texts: np.full(len(texts), 3.5))


@pytest.mark.parametrize(
    ("blind_spot", "test"),
    [
        (lambda text: "Emily" in text, "another first name"),
        (lambda text: "Starbucks" in text or "Amazon" in text, "another brand"),
        (str.isupper, "all in capitals"),
        (str.islower, "all in lower case"),
        (lambda text: re.search("husband|daughter", text) is None, "a typo in a neutral word"),
    ],
)
def test_a_rating_that_moves_without_a_reason_fails_on_templates_and_on_reviews(blind_spot, test):
    def predict(texts):
        return np.array([1.0 if blind_spot(text) else 4.0 for text in texts])

    results = [r for r in run_behaviour(predict, REVIEWS, seed=0) if r.name.endswith(test)]
    assert [result.from_reviews for result in results] == [False, True]
    assert all(result.n_passed < result.n for result in results)


def test_not_good_is_found_out_where_negations_are_not_read():
    def no_negations(texts):
        return by_rules([re.sub(r"\b(not|never|don't)\b", "", text) for text in texts])

    assert failed(no_negations) >= {"“not good” is below “good”", "“not bad” is above “bad”"}


def test_a_complaint_that_raises_the_stars_is_found_out():
    assert failed(lambda texts: 6 - by_rules(texts)) >= {
        "A complaint does not raise the stars",
        "Praise does not lower the stars",
    }


@pytest.mark.parametrize(("move", "passed"), [(SAME, True), (SAME + 0.01, False)])
def test_half_a_star_is_the_most_that_capitals_may_move(move, passed):
    results = run_behaviour(lambda texts: np.array([3.1 + move * t.isupper() for t in texts]), REVIEWS, seed=0)
    capitals = next(result for result in results if result.name.endswith("all in capitals"))
    assert (capitals.n_passed == capitals.n) is passed


@pytest.mark.parametrize(("rise", "passed"), [(SLACK, True), (SLACK + 0.01, False)])
def test_a_tenth_of_a_star_is_the_most_that_a_complaint_may_raise_a_review(rise, passed):
    def predict(texts):
        return np.array([3.1 + rise * text.endswith(phrases.COMPLAINTS) for text in texts])

    assert ("A complaint does not raise the stars" not in failed(predict)) is passed


def test_the_same_seed_makes_the_same_cases_and_another_seed_others():
    first, again, other = ([test.cases for test in make_tests(REVIEWS, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_case_is_what_it_says():
    for test in make_tests(REVIEWS, 0):
        assert len(test.cases) <= REVIEW_CASES
        for case in test.cases:
            assert len(set(case.texts)) == (1 if test.kind == "minimum" else 2)
            if test.from_reviews:
                assert case.texts[0] in REVIEWS
                assert len(case.texts[0].split()) <= MAX_WORDS
            if "typo" in test.name:
                before, after = (sorted(text) for text in case.texts)
                assert before == after


def test_a_name_becomes_another_of_its_row_wherever_it_stands():
    cases = [
        case
        for test in make_tests(REVIEWS, 0)
        if test.from_reviews and test.name.endswith("first name")
        for case in test.cases
    ]
    assert cases
    for case in cases:
        new = case.change.removeprefix("Emily became ")
        assert new in phrases.NAMES[0]
        assert case.texts[1] == f"{new} and I wore it to a wedding. {new} was happy."


def test_the_model_is_asked_once_about_each_text():
    calls = []
    run_behaviour(lambda texts: calls.append(list(texts)) or constant(texts), REVIEWS, seed=0)
    assert len(calls) == 1
    assert len(set(calls[0])) == len(calls[0])


def test_without_reviews_the_templates_are_still_tested():
    results = run_behaviour(by_rules, [], seed=0)
    assert all((result.n == 0) == result.from_reviews for result in results)
    assert all((result.pass_rate is None) == result.from_reviews for result in results)
    assert behaviour_metrics(results)["behaviour_invariance_pass_rate"] == 1


def test_the_interval_of_a_pass_rate_is_wilsons():
    rate = pass_rate(9, 10)
    assert (rate.value, rate.low, rate.high) == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-4)


def test_flat_metrics_pool_the_cases_of_a_kind():
    results = run_behaviour(constant, REVIEWS, seed=0)
    metrics = behaviour_metrics(results)
    assert set(metrics) == {f"behaviour_{kind}_pass_rate{end}" for kind in KINDS for end in ("", "_low", "_high")}
    assert metrics["behaviour_minimum_pass_rate"] == 0.5
    assert metrics["behaviour_negation_pass_rate"] == 0
    assert metrics["behaviour_invariance_pass_rate"] == 1


def test_no_word_of_the_templates_is_both_praise_and_complaint_or_name_and_brand():
    assert not {*phrases.GOOD, *phrases.MILD} & {*phrases.BAD, *phrases.SHARP}
    brands = [*phrases.SHOPS, *(brand for group in phrases.BRANDS.values() for brand in group)]
    assert len(set(brands)) == len(brands)
    assert not {word for brand in brands for word in brand.split()} & {name for row in phrases.NAMES for name in row}
    assert all(len(word) >= 6 for word in phrases.NEUTRAL)


def test_the_page_shows_rates_and_examples_of_failures_escaped():
    results = run_behaviour(constant, ["It was <b>fine</b>"], seed=0)
    angry = run_behaviour(lambda t: np.array([5.0 if len(x) > 20 else 1.0 for x in t]), ["It was <b>fine</b>"], seed=0)
    macros = _environment().get_template("behaviour.html").module
    page = macros.behaviour(results + angry, KINDS)
    assert page.count('<th scope="row"') == len(results + angry)
    assert "It was &lt;b&gt;fine&lt;/b&gt;. " in page
    assert "4.00 became 4.00 stars" in page
    assert "<td>0</td>\n<td>–</td>" in page
    assert "<small>94 to 100</small>" in page

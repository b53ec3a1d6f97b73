import numpy as np
import pytest
from known import TEXTS, explained, known_predictor

from starsight.explain.attribution.gradients import IntegratedGradients
from starsight.explain.attribution.head import Contribution, RandomRanking
from starsight.explain.attribution.method import LABELS
from starsight.explain.faithfulness import MEASURES, SHARES, faithfulness_table, measure_faithfulness, top_words
from starsight.explain.words import TokenScores, find_words, merge_words


class Given:
    """A method that answers what it is told to."""

    def __init__(self, name, attribute):
        self.name = name
        self.attribute = attribute


IDLE = Given("attention", lambda reviews: [1 / (np.abs(review.words.contributions) + 1e-3) for review in reviews])
CONSTANT = Given("uniform", lambda reviews: [np.ones(len(review.words.words)) for review in reviews])
FEW = Given("shap", lambda reviews: [review.words.contributions for review in reviews[:4]])


def words_of(text):
    spans = np.array(find_words(text))
    return merge_words(text, TokenScores(spans, np.ones(len(spans)), np.ones(len(spans))))


def measure(methods, texts=TEXTS, seed=0, removal="mask", reviewers=None):
    predictor = known_predictor()
    reviews = explained(predictor, texts)
    return measure_faithfulness(
        predictor, reviews, methods, reviewers=reviewers or [None] * len(texts), removal=removal, draws=200, seed=seed
    )


@pytest.fixture(scope="module")
def report():
    return measure([Contribution(), IDLE, CONSTANT, FEW, *(RandomRanking(seed) for seed in range(3))])


def test_the_top_tenth_is_at_least_one_word_and_never_punctuation():
    words = words_of("!! one two")
    assert top_words(np.array([9.0, 8.0, 1.0, 2.0]), words, 0.1).tolist() == [3]
    assert top_words(np.array([9.0, 8.0, 1.0, 2.0]), words, 1.0).tolist() == [2, 3]


def test_a_tenth_of_ten_words_is_one_and_of_eleven_two():
    for n, n_top in ((10, 1), (11, 2), (20, 2), (30, 3)):
        words = words_of(" ".join(["word"] * n))
        assert len(top_words(np.arange(n, dtype=float), words, 0.1)) == n_top


def test_words_that_were_not_read_are_not_drawn():
    words = merge_words("one two", TokenScores(np.array([[0, 3]]), np.ones(1), np.ones(1)))
    assert top_words(np.array([0.0, 1.0]), words, 1.0).tolist() == [0]


def test_removing_and_keeping_the_top_words_of_a_sum_moves_the_rating_by_their_parts(report):
    removed, kept = {share: [] for share in SHARES}, {share: [] for share in SHARES}
    for review in explained(known_predictor()):
        contributions = review.words.contributions
        for share in SHARES:
            top = top_words(np.abs(contributions), review.words, share)
            removed[share].append(abs(contributions[top].sum()))
            kept[share].append(abs(contributions[np.setdiff1d(review.words.removable, top)].sum()))
    for share in SHARES:
        percent = round(share * 100)
        assert report[f"contribution_comprehensiveness_{percent}"] == pytest.approx(np.mean(removed[share]), abs=1e-5)
        assert report[f"contribution_sufficiency_{percent}"] == pytest.approx(np.mean(kept[share]), abs=1e-5)
    for kind, by_share in (("comprehensiveness", removed), ("sufficiency", kept)):
        mean = np.mean([np.mean(values) for values in by_share.values()])
        assert report[f"contribution_aopc_{kind}"] == pytest.approx(mean, abs=1e-5)


def test_the_parts_of_a_sum_rank_as_leaving_out_does_and_their_reverse_the_other_way(report):
    # the same word twice has the same part but for rounding, which ranks it twice
    assert report["contribution_tau"] > 0.99
    assert report["attention_tau"] < -0.99
    assert abs(report["random_tau"]) < 0.2
    assert report["uniform_tau"] == report["uniform_tau_high"] == 0


def test_true_explanations_beat_random_words_and_idle_words_do_not(report):
    assert report["contribution_minus_random_comprehensiveness_10_low"] > 0
    assert report["contribution_minus_random_comprehensiveness_10_p"] < 0.05
    assert report["attention_minus_random_comprehensiveness_10_high"] < 0


def test_every_measure_has_an_interval_around_it(report):
    for name in ("contribution", "attention", "uniform", "shap", "random"):
        for measure_name in MEASURES:
            value, low, high = (report[f"{name}_{measure_name}{end}"] for end in ("", "_low", "_high"))
            assert low - 1e-9 <= value <= high + 1e-9
    assert report["n_faithfulness_reviews"] == report["n_tau_reviews"] == len(TEXTS)


def test_a_method_that_answers_for_fewer_reviews_is_compared_with_random_words_on_those(report):
    fewer = measure([Contribution(), *(RandomRanking(seed) for seed in range(3))], TEXTS[:4])
    assert report["n_shap_reviews"] == 4
    key = "minus_random_comprehensiveness_10"
    for name in ("comprehensiveness_10", "tau"):
        assert report[f"shap_{name}"] == pytest.approx(fewer[f"contribution_{name}"])
    assert report["contribution_comprehensiveness_10"] != pytest.approx(fewer["contribution_comprehensiveness_10"])
    assert np.sign(report[f"shap_{key}"]) == np.sign(fewer[f"contribution_{key}"])


def test_methods_of_one_name_count_as_one_with_their_mean():
    alone = [measure([RandomRanking(seed)])["random_comprehensiveness_10"] for seed in (1, 2)]
    together = measure([RandomRanking(1), RandomRanking(2)])["random_comprehensiveness_10"]
    assert together == pytest.approx(np.mean(alone))


def test_the_interval_knows_reviewers_and_seeds():
    def width(report, name="random_comprehensiveness_10"):
        return report[f"{name}_high"] - report[f"{name}_low"]

    one_each = measure([RandomRanking(1), RandomRanking(2)])
    twins = measure([RandomRanking(1), RandomRanking(2)], TEXTS * 2, reviewers=[f"u{i}" for i in range(len(TEXTS))] * 2)
    assert width(twins) == pytest.approx(width(one_each), rel=0.3)  # not 0.7 of it, as of twice as many reviewers
    same_seed = measure([RandomRanking(1), RandomRanking(1)])
    assert width(one_each) > 0
    assert one_each["random_comprehensiveness_10"] != same_seed["random_comprehensiveness_10"]


def test_words_of_one_rank_are_drawn_from_the_whole_review():
    words = words_of(" ".join(["word"] * 40))
    assert top_words(np.zeros(40), words, 0.1).tolist() != [0, 1, 2, 3]
    assert top_words(np.zeros(40), words, 0.1).tolist() == top_words(np.zeros(40), words, 0.1).tolist()


def test_reviews_that_no_word_moves_have_no_tau_but_the_other_measures():
    report = measure([Contribution(), RandomRanking(0)], [*TEXTS[:5], "great", "?!"])
    assert report["n_tau_reviews"] == 5
    assert report["n_faithfulness_reviews"] == 7
    assert report["contribution_tau"] > 0.99
    alone = measure([Contribution(), RandomRanking(0)], ["great", "?!"])
    assert "contribution_tau" not in alone
    assert np.isnan(faithfulness_table(alone).set_index("method").loc["contribution", "tau"])


def test_the_convergence_delta_is_reported_in_stars():
    assert measure([IntegratedGradients(known_predictor()), RandomRanking(0)])["integrated_gradients_delta"] < 1e-5


def test_the_same_seed_gives_the_same_numbers():
    first, again = (measure([Contribution(), RandomRanking(3)], TEXTS[:4], seed=4, removal="delete") for _ in range(2))
    assert first == again


def test_the_table_has_a_row_a_method_with_the_controls_last(report):
    table = faithfulness_table(report)
    assert table["method"].tolist() == [name for name in LABELS if f"{name}_tau" in report]
    assert table["control"].tolist() == [False, False, False, True, True]
    assert table["n_reviews"].tolist() == [12, 12, 4, 12, 12]
    row = table.set_index("method").loc["contribution"]
    assert row["comprehensiveness_10_low"] == report["contribution_comprehensiveness_10_low"]
    assert row["minus_random_comprehensiveness_10"] == report["contribution_minus_random_comprehensiveness_10"]
    assert np.isnan(table.set_index("method").loc["random", "minus_random_comprehensiveness_10"])

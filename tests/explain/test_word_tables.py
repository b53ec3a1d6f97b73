import numpy as np
import pandas as pd
import pytest

from starsight.explain.tables import (
    N_GROUP_WORDS,
    without_attention,
    word_statistics,
    words_before_after,
    words_by_attention,
    words_by_group,
    words_lowering,
    words_raising,
)
from starsight.explain.words import TokenScores, find_words, merge_words

EFFECT = {"great": 0.5, "awful": -0.5}


def explain(text, generator):
    spans = find_words(text)
    words = [text[start:end].lower() for start, end in spans]
    weights = np.array([3.0 if word in EFFECT else 1.0 for word in words])
    contributions = np.array([EFFECT.get(word, 0) for word in words]) + generator.normal(0, 0.05, len(words))
    return merge_words(text, TokenScores(np.array(spans), weights / weights.sum(), contributions))


@pytest.fixture(scope="module")
def statistics():
    generator = np.random.default_rng(0)
    texts = ["Great dress, great!", "an awful dress.", "a dress", "great, not AWFUL", "rare dress"]
    return word_statistics(
        [explain(text, generator) for text in texts * 10 if text != "rare dress"] + [explain("rare", generator)], 10
    )


def test_words_are_counted_whatever_their_case_and_without_punctuation(statistics):
    counts = statistics.set_index("word")[["n_reviews", "n"]]
    assert counts.loc["great"].tolist() == [20, 30]
    assert counts.loc["awful"].tolist() == [20, 20]
    assert not {",", ".", "!"} & set(statistics["word"])


def test_rare_words_stay_out(statistics):
    assert "rare" not in set(statistics["word"])


def test_words_that_draw_attention_come_first(statistics):
    assert set(words_by_attention(statistics)["word"][:2]) == {"great", "awful"}
    assert statistics.set_index("word").loc["great", "relative_weight"] > 1


def test_raising_and_lowering_words_are_told_apart(statistics):
    assert words_raising(statistics)["word"][0] == "great"
    assert words_lowering(statistics)["word"][0] == "awful"
    assert (words_raising(statistics)["contribution_low"] > 0).all()
    assert (words_lowering(statistics)["contribution_high"] < 0).all()


def test_the_interval_is_students_over_reviews():
    texts = ["good", "good good", "good"]
    values = [[0.1], [0.2, 0.4], [0.5]]  # means 0.1, 0.3, 0.5
    reviews = [
        merge_words(text, TokenScores(np.array(find_words(text)), np.full(len(v), 1 / len(v)), np.array(v)))
        for text, v in zip(texts, values, strict=True)
    ]
    row = word_statistics(reviews, 2).iloc[0]
    margin = 4.302653 * 0.2 / 3**0.5  # t of 0.975 with 2 degrees of freedom
    assert row["contribution"] == pytest.approx(0.3)
    assert row["contribution_low"] == pytest.approx(0.3 - margin, rel=1e-5)
    assert row["contribution_high"] == pytest.approx(0.3 + margin, rel=1e-5)


def test_no_reviews_give_empty_tables_with_their_columns():
    empty = word_statistics([], 2)
    assert len(empty) == 0
    assert {"word", "n_reviews", "weight_low", "relative_weight", "contribution_high"} <= set(empty.columns)


def test_a_word_in_a_single_review_has_no_interval():
    with pytest.raises(ValueError, match="fewer than 2 reviews has no interval; found min_reviews 1"):
        word_statistics([], 1)


def said(text, contributions, weights=None):
    n = len(contributions)
    weights = np.full(n, 1 / n) if weights is None else np.array(weights)
    return merge_words(text, TokenScores(np.array(find_words(text))[:n], weights, np.array(contributions)))


def facts(users, products=None):
    return pd.DataFrame({"user_id": users, "product_id": products or [None] * len(users)})


def test_reviews_by_one_reviewer_count_as_one_voice():
    reviews = [said("good", [value]) for value in (0.1, 0.1, 0.5, 0.5)]
    apart = word_statistics(reviews, 2, facts(["a", "b", "c", "d"])).iloc[0]
    together = word_statistics(reviews, 2, facts(["a", "a", "b", "b"])).iloc[0]
    # two clusters whose sums of residuals are -0.4 and 0.4: error sqrt(2 * 0.32) / 4, t of 0.975 with 1 degree
    margin = 12.7062047 * (2 * 0.32) ** 0.5 / 4
    assert together["contribution"] == apart["contribution"] == pytest.approx(0.3)
    assert together["contribution_high"] == pytest.approx(0.3 + margin)
    assert apart["contribution_high"] < together["contribution_high"]
    assert (together["n_reviewers"], apart["n_reviewers"]) == (2, 4)


def test_reviews_that_name_nobody_are_by_different_people():
    reviews = [said("good", [value]) for value in (0.1, 0.3, 0.5)]
    assert word_statistics(reviews, 2, facts([None] * 3)).equals(word_statistics(reviews, 2))


def test_a_word_of_a_single_reviewer_has_no_interval_and_is_left_out():
    reviews = [said("good fit", [0.1, 0.2])] * 3 + [said("good", [0.2])]
    assert word_statistics(reviews, 2, facts(["a", "a", "a", "b"]))["word"].tolist() == ["good"]


def test_words_that_rest_on_few_reviewers_or_one_product_are_marked():
    reviews = [said("fits", [0.1 * i]) for i in range(20)]
    many, few = [f"u{i}" for i in range(20)], [f"u{i % 9}" for i in range(20)]
    items = [f"p{i}" for i in range(20)]
    cases = {
        "spread": (many, items, False),
        "few reviewers": (few, items, True),
        "a loud reviewer": (["loud"] * 11 + many[:9], items, True),
        "one product": (many, ["gown"] * 11 + items[:9], True),
        "half of one product": (many, ["gown"] * 10 + items[:10], False),
        "nothing known of products": (many, None, False),
    }
    for name, (users, products, is_marked) in cases.items():
        row = word_statistics(reviews, 2, facts(users, products)).iloc[0]
        assert row["rests_on_few"] == is_marked, name
    row = word_statistics(reviews, 2, facts(few, ["gown"] * 11 + [None] * 9)).iloc[0]
    assert (row["n_reviewers"], row["n_products"]) == (9, 1)
    assert (row["largest_reviewer_share"], row["largest_product_share"]) == (3 / 20, 11 / 20)


def test_places_that_were_not_read_do_not_count():
    cut = said("good dress good", [0.4])  # one token: the cut took the rest
    row = word_statistics([cut, said("good", [0.2])], 2).iloc[0]
    assert (row["n"], row["contribution"]) == (2, pytest.approx(0.3))


def test_words_are_ranked_within_each_star_and_category():
    reviews = [said("awful dress", [-0.5, 0.01 * i]) for i in range(5)]
    reviews += [said("great gown", [0.5, 0.01 * i]) for i in range(5)]
    test = pd.DataFrame({"stars": [1.0] * 5 + [5.0] * 5, "category": ["dress"] * 5 + ["gown"] * 5})
    table = words_by_group(reviews, 2, test)
    assert set(zip(table["group"], table["value"], strict=True)) == {
        ("stars", "1"), ("stars", "5"), ("category", "dress"), ("category", "gown")
    }  # fmt: skip
    chosen = table.set_index(["group", "value", "ranking", "rank"])
    assert chosen.loc[("stars", "1", "lowering", 1), "word"] == "awful"
    assert chosen.loc[("category", "gown", "raising", 1), "word"] == "great"
    assert ("stars", "5", "lowering", 1) not in chosen.index
    assert set(table["ranking"]) == {"attention", "raising", "lowering"}
    assert (table["n_reviews"] == 5).all()


def test_no_more_words_of_a_part_than_a_reader_reads():
    text = " ".join(f"w{i}" for i in range(40))
    reviews = [said(text, np.linspace(1, 2, 40)) for _ in range(4)]
    table = words_by_group(reviews, 2, pd.DataFrame({"stars": [1.0, 1.0, 5.0, 5.0]}))
    assert table.groupby(["value", "ranking"]).size().tolist() == [N_GROUP_WORDS] * 4


def test_parts_too_small_for_a_mean_leave_an_empty_table_with_its_columns():
    table = words_by_group([said("a b", [1.0, 2.0])] * 2, 2, pd.DataFrame({"stars": [1.0, 5.0]}))
    assert len(table) == 0
    assert {"group", "value", "ranking", "rank", "word", "contribution_low", "rests_on_few"} <= set(table.columns)


def test_before_and_after_are_compared_in_the_same_reviews():
    before = [said("good dress", [0.1, 0.0], [0.5, 0.5]), said("good dress", [0.3, 0.0], [0.5, 0.5])]
    after = [said("good dress", [0.5, 0.0], [0.8, 0.2]), said("good dress", [0.7, 0.0], [0.8, 0.2])]
    table = words_before_after(before, after, 2)
    good = table.iloc[0]
    assert (good["word"], good["rank_before"], good["rank_after"]) == ("good", 2, 1)
    assert (good["relative_weight_before"], good["relative_weight_after"]) == pytest.approx((1.0, 1.6))
    # the change is 0.6 in both reviews: paired, it has no error
    changes = good[["relative_weight_change", "relative_weight_change_low", "relative_weight_change_high"]].tolist()
    assert changes == pytest.approx([0.6] * 3)
    assert good["contribution_after"] == pytest.approx(0.6)
    assert "contribution_before" not in table  # of a head of random weights


def test_a_head_that_weighs_no_words_has_no_columns_and_no_ranking_of_weights():
    reviews = [said("good dress", [0.5 + i / 100, 0.0]) for i in range(4)]
    table = without_attention(words_by_group(reviews, 2, pd.DataFrame({"stars": [1.0, 1.0, 5.0, 5.0]})))
    assert set(table["ranking"]) == {"raising"}
    assert not any("weight" in column for column in table)


def test_before_and_after_of_other_texts_are_refused():
    with pytest.raises(ValueError, match="explain the same texts with the same tokenizer"):
        words_before_after([said("good", [0.1])] * 2, [said("bad", [0.1])] * 2, 2)


def test_facts_of_other_reviews_are_refused():
    with pytest.raises(ValueError, match="facts of 3 reviews beside explanations of 2"):
        word_statistics([said("good", [0.1])] * 2, 2, facts(["a", "b", "c"]))

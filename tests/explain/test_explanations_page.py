import numpy as np
import pytest

from starsight.explain.page import (
    beats_random,
    choose_reviews,
    colour_pieces,
    faithfulness_sentence,
    write_explanations_page,
)
from starsight.explain.tables import word_statistics, words_by_attention, words_lowering, words_raising
from starsight.explain.words import ExplainedReview, TokenScores, find_words, merge_words

TEXT = '  Great <script>alert(1)</script>\n& "cheap" 👍 '


def faithful(margin):
    report = {"n_faithfulness_reviews": 20}
    for name, value in (
        ("attention", 0.31), ("contribution", 0.42), ("random", 0.12),
        ("attention_minus_random", margin), ("contribution_minus_random", 0.3),
    ):  # fmt: skip
        key = f"{name}_comprehensiveness_10"
        report |= {key: value, f"{key}_low": value - 0.02, f"{key}_high": value + 0.02}
    return report


def explain(text, stars_true=5.0):
    spans = np.array(find_words(text))
    n = len(spans)
    words = merge_words(text, TokenScores(spans, np.full(n, 1 / n), np.linspace(0.5, -0.3, n)))
    base = 4.0
    return ExplainedReview(text, stars_true, float(np.clip(base + words.contributions.sum(), 1, 5)), base, words)


def write(path, faithfulness):
    reviews = [explain(TEXT) for _ in range(6)]
    statistics = word_statistics([review.words for review in reviews], 2)
    write_explanations_page(
        path,
        reviews=reviews,
        choices=choose_reviews(np.full(6, 5.0), np.linspace(1, 5, 6), 6, seed=0),
        faithfulness=faithfulness,
        tables={
            "words_by_attention": words_by_attention(statistics),
            "words_raising": words_raising(statistics),
            "words_lowering": words_lowering(statistics),
        },
        facts={"Model": "<i>minilm</i>"},
    )
    return path.read_text(encoding="utf-8")


def test_reviews_are_chosen_by_error_and_none_twice():
    stars_pred = np.linspace(1, 5, 30)
    worst, drawn, best = choose_reviews(np.full(30, 5.0), stars_pred, 10, seed=0)
    assert worst.indices.tolist() == [0, 1, 2]
    assert best.indices.tolist() == [29, 28, 27]
    assert len(drawn.indices) == 4
    assert len({*worst.indices, *drawn.indices, *best.indices}) == 10


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_fewer_reviews_than_asked_for_are_all_shown_once(n):
    choices = choose_reviews(np.full(n, 5.0), np.linspace(1, 5, n), 60, seed=0)
    assert sorted(i for choice in choices for i in choice.indices) == list(range(n))


def test_pieces_make_up_the_whole_text():
    pieces = colour_pieces(explain(TEXT), 0.5, 2.0)
    assert "".join(piece.text for piece in pieces) == TEXT
    assert next(piece for piece in pieces if piece.text == "Great").contribution_opacity == 1
    assert next(piece for piece in pieces if piece.text == "👍").direction == "down"
    assert all(0 <= piece.attention_opacity <= 1 for piece in pieces)


def test_the_sentence_names_both_distances():
    sentence = faithfulness_sentence(faithful(0.19), "attention")
    assert sentence.startswith(
        "Removing the 10 per cent of words that have the most attention moves the rating by 0.31 stars"
    )
    assert "as many random words move it by 0.12 stars" in sentence
    assert beats_random(faithful(0.19), "attention")


def test_an_explanation_no_better_than_chance_is_said_to_be_so_in_red(tmp_path):
    assert "do not take these words for the reason" in faithfulness_sentence(faithful(0.01), "attention")
    assert 'class="fails"' in write(tmp_path / "index.html", faithful(0.01))
    assert 'class="fails"' not in write(tmp_path / "index.html", faithful(0.19))


def test_the_explanations_page_escapes_review_text(tmp_path):
    page = write(tmp_path / "index.html", faithful(0.19))
    assert page.count("<script>") == 1  # the toggle's own
    assert '">&lt;</span>' in page
    assert "<i>minilm" not in page


def test_the_explanations_page_needs_no_network_and_tells_screen_readers_what_it_shows(tmp_path):
    page = write(tmp_path / "index.html", faithful(0.19))
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert page.count('<article class="card" aria-label="Review with 5.0 stars, predicted') == 6


def test_the_page_says_how_far_to_trust_it_before_it_shows_a_review(tmp_path):
    page = write(tmp_path / "index.html", faithful(0.19))
    assert page.index("Removing the 10 per cent") < page.index("What attention can show") < page.index("<article")


def test_no_reviews_still_make_a_page(tmp_path):
    statistics = word_statistics([], 2)
    tables = dict.fromkeys(("words_by_attention", "words_raising", "words_lowering"), statistics)
    path = tmp_path / "index.html"
    write_explanations_page(path, reviews=[], choices=[], faithfulness=faithful(0.19), tables=tables, facts={})
    assert "No word is certain enough" in path.read_text(encoding="utf-8")

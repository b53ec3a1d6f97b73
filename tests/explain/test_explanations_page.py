from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from browser import DESKTOP, PHONE, drive, needs_chromium

from starsight.explain.cards import FullColour, colour_pieces, make_card
from starsight.explain.page import choose_reviews, write_explanations_page
from starsight.explain.page_tables import heat_maps, page_table
from starsight.explain.tables import word_statistics, words_by_attention, words_lowering, words_raising
from starsight.explain.trust import Trust
from starsight.explain.words import ExplainedReview, TokenScores, find_words, merge_words

TEXT = '  Great <script>alert(1)</script>\n& "cheap" 👍 '
TEXTS = [
    TEXT,
    "",
    "great",
    "פריט נהדר, great quality",
    "<img src=x onerror=alert(2)> lovely",
    "word " * 10_000,
    "x" * 400,
    "the zipper broke 👩‍👩‍👧",
]


def faithful(margin):
    report = {"n_faithfulness_reviews": 20}
    for name, value in (
        ("attention", 0.31), ("contribution", 0.42), ("random", 0.12),
        ("attention_minus_random", margin), ("contribution_minus_random", 0.3),
    ):  # fmt: skip
        key = f"{name}_comprehensiveness_10"
        report |= {key: value, f"{key}_low": value - 0.02, f"{key}_high": value + 0.02}
    return report


def explain(text, stars_true=5.0, n_read=200):
    spans = np.array(find_words(text)[:n_read], dtype=np.int64).reshape(-1, 2)
    n = len(spans)
    words = merge_words(text, TokenScores(spans, np.full(n, 1 / max(n, 1)), np.linspace(0.5, -0.3, n)))
    base = 4.0
    return ExplainedReview(text, stars_true, float(np.clip(base + words.contributions.sum(), 1, 5)), base, words)


METHODS = pd.DataFrame(
    {
        "method": ["attention", "contribution", "shap", "random"],
        "label": ["attention weight", "contribution", "SHAP", "random words"],
        "control": [False, False, False, True],
        "n_reviews": [20, 20, 8, 20],
        "comprehensiveness_10": [0.31, 0.42, 0.4, 0.12],
        "comprehensiveness_10_low": [0.3, 0.4, 0.3, 0.1],
        "comprehensiveness_10_high": [0.33, 0.44, 0.5, 0.14],
        "tau": [0.2, 0.3, np.nan, -0.01],
    }
)
EXTRA = {
    "words_by_group": pd.DataFrame(
        {
            "group": ["stars", "stars", "category"],
            "value": ["5", "1", "gown <b>"],
            "ranking": ["raising"] * 3,
            "rank": [1, 1, 99],
            "word": ["great", "awful", "far"],
            "contribution": [0.1, -0.2, 0.3],
        }
    ),
    "phrases": pd.DataFrame({"phrase": ["not good"], "n_reviews": [31], "excess": [-0.4], "p": [0.0001]}),
    "attention_by_layer": pd.DataFrame(
        {"layer": [1, 1, 2, 2], "head": ["1", "rollout", "1", "rollout"], "special_share": [0, 0.5, 1, 0.2]}
    ),
}


def write(path, faithfulness=None, texts=(TEXT,) * 6, extra=None, head="attention", table=METHODS):
    reviews = [explain(text, stars_true=1 + i % 5) for i, text in enumerate(texts)]
    statistics = word_statistics([review.words for review in reviews], 2)
    write_explanations_page(
        path,
        reviews=reviews,
        choices=choose_reviews(reviews, len(reviews), seed=0),
        trust=trust(faithfulness or faithful(0.19), table),
        tables={
            "words_by_attention": words_by_attention(statistics),
            "words_raising": words_raising(statistics),
            "words_lowering": words_lowering(statistics),
            **(extra or {}),
        },
        facts={"Model": "<i>minilm</i>"},
        head=head,
    )
    return path.read_text(encoding="utf-8")


def rated(stars_true, stars_pred, contributions=(0.0,)):
    text = "word " * len(contributions)
    words = merge_words(
        text, TokenScores(np.array(find_words(text)), np.ones(len(contributions)), np.array(contributions))
    )
    return ExplainedReview(text, stars_true, stars_pred, 4.0, words)


def test_reviews_are_chosen_by_error_and_by_opposing_words_and_none_twice():
    reviews = [rated(5.0, stars_pred) for stars_pred in np.linspace(1, 5, 30)]
    reviews[12] = rated(5.0, 3.0, (2.0, -1.5))
    reviews[13] = rated(5.0, 3.0, (3.0, -0.1))
    worst, torn, drawn, best = choose_reviews(reviews, 12, seed=0)
    assert worst.indices.tolist() == [0, 1, 2]
    assert torn.indices[:2].tolist() == [12, 13]
    assert best.indices.tolist() == [29, 28, 27]
    assert len({*worst.indices, *torn.indices, *drawn.indices, *best.indices}) == 12


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 9])
def test_fewer_reviews_than_asked_for_are_all_shown_once(n):
    choices = choose_reviews([rated(5.0, stars_pred) for stars_pred in np.linspace(1, 5, n)], 60, seed=0)
    assert sorted(i for choice in choices for i in choice.indices) == list(range(n))


def test_pieces_make_up_the_whole_text():
    pieces = colour_pieces(explain(TEXT), FullColour(0.5, 2.0))
    assert "".join(piece.text for piece in pieces) == TEXT
    assert next(piece for piece in pieces if piece.text == "Great").contribution_opacity == 1
    assert next(piece for piece in pieces if piece.text == "👍").direction == "down"
    assert all(0 <= piece.attention_opacity <= 1 for piece in pieces)


def test_what_was_not_read_is_one_piece_and_no_character_is_lost():
    review = explain("one two three four five", n_read=2)
    tail = merge_words(review.text, TokenScores(np.array([[0, 3], [19, 23]]), np.ones(2) / 2, np.zeros(2)))
    for words in (review.words, tail):
        pieces = colour_pieces(replace(review, words=words), FullColour(0.5, 2.0))
        assert "".join(piece.text for piece in pieces) == review.text
        assert [piece.direction for piece in pieces].count("unread") == 1


def test_a_model_without_attention_shows_none():
    assert "attention" in colour_pieces(explain("great"), FullColour(1, 1))[0].note
    assert "attention" not in make_card(explain("great"), FullColour(1, 1), shows_weights=False).pieces[0].note


def trust(report, table=METHODS):
    return Trust(report, table, "Words were cut out.", {"shap": "<too> slow"})


def test_the_sentence_names_both_distances():
    claim = trust(faithful(0.19)).claims[0]
    assert claim.text.startswith(
        "Removing the 10 per cent of words that have the most attention moves the rating by 0.31 stars"
    )
    assert "as many random words move it by 0.12 stars" in claim.text
    assert claim.holds


def test_an_explanation_no_better_than_chance_is_said_to_be_so_in_red(tmp_path):
    claim = trust(faithful(0.01)).claims[0]
    assert "do not take these words for the reason" in claim.text
    assert not claim.holds
    assert '<li class="fails"><strong>Warning:' in write(tmp_path / "index.html", faithful(0.01))
    assert 'class="fails"' not in write(tmp_path / "index.html", faithful(0.19))


@pytest.mark.parametrize(("margin", "warns"), [(0.01, True), (0.2, False)])
def test_attention_no_better_than_that_of_an_untrained_head_is_said_to_be_so(margin, warns):
    report = faithful(0.19)
    for name, value in (("untrained", 0.3), ("attention_minus_untrained", margin)):
        key = f"{name}_comprehensiveness_10"
        report |= {key: value, f"{key}_low": value - 0.02, f"{key}_high": value + 0.02}
    said = [claim.text for claim in trust(report).claims if not claim.holds]
    assert [text.startswith("The attention of a head that was never trained names words") for text in said] == (
        [True] if warns else []
    )


def test_the_best_method_is_one_that_all_reviews_were_asked_of_that_beats_chance_and_no_control():
    assert "contribution moves it most: 0.42 stars" in trust(faithful(1)).best
    assert trust(faithful(1), METHODS[METHODS["method"] == "random"]).best == ""
    below = faithful(1)
    below["contribution_minus_random_comprehensiveness_10_low"] = -0.1
    assert trust(below).best == ""


def test_the_explanations_page_escapes_review_text(tmp_path):
    page = write(tmp_path / "index.html", extra=EXTRA)
    assert page.count("<script>") == 1  # the page's own
    assert '">&lt;</span>' in page
    assert "<i>minilm" not in page
    assert "gown <b>" not in page
    assert "<too>" not in page


def test_the_explanations_page_needs_no_network_and_tells_screen_readers_what_it_shows(tmp_path):
    page = write(tmp_path / "index.html")
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert page.count('<article class="card" aria-label="Review with') == 6


def test_the_page_says_how_far_to_trust_it_before_it_shows_a_review(tmp_path):
    page = write(tmp_path / "index.html")
    order = ["Removing the 10 per cent", "Every method, measured", "What attention can and cannot", "<article"]
    assert [page.index(part) for part in order] == sorted(page.index(part) for part in order)


def test_a_section_is_shown_where_its_table_is_given(tmp_path):
    titles = ["Words by stars and by category", "Phrases that say more", "Attention by layer and head"]
    page = write(tmp_path / "index.html", extra=EXTRA)
    assert all(title in page for title in titles)
    assert "What a name or a group changes" not in page
    assert "<bdi>far</bdi>" not in page  # beyond the first words of its ranking
    page = write(tmp_path / "index.html")
    assert not any(title in page for title in titles)


@pytest.mark.parametrize("head", ["cls", "mean"])
def test_a_head_without_attention_is_said_to_be_one(tmp_path, head):
    page = write(tmp_path / "index.html", head=head)
    assert f"its head is <code>{head}</code>" in page
    assert "Draw the most attention" not in page
    assert 'value="attention"' not in page


def test_no_reviews_still_make_a_page(tmp_path):
    assert "None is certain enough" in write(tmp_path / "index.html", texts=(), table=METHODS.iloc[:0])


def test_a_table_folds_intervals_and_sorts_by_numbers():
    table = page_table(METHODS, "Methods", 3)
    assert table.headings == [
        *("Method", "Control", "Reviews", "Comprehensiveness, top 10 %", "Kendall’s tau, leave one out")
    ]
    assert (len(table.rows), table.n_rows) == (3, 4)
    assert (table.rows[0][3].text, table.rows[0][3].interval, table.rows[0][3].sort) == (
        "0.310",
        "0.300 to 0.330",
        0.31,
    )
    assert [row[4].text for row in table.rows] == ["+0.200", "+0.300", "–"]
    flags = page_table(pd.DataFrame({"word": ["a", "b"], "rests_on_few": [True, False]}), "", 9)
    assert [row[1].text for row in flags.rows] == ["yes", ""]


def test_a_map_of_layers_is_darkest_where_the_number_is_largest():
    (grid,) = heat_maps(EXTRA["attention_by_layer"])
    assert grid.heads == ["1", "rollout"]
    assert grid.rows == [(1, [("0.0 %", 0.0), ("50.0 %", 0.5)]), (2, [("100.0 %", 1.0), ("20.0 %", 0.2)])]


READ = """
const cards = [...document.querySelectorAll('.card')];
const find = document.getElementById('find');
const search = (text) => {
  find.value = text;
  find.dispatchEvent(new Event('input'));
  return cards.filter((card) => card.offsetParent).length;
};
const column = (table) => [...table.tBodies[0].rows].map((row) => row.cells[3].dataset.sort);
const table = document.getElementById('faithfulness'), heading = table.tHead.rows[0].cells[3];
const before = column(table);
heading.querySelector('button').click(); const down = column(table), saidDown = heading.getAttribute('aria-sort');
heading.querySelector('button').click(); const up = column(table), saidUp = heading.getAttribute('aria-sort');
const text = cards.find((card) => card.textContent.includes('zipper')).querySelector('.text');
text.focus();
const press = (key) => text.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
press('Home'); press('ArrowRight');
const numbers = document.getElementById('numbers'), byKey = numbers.textContent, shownByKey = !numbers.hidden;
const word = text.querySelector('.w'); word.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
return {
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  before, down, saidDown, up, saidUp, byKey, shownByKey, byPointer: numbers.textContent,
  spoken: document.querySelector('p[role=status]').textContent,
  texts: cards.map((card) => card.querySelector('.text').textContent),
  scripts: document.scripts.length, images: document.images.length,
  all: search(''), zipper: search(' ZIPPER broke'), none: search('nowhere'),
  said: document.getElementById('found').textContent,
  titles: [...document.querySelectorAll('#reviews section')].filter((each) => each.offsetParent).length,
};
"""


@needs_chromium
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_the_page_works_in_a_browser_from_disk(tmp_path, width):
    write(tmp_path / "index.html", texts=TEXTS, extra=EXTRA)
    found = drive(tmp_path / "index.html", READ, width)
    assert found["errors"] == []
    assert found["wide"] <= 0
    assert found["scripts"] == 2  # the page's own and the test's
    assert found["images"] == 0
    shown = [text if text else "There is nothing to read in this text." for text in TEXTS]
    assert sorted(found["texts"]) == sorted(shown)
    assert [float(value) for value in found["down"]] == [0.42, 0.4, 0.31, 0.12]
    assert [float(value) for value in found["up"]] == [0.12, 0.31, 0.4, 0.42]
    assert (found["saidDown"], found["saidUp"]) == ("descending", "ascending")
    assert (found["all"], found["zipper"], found["none"]) == (len(TEXTS), 1, 0)
    assert (found["said"], found["titles"]) == ("0 found", 0)
    assert found["shownByKey"]
    assert "stars, attention" in found["byKey"]
    assert found["spoken"] == f"zipper: {found['byKey']}"
    assert found["byPointer"] != found["byKey"]

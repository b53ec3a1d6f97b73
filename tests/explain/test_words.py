import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.explain.words import TokenScores, find_words, merge_words


def words_of(text):
    return [text[start:end] for start, end in find_words(text)]


def score(offsets, weights=None, contributions=None):
    n = len(offsets)
    return TokenScores(
        offsets=np.array(offsets, dtype=np.int64).reshape(n, 2),
        weights=np.full(n, 1 / n) if weights is None else np.array(weights),
        contributions=np.zeros(n) if contributions is None else np.array(contributions),
    )


def test_a_word_keeps_its_apostrophe_and_an_emoji_stands_alone():
    assert words_of("I didn't like it 👍") == ["I", "didn't", "like", "it", "👍"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("well-known, really!!", ["well-known", ",", "really", "!", "!"]),
        ("'quoted' - no", ["'", "quoted", "'", "-", "no"]),
        ("5'8\" size_4", ["5'8", '"', "size", "_", "4"]),
        ("Größe für Élodie’s", ["Größe", "für", "Élodie’s"]),
        ("cafe\u0301 ok", ["cafe\u0301", "ok"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("とても良い", ["とても良い"]),
        ("❤️👍🏽👩‍💻", ["❤️", "👍🏽", "👩‍💻"]),
        ("  \n\t ", []),
        ("", []),
    ],
)
def test_words_of_any_script_are_found(text, words):
    assert words_of(text) == words


def test_pieces_of_a_word_are_summed():
    text = "I didn't like it 👍"
    scores = score(
        [(0, 0), (0, 1), (2, 6), (6, 8), (9, 13), (14, 16), (17, 18), (17, 18), (0, 0)],
        weights=[0.1, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
        contributions=[0.5, 0, -1, -0.5, 0.25, 0, 0.125, 0.125, 0.5],
    )
    merged = merge_words(text, scores)
    assert merged.words == ("I", "didn't", "like", "it", "👍")
    assert merged.weights == pytest.approx([0.1, 0.3, 0.1, 0.1, 0.2])
    assert merged.contributions.tolist() == [0, -1.5, 0.25, 0, 0.25]
    assert (merged.special_weight, merged.special_contribution) == (pytest.approx(0.2), 1.0)
    assert [text[start:end] for start, end in zip(merged.starts, merged.ends, strict=True)] == list(merged.words)


def test_a_blank_before_a_word_belongs_to_the_token_and_not_to_the_word_before():
    merged = merge_words("so great", score([(0, 2), (2, 8)], contributions=[1.0, 2.0]))
    assert merged.contributions.tolist() == [1, 2]


def test_a_token_over_two_words_goes_to_the_one_that_holds_most_of_it():
    assert merge_words("good.", score([(0, 5)], contributions=[1.0])).contributions.tolist() == [1, 0]
    assert merge_words("a bcd", score([(0, 5)], contributions=[1.0])).contributions.tolist() == [0, 1]


def test_a_token_of_blanks_is_part_of_the_special_share():
    merged = merge_words("a b", score([(0, 1), (1, 2), (2, 3)], contributions=[1.0, 2.0, 4.0]))
    assert merged.special_contribution == 2


def test_words_beyond_the_longest_input_are_known_as_unread():
    merged = merge_words("one two three", score([(0, 0), (0, 3), (4, 7), (0, 0)]))
    assert merged.was_read.tolist() == [True, True, False]
    assert merged.relative_weights.tolist() == [1, 1, 0]


def test_words_between_a_kept_beginning_and_a_kept_end_are_known_as_unread():
    # The second word is cut through, and so is the fourth; of the third nothing was read.
    merged = merge_words("one twofold three fourfold five", score([(0, 0), (0, 3), (4, 7), (22, 26), (27, 31), (0, 0)]))
    assert merged.was_read.tolist() == [True, True, False, True, True]
    assert merged.relative_weights.tolist() == [1, 1, 0, 1, 1]


def test_attention_is_counted_by_the_token_so_that_a_word_of_many_tokens_does_not_lead():
    merged = merge_words("can't go", score([(0, 3), (3, 4), (4, 5), (6, 8)]))
    assert merged.n_tokens.tolist() == [3, 1]
    assert merged.weights.tolist() == [0.75, 0.25]
    assert merged.relative_weights.tolist() == [1, 1]


def test_words_with_letters_or_digits_are_speakable():
    assert merge_words("5 stars !👍", score([(0, 0)])).speakable.tolist() == [True, True, False, False]


def test_a_review_of_special_tokens_alone_has_no_words():
    merged = merge_words("", score([(0, 0), (0, 0)], contributions=[1.0, 2.0]))
    assert (merged.words, merged.special_weight, merged.special_contribution) == ((), 1.0, 3.0)
    assert merged.relative_weights.shape == merged.speakable.shape == (0,)


def test_scores_of_another_text_are_refused():
    with pytest.raises(ValueError, match="run from 0 to 9, outside a text of 3 characters"):
        merge_words("abc", score([(0, 9)]))


@given(st.data())
def test_nothing_is_lost_whatever_the_offsets(data):
    text = data.draw(st.text(max_size=30))
    place = st.integers(0, len(text))
    offsets = data.draw(st.lists(st.tuples(place, place).map(sorted), min_size=1, max_size=20))
    number = st.floats(-5, 5)
    contributions = data.draw(st.lists(number, min_size=len(offsets), max_size=len(offsets)))
    merged = merge_words(text, score(offsets, contributions=contributions))
    assert merged.weights.sum() + merged.special_weight == pytest.approx(1)
    assert merged.contributions.sum() + merged.special_contribution == pytest.approx(sum(contributions), abs=1e-9)


@given(st.text(max_size=40))
def test_every_visible_character_is_in_exactly_one_word(text):
    covered = [i for start, end in find_words(text) for i in range(start, end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == {i for i, character in enumerate(text) if not character.isspace()}

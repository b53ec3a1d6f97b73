"""Each rule's known answers, and what must survive every rule."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from starsight.clean.text import RULES, clean_text, join_summary, normalise


@pytest.mark.parametrize(
    ("dirty", "clean", "rule"),
    [
        ("I donâ€™t like it", "I don’t like it", "encoding"),
        ("cafÃ© chic", "café chic", "encoding"),
        ("fish &amp; chips", "fish & chips", "entities"),
        ("fish &amp;amp; chips", "fish & chips", "entities"),
        ("it&#39;s &#x201c;fine&#x201d;", "it's “fine”", "entities"),
        ("Great.<br />Would buy again", "Great.\nWould buy again", "markup"),
        ("<p>One</p><p>Two</p>", "One\nTwo", "markup"),
        ("so <b>very</b> good", "so very good", "markup"),
        ("<b>oops", "oops", "markup"),
        ("oops</i>", "oops", "markup"),
        ('see <a href="http://x.example/y?a=1" rel=nofollow>this one</a>!', "see this one!", "markup"),
        ("before<script>alert(1 < 2)</script> after", "before after", "markup"),
        ("<!-- /* Font Definitions */ -->Nice", "Nice", "markup"),
        ("[[VIDEOID:9f3]] Like [[ASIN:B000X1 Plain Tea]]", "Like Plain Tea", "markup"),
        ("sleeve\u200bless\u00ad", "sleeveless", "control"),
        ("bell\x07 and \x00null", "bell and null", "control"),
        ("half \ud83d sign", "half \ufffd sign", "encoding"),
        ("see http://shop.example/a?b=c.", "see [link].", "addresses"),
        ("(www.shop.example/dress)", "([link])", "addresses"),
        ("write to jo.doe+x@mail.example, please", "write to [email], please", "addresses"),
        ("  two\t spaces \r\n\n and lines\u00a0", "two spaces\nand lines", "whitespace"),
    ],
)
def test_each_rule_gives_its_known_answer_and_is_counted(dirty, clean, rule):
    normalised = normalise(dirty)
    assert normalised.text == clean
    assert rule in normalised.changed_by


@pytest.mark.parametrize(
    "text",
    [
        "5 < 6 and 7 > 6",
        "I <3 it, sad to send it back </3",
        "earrings (<highly recommend). I wore them",
        "LOVE<LOVE<LOVE",
        "<sarcasm>great</sarcasm>",
        "<i love it>",
        "<a great dress>",
        "a < b > c",
        "AT&T, R&B, pen&notebook, &c.",
        "100% NOT good!!! don't buy... :-(",
        "“typographic” – it’s no mistake…",
        "½ off, 20 °C, naïve, ﷺ",
        "👩\u200d❤️\u200d👩 love 👍🏽",
        "می\u200cخواهم",
        "follow me @someone, size 8/10",
        "",
    ],
)
def test_what_a_reviewer_wrote_stays(text):
    assert normalise(text) == (text, frozenset())


def test_an_entity_that_spells_a_tag_is_a_tag():
    assert normalise("one&lt;br /&gt;two &amp;lt;3").text == "one\ntwo <3"


@given(st.text(max_size=300))
@example("&amp;lt;b&amp;gt;")
@example("<<b>b>")
@example("&am<b></b>p;")
@example("www.www.a b@c.de")
def test_cleaning_clean_text_changes_nothing(text):
    once = clean_text(text, {})
    assert clean_text(once, {}) == once


@given(st.lists(st.sampled_from(["<", "<b", ">", "&", "lt;", "/", "a=", '"', "br", " ", "\u200d", "[[", "www."])))
def test_scraps_of_markup_settle(scraps):
    once = clean_text("".join(scraps), {})
    assert clean_text(once, {}) == once


@given(st.lists(st.from_regex(r"[A-Za-z]{1,12}[.,!?]{0,3}", fullmatch=True), max_size=40))
def test_no_word_of_plain_text_is_lost(words):
    assert clean_text(" ".join(words), {}).split() == words


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_the_result_can_be_written_to_a_file(text):
    cleaned = clean_text(text, {})
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned


@pytest.mark.parametrize("opening", ["<", "<b ", "<!--", "<script>", "&", "[[ASIN:", "http://", "a@", '<b a="', " \n"])
def test_a_text_made_to_be_slow_is_not(opening):
    started = time.process_time()
    clean_text(opening * 5000, {})
    assert time.process_time() - started < 20


def test_rules_are_counted_under_stable_names():
    assert list(RULES) == ["encoding", "entities", "markup", "control", "addresses", "whitespace"]


@pytest.mark.parametrize(
    ("summary", "text", "joined"),
    [
        ("Lovely", "It fits.", "Lovely\nIt fits."),
        (None, "It fits.", "It fits."),
        ("", "It fits.", "It fits."),
        ("it fits", "It fits. Well.", "It fits. Well."),
        ("It fits and I wou...", "It fits and I would buy it", "It fits and I would buy it"),
        ("Great", "Greatly disappointed", "Great\nGreatly disappointed"),
        ("...", "It fits.", "...\nIt fits."),
        ("Lovely", "", "Lovely"),
    ],
)
def test_the_summary_comes_first_unless_the_text_begins_with_it(summary, text, joined):
    assert join_summary(summary, text) == joined


def test_clean_text_cleans_corrects_and_joins():
    corrections = {"confortable": "comfortable"}
    assert clean_text("so <b>Confortable</b>&nbsp;!", corrections, summary="CONFORTABLE") == (
        "COMFORTABLE\nso Comfortable !"
    )

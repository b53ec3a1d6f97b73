"""One review at a time: every word has its place in the raw text, and the shares add up."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from browser import PHONE, drive, needs_chromium
from miniature import CPU, tiny_regressor, tiny_tokenizer
from rich.console import Console
from typer.testing import CliRunner

from starsight.cli import app
from starsight.explain.page import write_explanation_page
from starsight.explain.single import explain_texts
from starsight.explain.terminal import print_explanation
from starsight.model.calibration import Calibration
from starsight.model.ensemble import Ensemble
from starsight.model.predictor import Predictor

RAW = [
    "",
    "lovely",
    "<p>The drss is   lovely</p> &amp; perfect 👍",
    "<script>alert('cheap')</script> cheap <img src=x onerror=alert(1)>",
    "שמלה נהדרת lovely",
    "\u202eevil\u202c \x1b[31mred",
    "lovely " * 10_000,
]


def tiny_predictor(head="attention", calibrated=True):
    tokenizer = tiny_tokenizer("bert")
    calibration = Calibration(coverage=0.9, edges=(), half_widths=(0.5,), n_reviews=300, chose_the_epoch=False)
    return Predictor(
        tiny_regressor("bert", tokenizer, head=head),
        tokenizer,
        {"drss": "dress"},
        64,
        CPU,
        calibration=calibration if calibrated else None,
    )


@pytest.fixture(scope="module")
def predictor():
    return tiny_predictor()


def test_every_word_has_its_place_in_the_raw_text(predictor):
    for raw, explanation in zip(RAW, explain_texts(predictor, RAW), strict=True):
        for word in explanation.words:
            assert raw[word["start"] : word["end"]].strip("\u202c") in (word["word"], "drss", "&amp;")
    words = explain_texts(predictor, RAW)[2].words
    assert [word["word"] for word in words] == ["The", "dress", "is", "lovely", "&", "perfect", "👍"]
    assert RAW[2][words[1]["start"] : words[1]["end"]] == "drss"


@pytest.mark.parametrize("head", ["attention", "mean"])
def test_base_and_shares_add_up_to_the_stars_and_stars_are_those_of_the_predictor(head):
    predictor = tiny_predictor(head)
    predicted = predictor.predict_texts(RAW)
    for i, explanation in enumerate(explain_texts(predictor, RAW)):
        plain = explanation.as_json()
        total = plain["base"] + plain["special_contribution"] + sum(word["contribution"] for word in plain["words"])
        assert np.clip(total, 1, 5) == pytest.approx(plain["stars"], abs=1e-4)
        expected = (predicted.stars[i], predicted.low[i], predicted.high[i])
        assert (plain["stars"], plain["stars_low"], plain["stars_high"]) == pytest.approx(expected, abs=1e-5)
        assert (plain["method"], plain["head"], plain["convergence_delta"]) == ("contribution", head, None)
        weights = [word["weight"] for word in plain["words"]]
        assert sum(weights) + plain["special_weight"] == pytest.approx(1, abs=1e-3)


def test_an_ensemble_is_explained_as_its_members_are(predictor):
    rater = Ensemble([predictor.regressor, tiny_regressor("bert", predictor.tokenizer, seed=1)]).eval()
    (explanation,) = explain_texts(replace(predictor, regressor=rater), ["lovely dress"])
    assert explanation.head == "attention"
    members = [explain_texts(replace(predictor, regressor=member), ["lovely dress"])[0] for member in rater.members]
    of_members = [member.review.words.contributions for member in members]
    np.testing.assert_allclose(explanation.review.words.contributions, np.mean(of_members, axis=0), atol=1e-6)
    assert not np.allclose(*of_members, atol=1e-6)


def test_a_head_that_reads_one_token_is_explained_by_integrated_gradients():
    predictor = tiny_predictor("cls")
    texts = ["The dress is lovely and perfect", ""]
    for text, explanation in zip(texts, explain_texts(predictor, texts), strict=True):
        plain = json.loads(json.dumps(explanation.as_json(), allow_nan=False))
        assert plain["method"] == "integrated_gradients"
        total = plain["base"] + plain["special_contribution"] + sum(word["contribution"] for word in plain["words"])
        assert total - plain["convergence_delta"] == pytest.approx(
            predictor.rate_clean_texts([text], cut=False)[0], abs=1e-4
        )
        assert all(word["weight"] is None for word in plain["words"])
    assert any(abs(word["contribution"]) > 1e-6 for word in explain_texts(predictor, texts)[0].words)


def test_no_texts_have_no_explanations(predictor):
    assert explain_texts(predictor, []) == []


def printed(explanation, **options):
    console = Console(file=io.StringIO(), width=100, highlight=False, **options)
    print_explanation(explanation, console)
    return console.file.getvalue()


def test_the_terminal_shows_the_stars_the_sum_and_the_strongest_words_in_colour(predictor):
    (explanation,) = explain_texts(predictor, ["The dress is lovely [bold]cheap[/bold]"])
    shown = printed(explanation, force_terminal=True, color_system="truecolor", no_color=False)
    assert "\x1b[30;48;2;" in shown
    assert "90% interval" in shown
    plain = printed(explanation)
    assert "\x1b" not in plain
    assert "The dress is lovely [bold]cheap[/bold]" in plain
    assert "attention" in plain


def test_the_terminal_says_what_was_not_read_and_that_there_is_nothing_to_read(predictor):
    assert "words were not read" in printed(explain_texts(predictor, ["lovely " * 200])[0])
    assert "There is no word to read" in printed(explain_texts(predictor, [" <br> "])[0])
    assert "no intervals" in printed(explain_texts(replace(predictor, calibration=None), ["lovely"])[0])


@pytest.fixture(scope="module")
def saved(predictor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "finetuned"
    predictor.save(folder)
    return folder


def explain(*arguments, **options):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)], **options)


def test_the_command_prints_json_and_reads_standard_input(saved):
    given = explain("The drss is lovely", "--model", saved, "--json")
    piped = explain("-", "--model", saved, "--json", input="The drss is lovely")
    assert json.loads(given.stdout) == json.loads(piped.stdout)
    assert [word["word"] for word in json.loads(given.stdout)["words"]] == ["The", "dress", "is", "lovely"]


def test_the_command_is_colourless_where_it_is_piped_and_writes_a_page(saved, tmp_path):
    result = explain("lovely <script>alert(1)</script>dress", "--model", saved, "--html", tmp_path / "page.html")
    assert (result.exit_code, "\x1b" in result.stdout) == (0, False)
    assert ">lovely</span>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_a_user_can_cause_is_one_line(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for result, said in (
        (explain("lovely"), "models/finetuned: no model was fine-tuned here yet; run make repro"),
        (explain("lovely", "--model", "nowhere"), "nowhere: there is no model"),
        (explain("lovely", "--model", saved, "--html", "."), "--html . is a folder; name a file"),
        (explain("lovely", "--model", saved, "--html", ""), "is a folder; name a file"),
        (explain("-", "--model", saved, input=b"\xff\xfe"), "standard input is no UTF-8 text (byte 0)"),
    ):
        assert result.exit_code == 1
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


@needs_chromium
def test_the_page_of_one_text_executes_nothing_and_fits_a_phone(predictor, tmp_path):
    for raw in (RAW[3], RAW[-1]):
        (explanation,) = explain_texts(predictor, [raw])
        write_explanation_page(tmp_path / "page.html", explanation, {"model": "tiny"})
        found = drive(
            tmp_path / "page.html",
            "return { wide: document.documentElement.scrollWidth - document.documentElement.clientWidth, "
            "scripts: document.scripts.length, images: document.images.length, "
            "text: document.querySelector('.text').textContent };",
            PHONE,
        )
        assert (found["errors"], found["scripts"], found["images"]) == ([], 2, 0)
        assert found["wide"] <= 0
        assert found["text"] == explanation.review.text

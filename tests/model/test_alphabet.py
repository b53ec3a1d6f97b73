"""Reviews spelled in the letters of amino acids, for ESM's published vocabulary."""

import json

import pytest
from miniature import tiny_regressor, tiny_tokenizer
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from starsight.model.tokens import load_tokenizer, tokenize_texts

VOCABULARY = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
"""What ESM-2 publishes, in its order."""


@pytest.fixture
def published(tmp_path):
    """A folder as ESM is published: a configuration and a vocabulary, nothing else of the tokenizer."""
    tiny_regressor("esm", tiny_tokenizer("esm")).backbone.config.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    return tmp_path


def read(tokenizer, text):
    """The text's tokens, without those at its ends, and the pieces of the text that they stand for."""
    tokens = tokenize_texts(tokenizer, [text], 512)
    pieces = [text[start:end] for start, end in zip(tokens.starts[0], tokens.ends[0], strict=True)]
    return tokenizer.convert_ids_to_tokens(tokens.input_ids[0])[1:-1], pieces[1:-1]


def test_every_letter_is_a_token_and_knows_its_place(published):
    text = "Just a Gown"
    tokens, pieces = read(load_tokenizer(published, "esm"), text)
    assert tokens == list("IUST-A-GOWN")
    assert pieces == list(text)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIIKLMNOPQRSTUVWXYZ"),
        ("café", "CAFE"),
        ("no! why? so…", "NO.-WHY.-SO."),
        ("well-made", "WELL-MADE"),
        ("size 12 (XL)", "SIZE-XX-XXLX"),
        ("👍 ок", "X-XX"),
        ("a \n b", "A-B"),
    ],
)
def test_what_has_no_token_is_spelled_by_the_table(published, text, spelled):
    tokens, pieces = read(load_tokenizer(published, "esm"), text)
    assert "".join(tokens) == spelled
    assert "".join(pieces).split() == text.split()
    assert "<unk>" not in tokens


def test_ids_are_those_of_the_published_vocabulary(published):
    ids = tokenize_texts(load_tokenizer(published, "esm"), ["la."], 512).input_ids[0]
    assert [VOCABULARY[i] for i in ids] == ["<cls>", "L", "A", ".", "<eos>"]


def test_a_saved_one_reads_the_same_from_its_tokenizer_json(published, tmp_path):
    tokenizer = load_tokenizer(published, "esm")
    tokenizer.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved/vocab.txt").exists()
    again = load_tokenizer(tmp_path / "saved", "esm")
    text = "It's a lovely café-au-lait dress, size 8!"
    assert read(again, text) == read(tokenizer, text)
    assert (again.pad_token_id, again.unk_token_id) == (1, 3)


def test_a_tokenizer_json_that_knows_capital_letters_alone_is_spelled_for_too(published, tmp_path):
    bare = Tokenizer(models.WordLevel({token: i for i, token in enumerate(VOCABULARY)}, unk_token="<unk>"))
    special = {"cls_token": "<cls>", "pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=bare, **special).save_pretrained(tmp_path / "bare")
    assert json.loads((tmp_path / "bare/tokenizer.json").read_text())["normalizer"] is None
    assert "".join(read(load_tokenizer(tmp_path / "bare", "esm"), "a gown")[0]) == "A-GOWN"


def test_a_tokenizer_that_was_trained_on_reviews_stays_as_it_is(tmp_path):
    trained = tiny_tokenizer("esm")
    trained.save_pretrained(tmp_path)
    text = "The dress is lovely"
    assert read(load_tokenizer(tmp_path, "esm"), text) == read(trained, text)

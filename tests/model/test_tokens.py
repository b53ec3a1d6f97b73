"""Tokens know where in the text they stand, and the same reviews give the same bytes."""

import hashlib

import pandas as pd
import pytest
from miniature import make_reviews, tiny_regressor, tiny_tokenizer

from starsight.errors import DataError, ModelError
from starsight.model.tokens import TOKENIZER, load_tokenizer, read_tokens, tokenize_texts, train_tokenizer, write_tokens


def clean_reviews():
    reviews = make_reviews(30)
    splits = ["train"] * 20 + ["validation"] * 5 + ["test"] * 5
    ids = [f"r{i}" for i in range(30)]
    return pd.DataFrame({"review_id": ids, "stars": reviews["stars"], "text_clean": reviews["text"], "split": splits})


@pytest.mark.parametrize("family", ["bert", "roberta", "t5"])
def test_offsets_cover_every_letter_of_the_text(family):
    text = "The zipper is broken."
    tokens = tokenize_texts(tiny_tokenizer(family), [text], 64)
    covered = {i for start, end in zip(tokens.starts[0], tokens.ends[0], strict=True) for i in range(start, end)}
    assert covered >= {i for i, letter in enumerate(text) if letter != " "}
    assert tokens.n_cut == 0


def test_a_long_text_is_cut_at_its_end_and_counted():
    tokenizer = tiny_tokenizer("bert")
    tokens = tokenize_texts(tokenizer, ["lovely " * 50, "lovely"], 10)
    assert [len(ids) for ids in tokens.input_ids] == [10, 4]  # start, blank, lovely, end
    assert tokens.n_cut == 1


def test_splits_are_written_with_their_counts_and_read_back_in_order(tmp_path):
    reviews = clean_reviews()
    counts = write_tokens(reviews, tiny_tokenizer("bert"), 64, tmp_path / "processed")
    assert (counts["train_reviews"], counts["validation_reviews"], counts["test_reviews"]) == (20, 5, 5)
    assert counts["train_cut_reviews"] == 0
    rows = read_tokens(tmp_path / "processed/train", limit=7)
    assert list(rows["review_id"]) == [f"r{i}" for i in range(7)]
    assert list(rows["stars"]) == reviews["stars"].tolist()[:7]


def test_the_same_reviews_give_the_same_bytes(tmp_path):
    digests = []
    for name in ("a", "b"):
        write_tokens(clean_reviews(), tiny_tokenizer("bert"), 64, tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append(
            [(str(f.relative_to(tmp_path / name)), hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]
        )
    assert digests[0] == digests[1]


def test_an_empty_split_is_named(tmp_path):
    reviews = clean_reviews()
    with pytest.raises(DataError, match=r"no review is in the test split; see clean\.split in params\.yaml"):
        write_tokens(reviews[reviews["split"] != "test"], tiny_tokenizer("bert"), 64, tmp_path / "processed")
    assert not (tmp_path / "processed").exists()


def test_a_missing_split_says_which_stage_writes_it(tmp_path):
    with pytest.raises(DataError, match=r"train is missing; run the stage that writes it \(dvc repro tokenize\)"):
        read_tokens(tmp_path / "train", 5)


def test_a_tokenizer_without_a_padding_token_borrows_one(tmp_path):
    tokenizer = train_tokenizer(["a good dress"], "gpt2", 300)
    tokenizer.pad_token = None
    tokenizer.eos_token = "[SEP]"
    tiny_regressor("bert", tiny_tokenizer("bert")).backbone.config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).pad_token == "[SEP]"


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no readable tokenizer"):
        load_tokenizer(tmp_path / TOKENIZER)


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_training_a_tokenizer_twice_gives_the_same_one(family):
    vocabularies = {tuple(sorted(tiny_tokenizer(family).get_vocab().items())) for _ in range(4)}
    assert len(vocabularies) == 1

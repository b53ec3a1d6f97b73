"""Tokens know where in the text they stand, and the same reviews give the same bytes."""

import hashlib
from typing import get_args

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniature import make_reviews, tiny_regressor, tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.processors import ByteLevel
from transformers import PreTrainedTokenizerFast

from starsight.errors import DataError, ModelError
from starsight.model.tokens import (
    SPECIAL,
    TOKENIZER,
    load_tokenizer,
    read_tokens,
    tokenize_texts,
    train_tokenizer,
    write_tokens,
)
from starsight.params import FamilyName, TokenizeParams

SETTINGS = TokenizeParams(max_tokens=64, cut="head")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("bert")


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


@pytest.mark.parametrize("family", ["bert", "roberta", "t5"])
def test_a_review_that_writes_the_tokenizers_own_marks_has_said_nothing_but_words(family):
    tokenizer = tiny_tokenizer(family)
    marks = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    text = " ".join(["Good", *tokenizer.all_special_tokens, "really"])
    ids, plain = (tokenize_texts(tokenizer, [each], 200).input_ids[0] for each in (text, "Good really"))
    assert sum(token in marks for token in ids) == sum(token in marks for token in plain)


@pytest.mark.parametrize("split", [True, False])
def test_words_end_at_blanks_even_where_the_tokenizer_takes_a_text_for_one_word(split):
    texts = make_reviews(60)["text"].tolist()
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<pad>"]
    backend.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=100, special_tokens=special, show_progress=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    text = "The zipper  is broken."
    tokens = tokenize_texts(tokenizer, [text], 64)
    letters = {}
    for start, end, word in zip(tokens.starts[0], tokens.ends[0], tokens.words[0], strict=True):
        letters[word] = letters.get(word, "") + text[start:end].strip()
    assert [word for word in letters.values() if word] == ["The", "zipper", "is", "broken."]
    assert len(tokens.words[0]) > len(letters)  # some are in pieces


@pytest.mark.parametrize("family", get_args(FamilyName))
def test_words_are_numbered_as_the_tokenizer_numbers_them_where_it_splits_at_blanks(family):
    tokenizer = tiny_tokenizer(family)
    texts = ["The zipper isn't broken, it's 100% fine.", "lovely", ""]
    own = [[SPECIAL if word is None else word for word in encoding.word_ids] for encoding in tokenizer(texts).encodings]
    assert tokenize_texts(tokenizer, texts, 64).words == own


def test_a_long_text_is_cut_at_its_end_and_counted():
    tokenizer = tiny_tokenizer("bert")
    tokens = tokenize_texts(tokenizer, ["lovely " * 50, "lovely"], 10)
    assert [len(ids) for ids in tokens.input_ids] == [10, 4]  # start, blank, lovely, end
    assert tokens.n_cut == 1


def test_the_beginning_and_the_end_of_a_long_text_can_be_kept():
    tokenizer = tiny_tokenizer("bert")
    text = " ".join(["lovely"] * 20 + ["dress"] * 20)
    whole = tokenize_texts(tokenizer, [text], 999)
    tokens = tokenize_texts(tokenizer, [text, "lovely"], 14, "head_tail")
    # The room is 12 tokens beside start and end: 9 from the beginning, 3 from the end.
    kept = [*range(10), *range(len(whole.input_ids[0]) - 4, len(whole.input_ids[0]))]
    assert tokens.input_ids[0] == [whole.input_ids[0][i] for i in kept]
    assert tokens.starts[0] == [whole.starts[0][i] for i in kept]
    assert tokens.ends[0] == [whole.ends[0][i] for i in kept]
    assert text[tokens.starts[0][-2] : tokens.ends[0][-2]] == " dress"
    assert (len(tokens.input_ids[1]), tokens.n_cut) == (4, 1)


@given(n_words=st.integers(0, 60), max_tokens=st.integers(8, 40), cut=st.sampled_from(["head", "head_tail"]))
def test_no_text_is_longer_than_the_limit_and_a_shorter_one_is_whole(tokenizer, n_words, max_tokens, cut):
    text = "dress " * n_words
    whole = tokenize_texts(tokenizer, [text], 999)
    tokens = tokenize_texts(tokenizer, [text], max_tokens, cut)
    assert len(tokens.input_ids[0]) == min(max_tokens, len(whole.input_ids[0]))
    assert tokens.n_cut == (len(whole.input_ids[0]) > max_tokens)
    assert tokens.input_ids[0][0] == tokenizer.cls_token_id
    assert tokens.input_ids[0][-1] == tokenizer.sep_token_id


def test_an_empty_text_has_a_token_even_where_the_tokenizer_adds_none():
    tokenizer = train_tokenizer(["a good dress"], "gpt2", 300)
    tokenizer.backend_tokenizer.post_processor = ByteLevel(trim_offsets=False)
    tokens = tokenize_texts(tokenizer, ["", "good"], 8)
    assert tokens.input_ids[0] == [tokenizer.pad_token_id]
    assert (tokens.starts[0], tokens.ends[0]) == ([0], [0])
    assert tokenizer.pad_token_id not in tokens.input_ids[1]


def test_cut_reviews_are_counted_whatever_is_kept(tmp_path):
    reviews = clean_reviews()
    for cut in ("head", "head_tail"):
        counts = write_tokens(
            reviews, tiny_tokenizer("bert"), TokenizeParams(max_tokens=8, cut=cut), tmp_path / "processed"
        )
        assert (counts["train_cut_reviews"], counts["train_mean_tokens"]) == (20, 8)


def test_splits_are_written_with_their_counts_and_read_back_in_order(tmp_path):
    reviews = clean_reviews()
    counts = write_tokens(reviews, tiny_tokenizer("bert"), SETTINGS, tmp_path / "processed")
    assert (counts["train_reviews"], counts["validation_reviews"], counts["test_reviews"]) == (20, 5, 5)
    assert counts["train_cut_reviews"] == 0
    rows = read_tokens(tmp_path / "processed/train", limit=7)
    assert list(rows["review_id"]) == [f"r{i}" for i in range(7)]
    assert list(rows["stars"]) == reviews["stars"].tolist()[:7]
    following = read_tokens(tmp_path / "processed/train", limit=7, skip=15)
    assert list(following["review_id"]) == [f"r{i}" for i in range(15, 20)]
    assert [len(read_tokens(tmp_path / "processed/train", limit=7, skip=skip)) for skip in (19, 20, 21)] == [1, 0, 0]


def test_the_same_reviews_give_the_same_bytes(tmp_path):
    digests = []
    for name in ("a", "b"):
        write_tokens(clean_reviews(), tiny_tokenizer("bert"), SETTINGS, tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append(
            [(str(f.relative_to(tmp_path / name)), hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]
        )
    assert digests[0] == digests[1]


def test_an_empty_split_is_named(tmp_path):
    reviews = clean_reviews()
    with pytest.raises(DataError, match=r"no review is in the test split; see clean\.split in params\.yaml"):
        write_tokens(reviews[reviews["split"] != "test"], tiny_tokenizer("bert"), SETTINGS, tmp_path / "processed")
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
    assert load_tokenizer(tmp_path, "gpt2").pad_token == "[SEP]"
    with pytest.raises(ModelError, match=r"its tokenizer names no padding token; name it in tokenizer_config\.json"):
        load_tokenizer(tmp_path, "bert")


def test_a_saved_tokenizer_pads_where_the_model_was_trained_with_padding(tmp_path):
    tokenizer = tiny_tokenizer("xlnet")
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path, "xlnet").padding_side == "right"


def test_a_damaged_tokenizer_is_refused(tmp_path):
    tiny_tokenizer("bert").save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')
    with pytest.raises(ModelError, match="holds no readable tokenizer"):
        load_tokenizer(tmp_path, "bert")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no readable tokenizer"):
        load_tokenizer(tmp_path / TOKENIZER, "bert")


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_training_a_tokenizer_twice_gives_the_same_one(family):
    vocabularies = {tuple(sorted(tiny_tokenizer(family).get_vocab().items())) for _ in range(4)}
    assert len(vocabularies) == 1

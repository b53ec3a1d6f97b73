"""Text to token ids and back to places in the text, with the model's own tokenizer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from datasets import Dataset, disable_progress_bars, load_from_disk
from tokenizers import Encoding, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from starsight.errors import DataError, ModelError
from starsight.model.alphabet import letter_tokenizer, reads_small_letters
from starsight.model.families import FAMILIES, Pieces
from starsight.model.gguf import gguf_options
from starsight.params import Cut, FamilyName, TokenizeParams
from starsight.progress import progress
from starsight.records import SPLITS
from starsight.tables import replacing

TOKENIZER = "tokenizer"
"""Folder of the tokenizer, beside the splits it has read."""

TOKENS_SCHEMA = pa.schema(
    [
        pa.field("review_id", pa.string()),
        pa.field("stars", pa.float32()),
        pa.field("input_ids", pa.list_(pa.int32())),
        pa.field("starts", pa.list_(pa.int32())),
        pa.field("ends", pa.list_(pa.int32())),
        pa.field("words", pa.list_(pa.int32())),
    ]
)
"""``starts`` and ``ends`` are the characters of ``text_clean`` that a token covers; equal for special tokens. ``words``
numbers the words that they are parts of; -1 for special tokens."""

SENTINEL = "<extra_id_0>"
"""T5 has no mask token. In its own pre-training the encoder reads this one where a span of the text is missing."""

SPECIAL = -1
"""In place of a word's number: a mark of the tokenizer's own."""

_BATCH = 1024
"""Reviews tokenized at a time: enough to keep the tokenizer's threads busy, little memory."""


@dataclass(frozen=True)
class TokenizedTexts:
    """Tokens of several texts; each list is ``(tokens,)`` for one text."""

    input_ids: list[list[int]]
    starts: list[list[int]]
    ends: list[list[int]]
    words: list[list[int]]
    n_cut: int
    """Texts that were longer than the limit and were cut."""


_TAIL_SHARES: dict[Cut, float] = {"head": 0.0, "head_tail": 0.25}
"""Share of the room that the end of a cut text gets. That an end is worth keeping: Sun et al. 2019, How to Fine-Tune
BERT for Text Classification?; they keep more of it, of longer texts."""


def load_tokenizer(folder: Path, family: FamilyName) -> PreTrainedTokenizerFast:
    """Read a tokenizer that can say where in the text a token stands; a published one, or one that was saved here.

    Raises:
        ModelError: the folder holds none, or one that keeps no offsets or has no padding token.
    """
    facts = FAMILIES[family]
    if not folder.exists():
        raise ModelError(f"{folder} holds no readable tokenizer: it does not exist.")
    options = gguf_options(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises nothing narrower for a broken file
        raise ModelError(f"{folder} holds no readable tokenizer: {' '.join(str(error).split())}") from None
    if facts.reads == "letters" and not reads_small_letters(tokenizer):
        tokenizer = letter_tokenizer(tokenizer)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"{folder}: its tokenizer keeps no word offsets; convert it to tokenizer.json.")
    if tokenizer.pad_token is None and facts.pad_token == "end of text":
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ModelError(f"{folder}: its tokenizer names no padding token; name it in tokenizer_config.json.")
    tokenizer.padding_side = facts.padding_side  # for whoever else pads with the tokenizer that is saved
    return tokenizer


def mask_id(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """Token that stands for a hidden word: the mask token, or T5's first sentinel; None where there is neither."""
    known = tokenizer.get_vocab().get(tokenizer.mask_token or SENTINEL)
    return None if known is None else int(known)


def train_tokenizer(texts: Sequence[str], family: FamilyName, vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer of the family's kind, learned from ``texts``, for a backbone that starts from scratch.

    Args:
        texts: Training reviews.
        family: Says which kind of pieces.
        vocabulary: Most entries.
    """
    tokenizer, trainer = _untrained(FAMILIES[family].pieces, vocabulary)
    tokenizer.train_from_iterator(texts, trainer)
    start, end = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", start), ("[SEP]", end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _untrained(pieces: Pieces, vocabulary: int) -> tuple[Tokenizer, trainers.Trainer]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    options: dict[str, Any] = {"vocab_size": vocabulary, "special_tokens": special, "show_progress": False}
    if pieces == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer, trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.UnigramTrainer(unk_token="[UNK]", **options)


def tokenize_texts(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_tokens: int, cut: Cut = "head"
) -> TokenizedTexts:
    """Token ids and character offsets of ``texts``, special tokens included, no text longer than ``max_tokens``."""
    encoded = tokenizer(
        list(texts),
        truncation=False,
        split_special_tokens=True,  # a review that says [SEP] or </s> ends nothing
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    # unigram models find their marks among the pieces of a text all the same
    unknown = tokenizer.unk_token_id
    marks = set() if unknown is None else set(tokenizer.all_special_ids)
    rows: list[list[list[int]]] = []
    n_cut = 0
    for text, encoding in zip(texts, encoded.encodings, strict=True):
        ids, added = encoding.ids, encoding.special_tokens_mask
        for place in [place for place, token in enumerate(ids) if token in marks]:
            ids[place] = ids[place] if added[place] else unknown
        starts, ends = map(list, zip(*encoding.offsets, strict=True)) if ids else ([], [])
        columns = [ids, starts, ends, _number_words(text, encoding)]
        if len(ids) > max_tokens:
            kept = _kept(added, max_tokens, cut)
            columns = [[column[place] for place in kept] for column in columns]
            n_cut += 1
        # a tokenizer that adds no tokens of its own makes none of an empty text, and no token has no rating
        if not ids:
            columns = [[tokenizer.pad_token_id], [0], [0], [SPECIAL]]
        rows.append(columns)
    input_ids, starts, ends, words = ([columns[i] for columns in rows] for i in range(4))
    return TokenizedTexts(input_ids, starts, ends, words, n_cut)


def _number_words(text: str, encoding: Encoding) -> list[int]:
    """Number of each token's word, ``(tokens,)``: words as the tokenizer splits them, and at blanks, since to some,
    such as Llama's, a whole text is one word."""
    numbers: list[int] = []
    number, before, end = -1, None, 0
    for word, (start, stop) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is None:
            numbers.append(SPECIAL)
            continue
        if word != before or _has_blank(text[end : start + 1]):  # before the token, or its first character
            number += 1
        numbers.append(number)
        before, end = word, stop
    return numbers


def _has_blank(characters: str) -> bool:
    return not characters.isalnum() and any(character.isspace() for character in characters)


def _kept(special: list[int], max_tokens: int, cut: Cut) -> list[int]:
    """Places that the model reads of a text of more than ``max_tokens``; ``special`` is ``(tokens,)``, 1 for the tokens
    that the tokenizer adds."""
    text = [place for place, added in enumerate(special) if not added]
    room = max_tokens - (len(special) - len(text))
    n_tail = int(_TAIL_SHARES[cut] * room)
    left_out = set(text[room - n_tail : len(text) - n_tail])
    return [place for place in range(len(special)) if place not in left_out]


def write_tokens(
    reviews: pd.DataFrame, tokenizer: PreTrainedTokenizerFast, settings: TokenizeParams, folder: Path
) -> dict[str, float]:
    """Tokenize every split of the clean ``reviews`` and write one Arrow dataset a split, and the tokenizer.

    Rows keep their order. The same reviews and tokenizer give the same bytes, so that nothing later re-runs in vain.

    Args:
        reviews: ``review_id``, ``stars``, ``text_clean``, ``split``.
        tokenizer: The model's own.
        settings: How long an input may be, and what is kept of a longer one.
        folder: Replaced as a whole.

    Returns:
        Flat counts for the report: reviews, mean tokens and cut reviews of each split; share of unknown tokens.

    Raises:
        DataError: a split is empty.
    """
    counts: dict[str, float] = {}
    disable_progress_bars()  # one bar of ours tells more than one a split of theirs
    n_tokens = n_unknown = 0
    with replacing(folder) as partial, progress("tokenize", len(reviews), unit="reviews") as bar:
        for split in SPLITS:
            rows = reviews[reviews["split"] == split]
            if rows.empty:
                raise DataError(f"no review is in the {split} split; see clean.split in params.yaml.")
            batches, n_cut = [], 0
            for batch, tokens in _tokenize_batches(rows, tokenizer, settings):
                n_cut += tokens.n_cut
                batches.append(_to_arrow(batch, tokens))
                bar.update(len(batch))
            table = pa.Table.from_batches(batches, TOKENS_SCHEMA)
            # A given fingerprint: datasets would put a random one into the files, and so change their hash each time.
            Dataset(table, fingerprint=split).save_to_disk(partial / split)
            ids = table["input_ids"].combine_chunks().flatten().to_numpy()
            n_tokens += len(ids)
            n_unknown += int((ids == tokenizer.unk_token_id).sum()) if tokenizer.unk_token_id is not None else 0
            counts |= {
                f"{split}_reviews": len(rows),
                f"{split}_mean_tokens": round(len(ids) / len(rows), 2),
                f"{split}_cut_reviews": n_cut,
            }
        tokenizer.save_pretrained(partial / TOKENIZER)
    return counts | {"unknown_token_share": round(n_unknown / n_tokens, 6)}


def _tokenize_batches(
    reviews: pd.DataFrame, tokenizer: PreTrainedTokenizerFast, settings: TokenizeParams
) -> Iterator[tuple[pd.DataFrame, TokenizedTexts]]:
    for start in range(0, len(reviews), _BATCH):
        batch = reviews.iloc[start : start + _BATCH]
        yield batch, tokenize_texts(tokenizer, batch["text_clean"].tolist(), settings.max_tokens, settings.cut)


def _to_arrow(reviews: pd.DataFrame, tokens: TokenizedTexts) -> pa.RecordBatch:
    columns = [reviews["review_id"], reviews["stars"], tokens.input_ids, tokens.starts, tokens.ends, tokens.words]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, TOKENS_SCHEMA, strict=True)],
        schema=TOKENS_SCHEMA,
    )


def read_tokens(folder: Path, limit: int, skip: int = 0) -> Dataset:
    """The first ``limit`` tokenized reviews of a split, or those that follow the first ``skip``; memory-mapped.

    Raises:
        DataError: the split is missing.
    """
    try:
        tokens = load_from_disk(str(folder))
    except FileNotFoundError:
        raise DataError(f"{folder} is missing; run the stage that writes it (dvc repro tokenize).") from None
    rows = range(len(tokens))[skip : skip + limit]
    return tokens.select(rows if rows else [])  # datasets knows no empty range at the end

"""Text to token ids and back to places in the text, with the model's own tokenizer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from datasets import Dataset, disable_progress_bars, load_from_disk
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from starsight.errors import DataError, ModelError
from starsight.model.families import FAMILIES, Pieces
from starsight.params import FamilyName
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
    ]
)
"""``starts`` and ``ends`` are the characters of ``text_clean`` that a token covers; equal for special tokens."""

_BATCH = 1024
"""Reviews tokenized at a time: enough to keep the tokenizer's threads busy, little memory."""


@dataclass(frozen=True)
class TokenizedTexts:
    """Tokens of several texts; each list is ``(tokens,)`` for one text."""

    input_ids: list[list[int]]
    starts: list[list[int]]
    ends: list[list[int]]
    n_cut: int
    """Texts that were longer than the limit and lost their end."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Read a tokenizer that can say where in the text a token stands.

    Raises:
        ModelError: the folder holds none, or one that keeps no offsets.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no readable tokenizer: {' '.join(str(error).split())}") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"{folder}: its tokenizer keeps no word offsets; convert it to tokenizer.json.")
    if tokenizer.pad_token is None:  # GPT has none; padding is masked, so any token serves
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


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


def tokenize_texts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_tokens: int) -> TokenizedTexts:
    """Token ids and character offsets of ``texts``, special tokens included, cut at the end to ``max_tokens``."""
    encoded = tokenizer(
        list(texts),
        truncation=True,
        max_length=max_tokens,
        return_offsets_mapping=True,
        return_overflowing_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    offsets = [list(zip(*pairs, strict=True)) for pairs in encoded["offset_mapping"]]
    return TokenizedTexts(
        input_ids=encoded["input_ids"],
        starts=[list(starts) for starts, _ in offsets],
        ends=[list(ends) for _, ends in offsets],
        n_cut=sum(bool(encoding.overflowing) for encoding in encoded.encodings),
    )


def write_tokens(
    reviews: pd.DataFrame, tokenizer: PreTrainedTokenizerFast, max_tokens: int, folder: Path
) -> dict[str, float]:
    """Tokenize every split of the clean ``reviews`` and write one Arrow dataset a split, and the tokenizer.

    Rows keep their order. The same reviews and tokenizer give the same bytes, so that nothing later re-runs in vain.

    Args:
        reviews: ``review_id``, ``stars``, ``text_clean``, ``split``.
        tokenizer: The model's own.
        max_tokens: Longest input, special tokens included.
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
            for batch, tokens in _tokenize_batches(rows, tokenizer, max_tokens):
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
    reviews: pd.DataFrame, tokenizer: PreTrainedTokenizerFast, max_tokens: int
) -> Iterator[tuple[pd.DataFrame, TokenizedTexts]]:
    for start in range(0, len(reviews), _BATCH):
        batch = reviews.iloc[start : start + _BATCH]
        yield batch, tokenize_texts(tokenizer, batch["text_clean"].tolist(), max_tokens)


def _to_arrow(reviews: pd.DataFrame, tokens: TokenizedTexts) -> pa.RecordBatch:
    columns = [reviews["review_id"], reviews["stars"], tokens.input_ids, tokens.starts, tokens.ends]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, TOKENS_SCHEMA, strict=True)],
        schema=TOKENS_SCHEMA,
    )


def read_tokens(folder: Path, limit: int) -> Dataset:
    """The first ``limit`` tokenized reviews of a split, memory-mapped.

    Raises:
        DataError: the split is missing.
    """
    try:
        tokens = load_from_disk(str(folder))
    except FileNotFoundError:
        raise DataError(f"{folder} is missing; run the stage that writes it (dvc repro tokenize).") from None
    return tokens.select(range(min(limit, len(tokens))))

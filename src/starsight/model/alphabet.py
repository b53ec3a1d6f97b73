"""How a review is spelled for ESM, whose vocabulary is the letters of amino acids: the one place that says so.

The published tokenizer knows capital letters alone, and everything else is one and the same unknown token. Here a text
is spelled with the tokens that the network has seen in training: every one of them but the special ones is a letter,
``.`` or ``-``.
"""

from string import ascii_lowercase

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

SPELLING = (
    (r"[Jj]", "I"),  # the one letter without a token; in the code of IUPAC J is leucine or isoleucine, and I the latter
    *((letter, letter.upper()) for letter in ascii_lowercase if letter != "j"),
    (r"\s+", "-"),  # a gap
    (r"[!?…]", "."),
    (r"[^A-Z.\-]", "X"),  # any amino acid: digits, other signs, letters of other scripts
)
"""Patterns and what is written for them, in this order, once accents are gone."""


def letter_tokenizer(published: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    """A tokenizer with the vocabulary of ``published`` that reads any text, a character a token, with offsets."""
    vocabulary = published.get_vocab()
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=published.unk_token))
    replacements = [normalizers.Replace(Regex(pattern), letter) for pattern, letter in SPELLING]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), *replacements])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    start, end = published.cls_token, published.eos_token
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(token, vocabulary[token]) for token in (start, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=published.model_max_length,
        **{kind: str(token) for kind, token in published.special_tokens_map.items()},
    )


def reads_small_letters(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer was made for text: a published one of amino acids does not know an ``a``."""
    return tokenizer.unk_token_id not in tokenizer("a", add_special_tokens=False)["input_ids"]

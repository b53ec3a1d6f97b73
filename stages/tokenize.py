"""Turn the clean reviews into token ids with the chosen model's own tokenizer.

Reads   data/interim/clean.parquet
Writes  data/processed/ (one Arrow dataset a split, the tokenizer), reports/tokens.json
"""

from starsight.layout import Layout
from starsight.model.start import start_tokenizer
from starsight.model.tokens import write_tokens
from starsight.params import Params
from starsight.split import take
from starsight.stage import run
from starsight.tables import read_table, write_json


def main(params: Params, layout: Layout) -> None:
    reviews = read_table(layout.clean, columns=["review_id", "stars", "text_clean", "split"])

    shuffled = take(reviews, len(reviews))  # by a stable hash: the first n of a split are a fair sample of it
    tokenizer = start_tokenizer(params, layout, shuffled)
    counts = write_tokens(shuffled, tokenizer, params.tokenize, layout.processed)

    write_json(counts, layout.tokens_report)


if __name__ == "__main__":
    run(main)

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from miniature import make_reviews

from benchmarks.cleaning import make_up, measure_stage
from benchmarks.rivals import datasketch, pandas_without_spelling
from starsight.params import DuplicateParams
from starsight.records import REVIEW_SCHEMA


def table(path, n):
    made = make_reviews(n)
    reviews = pd.DataFrame({"review_id": [f"r{i}" for i in range(n)], "text": made["text"], "source": "made up"})
    reviews = reviews.assign(stars=made["stars"].astype(float), user_id=made["user"])
    reviews["time"] = pd.to_datetime(made["date"], utc=True)
    whole = pa.Table.from_pandas(
        reviews.reindex(columns=REVIEW_SCHEMA.names), schema=REVIEW_SCHEMA, preserve_index=False
    )
    pq.write_table(whole, path)
    return path


def test_the_whole_stage_is_measured(tmp_path):
    measured = measure_stage(table(tmp_path / "reviews.parquet", 60), tmp_path)
    assert measured.n_reviews == 60
    assert measured.seconds > 0.1
    assert measured.peak_rss_mib > 50
    assert measured.reviews_per_s == 60 / measured.seconds
    kept = pq.read_table(tmp_path / "run/data/interim/clean.parquet").num_rows
    assert kept + pq.read_table(tmp_path / "run/data/interim/dropped.parquet").num_rows == 60


def test_made_up_reviews_have_real_sentences_other_ids_and_some_near_copies(tmp_path):
    real = table(tmp_path / "reviews.parquet", 50)
    made = pq.read_table(make_up(real, 300, tmp_path)).to_pandas()
    sentences = {sentence for text in pq.read_table(real)["text"].to_pylist() for sentence in text.split(". ")}
    assert len(made) == made["review_id"].nunique() == 300
    copies = made["text"].str.endswith(" indeed")
    assert 10 < copies.sum() < 60
    assert {sentence for text in made["text"][~copies] for sentence in text.split(". ")} <= sentences


def test_the_rivals_do_what_they_are_timed_for():
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    assert pandas_without_spelling(["<b>Good</b> tea!", "good tea"])["text"].tolist() == ["good tea"]
    params = DuplicateParams(min_similarity=0.7, shingle_words=3, permutations=64)
    assert datasketch([long, "quite another text is here in its place", f"{long} fifteen"], params) == 1

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from miniature import make_reviews

from starsight.errors import DataError
from starsight.ingest.guess import Guess, guess_dataset
from starsight.layout import Layout
from starsight.params import Columns, IngestParams, RatingColumn, TimeColumn

LIMITS = IngestParams(max_rejected_share=0.02, max_characters=50_000, max_expansion=200)

COLUMNS = Columns(
    text="text",
    rating=RatingColumn(column="stars"),
    summary="title",
    user_id="user",
    product_id="item",
    time=TimeColumn(column="date"),
)
"""Of the made-up reviews."""

SNAP = (
    "product/productId: p{0}\nreview/userId: u{0}\nreview/score: 4.0\nreview/time: 1182729600\nreview/text: Good.\n\n"
)


@pytest.fixture
def guess(layout):
    def write(content: str | bytes, name: str = "reviews.csv", **settings: str) -> Guess:
        path = layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return guess_dataset(name, layout, LIMITS, **settings)

    return write


def csv(records: list[dict[str, object]]) -> str:
    return pd.DataFrame(records).to_csv(index=False)


def parquet(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    return content.getvalue()


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("reviews", content)
    return archive.getvalue()


FORMATS = {
    "csv": lambda table: table.to_csv(index=False).encode(),
    "tsv": lambda table: table.to_csv(index=False, sep="\t").encode(),
    "jsonl": lambda table: table.to_json(lines=True, orient="records").encode(),
    "parquet": parquet,
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zipped])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_table_is_known_whatever_its_format_packing_and_name(guess, kind, pack):
    guessed = guess(pack(FORMATS[kind](make_reviews(60))), "reviews.dat")
    assert guessed.dataset.format == kind
    assert guessed.dataset.columns == COLUMNS
    assert guessed.unsure == ()


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_the_delimiter_is_the_one_that_cuts_every_line_alike(guess, delimiter):
    guessed = guess(make_reviews(30).assign(text="Good, cheap; so | so, fine").to_csv(index=False, sep=delimiter))
    assert guessed.dataset.used_delimiter == delimiter
    assert guessed.dataset.columns == COLUMNS


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp1252", "windows-1252"), ("utf-16", "utf-16")],
)
def test_the_encoding_is_told_by_the_bytes(guess, encoding, named):
    table = make_reviews(30).assign(text="Das café war schön, sehr schön")
    guessed = guess(table.to_csv(index=False).encode(encoding))
    assert guessed.dataset.encoding == named
    assert guessed.dataset.columns == COLUMNS


def test_a_few_foreign_bytes_do_not_make_a_text_anything_but_utf_8(guess):
    content = make_reviews(30).assign(text="Das café war schön").to_csv(index=False).encode() + b"\xe9,,3,,,\n"
    guessed = guess(content)
    assert guessed.dataset.encoding == "utf-8"
    assert guessed.unsure == ("1 of the bytes seen are no UTF-8, as the others are",)


def test_a_character_that_the_sample_cuts_off_is_no_foreign_byte(guess):
    guessed = guess("text,stars\n" + "éé schön und gut genug,3\n" * 60_000)
    assert guessed.dataset.encoding == "utf-8"
    assert not any("UTF-8" in sentence for sentence in guessed.unsure)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_text_of_the_stanford_collection_is_known_by_its_keys(guess, encoding):
    text = SNAP.format(1) if encoding == "ascii" else SNAP.format(1).replace("Good", "Café")
    guessed = guess(text.encode(encoding), "finefoods.txt")
    assert guessed.dataset.model_dump(exclude_defaults=True) == {"format": "snap", "source": "finefoods.txt"}
    assert guessed.unsure == ()


def test_stanford_text_in_an_older_encoding_says_so(guess):
    guessed = guess(SNAP.format(1).replace("Good", "Café").encode("latin-1"), "movies.txt")
    assert guessed.dataset.encoding == "windows-1252"
    assert guessed.unsure[0] == "its text is taken to be windows-1252; files of this layout usually are utf-8"


KNOWN_RECORDS = {
    "amazon": {
        **{"reviewerID": "u", "asin": "p", "helpful": [1, 2], "reviewText": "Good.", "overall": 5.0, "summary": "s"},
        **{"unixReviewTime": 1182729600, "reviewTime": "06 25, 2007"},
    },
    "amazon2023": {
        **{"rating": 5.0, "title": "s", "text": "Good.", "asin": "p", "parent_asin": "p", "user_id": "u"},
        **{"timestamp": 1588687728923, "helpful_vote": 0, "verified_purchase": True},
    },
    "yelp": {
        **{"review_id": "r", "user_id": "u", "business_id": "b", "stars": 4.0, "useful": 0, "funny": 0, "cool": 0},
        **{"text": "Good.", "date": "2018-07-07 22:09:11"},
    },
}


@pytest.mark.parametrize("layout_name", KNOWN_RECORDS)
def test_json_of_a_known_layout_is_known_by_its_keys(guess, layout_name):
    guessed = guess(json.dumps(KNOWN_RECORDS[layout_name]) + "\n", "reviews.json")
    assert guessed.dataset.format == layout_name


def test_a_line_that_is_a_python_dict_is_read_as_one(guess):
    assert guess(f"{KNOWN_RECORDS['amazon']}\n", "reviews.json").dataset.format == "amazon"


def test_the_fine_foods_of_kaggle_are_known_by_their_header(guess):
    header = "Id,ProductId,UserId,ProfileName,HelpfulnessNumerator,HelpfulnessDenominator,Score,Time,Summary,Text"
    assert guess(f"{header}\n1,p,u,Ann,1,1,5,1303862400,Good,Very good\n", "Reviews.csv").dataset.format == "kaggle"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"Review Text": "text", "Rating": "rating", "Title": "summary", "Clothing ID": "product_id"}, {}),
        ({"reviews.text": "text", "reviews.rating": "rating", "reviews.username": "user_id"}, {}),
        ({"reviewText": "text", "overall": "rating", "asin": "product_id", "reviewerID": "user_id"}, {}),
        ({"BODY": "text", "star_rating": "rating", "review_headline": "summary", "customer_id": "user_id"}, {}),
        ({"content": "text", "score": "rating", "thumbsUpCount": None, "vote": "helpful_votes"}, {"vote": "3"}),
    ],
)
def test_columns_are_known_by_usual_names_in_any_spelling(guess, names, expected):
    values = {"text": "Good enough for me", "rating": "4"}
    record = {name: expected.get(name, values.get(field, "x")) for name, field in names.items()}
    columns = guess(csv([record] * 4 + [record | {n: "1" for n, f in names.items() if f == "rating"}])).dataset.columns
    found = columns.model_dump() | {"rating": columns.rating.column}
    assert {name: field for field, name in found.items() if name in names} == {
        name: field for name, field in names.items() if field is not None
    }


def test_without_names_the_longest_column_is_the_text_and_few_numbers_are_the_rating(guess):
    records = [{"no": i, "a": "x", "b": f"A rather long sentence, the {i}th", "c": 1 + i % 5} for i in range(40)]
    guessed = guess(csv(records))
    assert guessed.dataset.columns == Columns(text="b", rating=RatingColumn(column="c"))
    assert guessed.unsure == (
        "text is column 'b' for its values alone; no column has a usual name",
        "rating is column 'c' for its values alone; no column has a usual name",
    )


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([1, 3, 5], (1, 5)),
        ([2, 3, 4], (1, 5)),
        ([0, 1], (0, 1)),
        ([0.0, 2.5, 5.0], (0, 5)),
        ([2, 4, 6, 8, 10], (2, 10)),
        ([1, 7, 10], (1, 10)),
        ([0, 7, 10], (0, 10)),
        ([3, 17], (0, 20)),
        ([12, 55, 100], (0, 100)),
        ([-10, 300], (-10, 300)),
        ([*[1, 2, 3, 4, 5] * 30, 2009], (1, 5)),  # a mistake of the source
    ],
)
def test_the_scale_is_the_first_usual_one_that_holds_the_ratings(guess, ratings, scale):
    guessed = guess(csv([{"text": "Good", "rating": rating} for rating in ratings]))
    assert tuple(guessed.dataset.columns.rating.scale) == scale
    seen = f"from the values seen: {min(ratings):g} to {max(ratings):g}"
    assert any(seen in sentence for sentence in guessed.unsure) is ((min(ratings), max(ratings)) != (1, 5))


@pytest.mark.parametrize(
    ("dates", "pattern"),
    [
        (["2020-01-31", "2020-02-01T10:00:00Z"], "ISO8601"),
        (["1182729600", "1588687728"], "s"),
        (["1182729600000", "1588687728923"], "ms"),
        (["January 31, 2020", "May 3, 2021"], "%B %d, %Y"),
        (["Jan 31, 2020", "May 3, 2021"], "%b %d, %Y"),
        (["31.01.2020", "1.2.2020"], "%d.%m.%Y"),
        (["01/31/2020", "02/03/2020"], "%m/%d/%Y"),
        (["31/01/2020", "02/03/2020"], "%d/%m/%Y"),
        (["01 31, 2020", "02 3, 2020"], "%m %d, %Y"),
    ],
)
def test_the_format_of_dates_is_the_one_that_reads_them(guess, dates, pattern):
    guessed = guess(csv([{"text": "Good", "rating": n, "date": date} for n, date in zip((1, 5), dates, strict=True)]))
    assert guessed.dataset.columns.time == TimeColumn(column="date", format=pattern)
    assert guessed.unsure == ()


def test_a_date_that_can_be_read_in_two_ways_is_doubted(guess):
    guessed = guess("text,rating,date\nGood,1,02/03/2020\nGood,5,04/05/2020\n")
    assert guessed.unsure == ("time is read as %m/%d/%Y; %d/%m/%Y reads '02/03/2020' of 'date' as well",)


def test_dates_that_no_format_reads_are_left_out_by_name(guess):
    guessed = guess("text,rating,date\nGood,1,last summer\nGood,5,yesterday\n")
    assert guessed.dataset.columns.time is None
    assert guessed.unsure == ("time is left out: no usual format reads the 'last summer' of 'date'",)


def test_an_id_that_comes_twice_is_no_id_of_a_review(guess):
    assert guess("id,text,rating\n1,Good,1\n2,Bad,5\n").dataset.columns.review_id == "id"
    assert guess("id,text,rating\n1,Good,1\n1,Bad,5\n").dataset.columns.review_id is None


def test_the_first_file_of_a_folder_decides_and_others_are_named(guess, layout):
    table = make_reviews(10).to_csv(index=False)
    guess(table, "reviews/b/two.csv")
    guess(table, "reviews/a/one.csv")
    (layout.root / "reviews/notes.md").write_text("Read me")
    guessed = guess_dataset("reviews", layout, LIMITS)
    assert guessed.dataset.source == "reviews"
    assert guessed.why[0].startswith("one.csv, the first file of reviews, is a table")
    assert guessed.unsure == ("files of other kinds in the folder, which are not read: 1",)
    assert guess_dataset("reviews/*/*.csv", layout, LIMITS).dataset.source == "reviews/*/*.csv"


def test_hidden_files_and_folders_decide_nothing(guess, layout):
    guess(FORMATS["jsonl"](make_reviews(10)), "reviews/r.jsonl")
    for name in ("._r.csv", "._s.csv", ".git/t.csv"):
        (layout.root / "reviews" / name).parent.mkdir(exist_ok=True)
        (layout.root / "reviews" / name).write_bytes(b"\0")
    guessed = guess_dataset("reviews", layout, LIMITS)
    assert (guessed.dataset.format, guessed.unsure) == ("jsonl", ())


@pytest.mark.parametrize(("name", "kind"), [("r.json.gz", "jsonl"), ("r.tab", "tsv"), ("R.PQ", "parquet")])
def test_a_folder_is_opened_by_the_names_of_its_files(guess, layout, name, kind):
    guess(FORMATS[kind](make_reviews(10)), f"reviews/{name}")
    assert guess_dataset("reviews", layout, LIMITS).dataset.format == kind


def test_a_folder_at_home_is_opened_by_the_names_of_its_files(guess, layout, monkeypatch):
    guess(FORMATS["jsonl"](make_reviews(10)), "reviews/r.jsonl")
    monkeypatch.setenv("HOME", str(layout.root))
    assert guess_dataset("~/reviews", layout, LIMITS).dataset.format == "jsonl"


def test_a_parquet_table_is_guessed_from_what_ingest_would_read(guess):
    table = pa.table({"text": pa.array([b"caf\xe9, so good"] * 9).view(pa.string()), "stars": [1, 3, 5] * 3})
    content = io.BytesIO()
    pq.write_table(table, content)
    assert guess(content.getvalue(), "r.parquet").dataset.columns.text == "text"


WRONG = {
    "nothing": (b"", "is empty"),
    "blanks": (b" \n\n", "is empty"),
    "an array": (b'[{"text": "Good", "stars": 5}]', r"is a JSON array, .*jq -c"),
    "a pretty array": (b'[\n {\n  "text": "Good",\n  "stars": 5\n }\n]', r"is a JSON array, .*jq -c"),
    "a pretty object": (b'{\n "text": "Good",\n "stars": 5\n}', "its lines are no objects"),
    "prose": (b"Once upon a time\nthere was a dress.\n", "its first line holds no comma"),
    "a page": (b"<!DOCTYPE html><html><body>Please log in, friend</body></html>", "is a web page"),
    "a document": (b"%PDF-1.7\n1 0 obj", "is a PDF"),
    "a database": (b"SQLite format 3\0" + bytes(100), "is an? SQLite database"),
    "noise": (bytes(range(256)) * 8, "is no text"),
    "no header": (b"5,Lovely dress,2020-01-01\n4,Nice dress,2020-01-02\n", "has no header row"),
    "no text": (b"a,b\n1,2\n3,4\n", "no column that looks like the text of a review; found: a, b"),
    "no rating": (b"text,who\nGood,Ann\nBad,Bob\n", "no column that looks like a rating; found: text, who"),
    "a broken table": (b"PAR1" + bytes(100), "damaged Parquet|no Parquet"),
    "a broken archive": (gzip.compress(b"text,stars\nGood,5\n")[:-9], "damaged or incomplete"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_refused_in_one_line(guess, what):
    content, message = WRONG[what]
    with pytest.raises(DataError, match=message) as refused:
        guess(content, "reviews.bin")
    assert "\n" not in str(refused.value)


def test_a_source_that_is_not_there_is_named(layout):
    with pytest.raises(DataError, match=r"nosuch\.csv is missing"):
        guess_dataset("nosuch.csv", layout, LIMITS)
    with pytest.raises(DataError, match="sha256"):
        guess_dataset("https://example.org/reviews.csv", layout, LIMITS)
    with pytest.raises(DataError, match="sha256 'abc' cannot be used"):
        guess_dataset("reviews.csv", layout, LIMITS, sha256="abc")


def test_names_in_messages_obey_no_terminal(guess):
    with pytest.raises(DataError) as refused:
        guess("\x1b[31mwho,\x07what\nAnn,Bob\n")
    assert str(refused.value).isprintable()


TABLES = st.builds(
    lambda rows, delimiter: "\n".join(delimiter.join(row) for row in rows).encode(),
    st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=5), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
)
LINES = st.builds(
    lambda objects: "\n".join(map(json.dumps, objects)).encode(),
    st.lists(
        st.dictionaries(
            st.sampled_from(["text", "rating", "date", "id", "x"]) | st.text(max_size=5),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers()),
        ),
        min_size=1,
        max_size=6,
    ),
)
MARKED = st.builds(
    lambda mark, rest: mark + rest,
    st.sampled_from([b"PAR1", b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9", b"\xff\xfe", b"{", b"[", b"text,stars\n"]),
    st.binary(max_size=200),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | TABLES | LINES | MARKED)
def test_any_file_is_guessed_or_refused(tmp_path, content):
    (tmp_path / "reviews").write_bytes(content)
    try:
        said = guess_dataset("reviews", Layout(root=tmp_path, home=tmp_path), LIMITS).why[0]
    except DataError as refused:
        said = str(refused)
    assert said.strip()
    assert "\n" not in said

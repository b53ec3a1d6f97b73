import gzip
import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from miniature import REPOSITORY, make_reviews
from pydantic import TypeAdapter
from typer.testing import CliRunner

from starsight.cli import app
from starsight.errors import DataError
from starsight.fetch.download import file_sha256
from starsight.ingest.check import check_source, pasteable
from starsight.ingest.guess import guess_dataset
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import Columns, CsvDataset, Dataset, IngestParams, RatingColumn

MOVIES = REPOSITORY.parent / "shared/data/movies_2k.txt.gz"
LIMITS = IngestParams(max_rejected_share=0.02, max_characters=50_000, max_expansion=200)


@pytest.fixture
def run(layout, monkeypatch):
    """Runs ``starsight ingest-check`` in a folder with the repository's own settings."""
    monkeypatch.chdir(layout.root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (layout.root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())

    def invoke(*arguments: str, content: str | bytes | None = None, columns: int = 100):
        if content is not None:
            Path(arguments[0]).write_bytes(content.encode() if isinstance(content, str) else content)
        return CliRunner().invoke(app, ["ingest-check", *arguments], env={"COLUMNS": str(columns)})

    return invoke


def snap(n: int) -> str:
    return "".join(
        f"product/productId: p{i % 3}\nreview/userId: u{i}\nreview/helpfulness: 1/2\nreview/score: {1 + i % 5}.0\n"
        f"review/time: 1182729600\nreview/summary: Fine\nreview/text: It was fine, the {i}th time.\n\n"
        for i in range(n)
    )


def zipped(content: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("reviews.csv", content)
    return archive.getvalue()


def parquet(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    return content.getvalue()


TABLE = make_reviews(60)
SOURCES = {
    "a.csv": TABLE.to_csv(index=False).encode(),
    "a.tsv": TABLE.to_csv(index=False, sep="\t").encode(),
    "bars.csv": TABLE.to_csv(index=False, sep="|").encode(),
    "wide.csv": TABLE.to_csv(index=False).encode("utf-16"),
    "old.csv": TABLE.assign(text="Café, crème").to_csv(index=False).encode("cp1252"),
    "a.jsonl": TABLE.to_json(lines=True, orient="records").encode(),
    "a.parquet": parquet(TABLE),
    "a.csv.gz": gzip.compress(TABLE.to_csv(index=False).encode()),
    "a.zip": zipped(TABLE.to_csv(index=False)),
    "a.txt": snap(60).encode(),
    "tens.csv": TABLE.assign(stars=2 * TABLE["stars"]).to_csv(index=False).encode(),
    "half.csv": TABLE.assign(stars=TABLE["stars"] / 2 - 0.5).to_csv(index=False).encode(),
    "faulty.csv": (TABLE.to_csv(index=False) + "Good,,9,,,\nGood,,many,,,\n,,3,,,\nshort\n").encode(),
    "Reviews.csv": (
        b"Id,ProductId,UserId,ProfileName,HelpfulnessNumerator,HelpfulnessDenominator,Score,Time,Summary,Text\n"
        b"1,p,u,Ann,1,1,5,1303862400,Good,Very good\n2,p,v,Bob,0,1,1,1303862400,Bad,Very bad\n"
    ),
    "amazon.json": (
        b'{"reviewerID":"u","asin":"p","helpful":[1,2],"reviewText":"Good.","overall":5.0,"unixReviewTime":1182729600}\n'
    ),
    "2023.jsonl": (
        b'{"rating":5.0,"title":"s","text":"Good.","parent_asin":"p","user_id":"u","timestamp":1588687728923}\n'
    ),
    "yelp.json": b'{"review_id":"r","user_id":"u","business_id":"b","stars":4.0,"text":"Good.","date":"2018-07-07"}\n',
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_row_that_is_printed_loads_and_ingest_makes_the_same_of_it(layout, name):
    (layout.root / name).write_bytes(SOURCES[name])
    guessed = guess_dataset(name, layout, LIMITS)
    check = check_source(guessed.dataset, layout, LIMITS)
    rows = yaml.safe_load("datasets:\n" + pasteable(guessed.dataset, layout, ()))["datasets"]
    (row,) = rows.values()
    dataset = TypeAdapter(Dataset).validate_python(row)
    assert dataset == guessed.dataset.model_copy(update={"sha256": file_sha256(layout.root / name)})
    assert ingest(dataset, layout, LIMITS.model_copy(update={"max_rejected_share": 1.0})) == check.report


def test_every_rejected_record_is_counted_and_some_are_shown(layout):
    (layout.root / "faulty.csv").write_bytes(SOURCES["faulty.csv"])
    check = check_source(guess_dataset("faulty.csv", layout, LIMITS).dataset, layout, LIMITS)
    assert check.report.kept == 60
    assert {reason: n for reason, n in check.report.rejected.items() if n} == {
        "no_text": 1,
        "stars_not_a_number": 1,
        "stars_out_of_range": 1,
        "damaged": 1,
    }
    assert [(each.record, each.found) for each in check.examples["stars_out_of_range"]] == [(61, "9")]
    assert [(each.record, each.found) for each in check.examples["stars_not_a_number"]] == [(62, "many")]
    assert '"stars": "3"' in check.examples["no_text"][0].found
    assert check.refusal(LIMITS) == (
        "6.2% of the 64 records would be rejected, more than ingest.max_rejected_share allows (2.0%); most often: "
        "no_text (1). Mend the source, or the row that reads it."
    )


def test_at_most_three_examples_of_a_reason_are_kept(layout):
    (layout.root / "a.csv").write_text("text,stars\n" + "Good,9\n" * 25_000 + "Good,3\n")
    row = CsvDataset(format="csv", source="a.csv", columns=Columns(text="text", rating=RatingColumn(column="stars")))
    check = check_source(row, layout, LIMITS)
    assert check.report.rejected["stars_out_of_range"] == 25_000
    assert [each.record for each in check.examples["stars_out_of_range"]] == [1, 2, 3]


@pytest.mark.parametrize(("first", "n_files", "is_cut"), [(10, 1, True), (60, 1, True), (90, 2, True), (121, 2, False)])
def test_the_first_records_are_counted_over_all_files(layout, first, n_files, is_cut):
    (layout.root / "reviews").mkdir()
    for name in ("a.csv", "b.csv"):
        TABLE.to_csv(layout.root / "reviews" / name, index=False)
    dataset = guess_dataset("reviews", layout, LIMITS).dataset
    check = check_source(dataset, layout, LIMITS, first)
    assert check.report.records == min(first, 120)
    assert check.report.files == n_files
    assert check.first == (first if is_cut else None)


def test_reviewers_products_and_the_longest_text_are_counted(layout):
    (layout.root / "a.txt").write_text(snap(60))
    check = check_source(guess_dataset("a.txt", layout, LIMITS).dataset, layout, LIMITS)
    assert (check.n_reviewers, check.n_products) == (60, 3)
    assert check.longest == len("It was fine, the 59th time.")


def test_what_cannot_be_counted_in_flat_memory_is_not_counted(layout, monkeypatch):
    monkeypatch.setattr("starsight.ingest.check.MAX_DISTINCT", 5)
    (layout.root / "a.txt").write_text(snap(60))
    check = check_source(guess_dataset("a.txt", layout, LIMITS).dataset, layout, LIMITS)
    assert (check.n_reviewers, check.n_products) == (None, 3)


def test_a_file_that_dvc_watches_needs_no_sha256(layout):
    for name in ("data/raw/My reviews (2).csv", "elsewhere.csv"):
        path = layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        TABLE.to_csv(path, index=False)
    watched = guess_dataset("data/raw/My reviews (2).csv", layout, LIMITS).dataset
    assert "sha256" not in pasteable(watched, layout, ())
    assert pasteable(watched, layout, ()).startswith("  my_reviews_2:\n")
    assert pasteable(watched, layout, ("my_reviews_2",)).startswith("  my_reviews_2_2:\n")
    absolute = guess_dataset(str(layout.root / "elsewhere.csv"), layout, LIMITS).dataset
    row = yaml.safe_load(pasteable(absolute, layout, ()))["elsewhere"]
    assert (row["source"], row["sha256"]) == ("elsewhere.csv", file_sha256(layout.root / "elsewhere.csv"))


def test_an_address_keeps_its_sha256(layout):
    row = CsvDataset(
        **{"format": "csv", "source": "https://example.org/a/2023.csv", "sha256": "0" * 64},
        columns=Columns(text="text", rating=RatingColumn(column="stars")),
    )
    printed = yaml.safe_load(pasteable(row, layout, ()))["reviews_2023"]
    assert (printed["source"], printed["sha256"]) == (row.source, row.sha256)


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_shows_format_reviews_stars_and_the_row(run):
    done = run("a.txt", content=snap(60))
    assert done.exit_code == 0, done.output
    for shown in (
        "Format: snap",
        "a.txt is text of the Stanford collection",
        "The first reviews that would be kept",
        "It was fine, the 4th time.",
        "│     5 │      12 │ 20.0% │",
        "None of the 60 records would be rejected",
        "27 characters",
        "  a:\n    format: snap\n    source: a.txt\n    sha256: ",
        "0.0% of the 60 records would be rejected, and 2.0%",
    ):
        assert shown in done.output
    assert "It was fine, the 5th time." not in done.output
    assert not any(line.strip() == "" and line for line in done.stderr.splitlines())


def test_a_source_that_the_pipeline_would_refuse_is_shown_and_fails(run):
    done = run("faulty.csv", content=SOURCES["faulty.csv"])
    assert done.exit_code == 1
    assert "record 61: 9" in done.output
    assert "format: csv" in done.output
    assert done.stderr.startswith("starsight: 6.2% of the 64 records would be rejected, more than ingest.max_rejected")
    assert done.stderr.count("\n") == 1


def test_a_source_of_which_nothing_is_left_is_shown_and_fails(run):
    done = run("a.csv", content="text,stars\nGood,five\nBad,one\n")
    assert done.exit_code == 1
    assert "the scale is taken to be 1 to 5; 'stars' shows no number" in done.output
    assert "record 1: five" in done.output
    assert "100.0% of the 2 records would be rejected, so that none is left" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv is empty"),
        ("text,stars\n", "a.csv holds no records"),
        ("Just a line of prose without any table in it\n", "a.csv is no format that starsight knows"),
        (b"PAR1" + bytes(40), "a.csv"),
        (gzip.compress(SOURCES["a.csv"])[:-200], "damaged or incomplete"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(run, content, message):
    done = run("a.csv", content=content)
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.output


def test_one_record_is_enough(run):
    done = run("a.csv", content="text,stars\nVery good,5\n")
    assert done.exit_code == 0, done.output
    assert "Very good" in done.output


HOSTILE = '"[red]bold[/red] \x1b[31mred\x1b[0m \x07 \u202eevil [/] :smile: ' + "w" * 3_000 + '"'


@pytest.mark.parametrize("columns", [40, 100])
def test_text_cannot_command_the_terminal(run, columns):
    done = run("a.csv", content=f"text,stars,[b]title\n{HOSTILE},5,[/]\n", columns=columns)
    assert done.exit_code == 0, done.output
    shown = "".join(done.output.split())
    assert "[red]bold[/red]" in shown
    assert "\x1b" not in done.output
    assert "\x07" not in done.output
    assert "\u202e" not in done.output
    page = done.output.partition("The row, to paste")[0]
    assert max(map(len, page.splitlines())) <= columns


def test_a_name_of_a_column_cannot_command_the_terminal(run):
    done = run("a.csv", content="\x1b[31mwho,[red]what\nAnn,Bob\n")
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    assert "[red]what" in done.output


def test_a_page_for_no_terminal_has_no_colours_and_a_hundred_columns(run, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("a.csv").write_bytes(SOURCES["a.csv"])
    done = CliRunner().invoke(app, ["ingest-check", "a.csv"], env={"COLUMNS": None})
    assert "\x1b" not in done.output
    assert max(map(len, done.output.splitlines())) <= 100


def test_a_terminal_that_lacks_a_character_shows_another(run):
    Path("a.csv").write_text("text,stars\nCafé crème,5\n")
    done = CliRunner(charset="ascii").invoke(app, ["ingest-check", "a.csv"])
    assert done.exit_code == 0, done.output
    assert "Caf? cr?me" in done.output


def test_a_name_that_no_file_can_have_is_refused(run):
    done = run("a" * 300)
    assert done.exit_code == 1
    assert done.stderr.startswith("starsight: ")
    assert done.stderr.count("\n") == 1


def test_a_row_of_the_settings_is_checked_as_it_stands(run):
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/reviews.csv").write_text("text,stars\nVery good,5\n")
    done = run("--dataset", "mine")
    assert done.exit_code == 0, done.output
    assert "Format" not in done.output
    assert "paste" not in done.output
    assert "Very good" in done.output


def test_only_the_first_records_are_read_and_the_page_says_so(run):
    done = run("a.txt", "--first", "7", content=snap(60))
    assert "None of the first 7 records would be rejected" in done.output
    assert "7, the first ones" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name either a SOURCE or a row"),
        (("a.csv", "--dataset", "mine"), "name either a SOURCE or a row"),
        (("--dataset", "nosuch"), "no row 'nosuch'"),
        (("--dataset", "mine", "--members", "*"), "go with a SOURCE"),
        (("a.csv", "--first", "0"), "--first"),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments, message):
    done = run(*arguments, columns=200)
    assert done.exit_code == 2
    assert message in done.output


def test_a_zip_archive_of_several_files_is_read_with_members(run):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.md", "Read me.")
        file.writestr("reviews.csv", SOURCES["a.csv"])
    assert run("a.zip", content=archive.getvalue()).exit_code == 1
    done = run("a.zip", "--members", "*.csv")
    assert done.exit_code == 0, done.output
    assert "members: '*.csv'" in done.output


@pytest.mark.skipif(not MOVIES.exists(), reason="the sample of the Movies reviews is not on this machine")
def test_a_real_sample_of_the_stanford_collection(run):
    done = run(str(MOVIES))
    assert done.exit_code == 0, done.output
    assert "Format: snap" in done.output
    assert "None of the 2,160 records would be rejected" in done.output
    assert "│     5 │   1,506 │ 69.7% │" in done.output


FIELDS = st.sampled_from(["text", "stars", "1", "5", "Good", "", '"', "2020-01-01", "\x1b[0m", "[/red]"]) | st.text(
    max_size=9
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.lists(st.lists(FIELDS, min_size=2, max_size=3).map(",".join), min_size=1, max_size=9).map(
        lambda rows: "\n".join(["text,stars", *rows]).encode()
    )
    | st.lists(st.dictionaries(FIELDS, st.none() | st.integers() | FIELDS), min_size=1, max_size=9).map(
        lambda objects: "\n".join(map(json.dumps, objects)).encode()
    )
)
def test_any_file_is_checked_or_refused(tmp_path, content):
    layout = Layout(root=tmp_path, home=tmp_path)
    (tmp_path / "reviews").write_bytes(content)
    try:
        dataset = guess_dataset("reviews", layout, LIMITS).dataset
        check = check_source(dataset, layout, LIMITS)
    except DataError:
        return
    (row,) = yaml.safe_load(pasteable(dataset, layout, ())).values()
    assert TypeAdapter(Dataset).validate_python(row).columns == dataset.columns
    assert check.report.records == check.report.kept + sum(check.report.rejected.values())

import random
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from miniature import make_reviews

from starsight.clean.near import jaccard
from starsight.clean.pipeline import Output, clean_reviews
from starsight.clean.report import CleanReport
from starsight.params import CleanParams, DuplicateParams, SplitParams, load_params
from starsight.records import REVIEW_SCHEMA

WORDS = [
    f"{first}{last}" for first in ("bar", "cor", "del", "fin", "gal") for last in ("ba", "do", "ke", "mi", "nu", "so")
]


def long_text(seed: int, n: int = 40) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=n))


def table(path: Path, rows: list[dict], batch: int = 50) -> Path:
    """An ingested table; what a row leaves out is made up."""
    filled = [
        {"review_id": f"r{n:04d}", "user_id": f"u{n % 60}", "stars": 5.0, "source": "made up", "time": None, **row}
        for n, row in enumerate(rows)
    ]
    reviews = pd.DataFrame(filled).reindex(columns=REVIEW_SCHEMA.names)
    reviews["time"] = pd.to_datetime(reviews["time"], utc=True)
    pq.write_table(
        pa.Table.from_pandas(reviews, schema=REVIEW_SCHEMA, preserve_index=False), path, row_group_size=batch
    )
    return path


def params(by: str = "reviewer", threshold: float = 0.7) -> CleanParams:
    return CleanParams(
        duplicates=DuplicateParams(min_similarity=threshold, shingle_words=3, permutations=64),
        spelling=load_params(Path(__file__).parents[2] / "params.yaml").clean.spelling,
        split=SplitParams(by=by, validation_share=0.1, test_share=0.2),
    )


class Run:
    """A cleaning and its two tables."""

    def __init__(self, folder: Path, rows: list[dict], settings: CleanParams, n_workers: int = 1) -> None:
        output = Output(folder / "clean.parquet", folder / "dropped.parquet")
        reviews = table(folder / "reviews.parquet", rows)
        self.report: CleanReport = clean_reviews(
            reviews, output, folder / "scratch", settings, veto=frozenset(), n_workers=n_workers
        )
        self.kept = pd.read_parquet(output.kept)
        self.dropped = pd.read_parquet(output.dropped)
        self.bytes = [path.read_bytes() for path in output]


@pytest.fixture
def rows() -> list[dict]:
    return [{"text": long_text(n), "stars": float(1 + n // 7 % 5)} for n in range(200)]


def test_the_number_of_processes_changes_nothing(tmp_path, rows):
    runs = []
    for n_workers in (1, 2):
        folder = tmp_path / str(n_workers)
        folder.mkdir()
        runs.append(Run(folder, rows + rows[:30], params(), n_workers))
    assert runs[0].bytes == runs[1].bytes
    assert runs[0].report == runs[1].report


def test_copies_in_other_batches_are_found_and_named_with_their_similarity(tmp_path, rows):
    exact = {**rows[3], "text": rows[3]["text"].upper() + "!!", "time": "2020-01-02"}
    near = {**rows[4], "text": rows[4]["text"] + " indeed"}
    run = Run(tmp_path, [*rows, exact, near], params())
    found = run.dropped[["review_id", "reason", "kept_review_id"]].to_numpy().tolist()
    assert found == [["r0003", "exact", "r0200"], ["r0201", "near", "r0004"]]  # the dated one is the earlier
    assert run.dropped["similarity"].tolist() == pytest.approx([1.0, 38 / 39])
    assert len(run.kept) == 200
    for dropped, keeper in (("r0003", "r0200"), ("r0201", "r0004")):
        cluster = run.dropped.set_index("review_id").loc[dropped, "cluster"]
        assert run.kept.set_index("review_id").loc[keeper, "cluster"] == cluster


def test_a_threshold_of_one_finds_exact_copies_only(tmp_path, rows):
    run = Run(tmp_path, [*rows, {"text": rows[4]["text"] + " indeed"}, rows[5]], params(threshold=1.0))
    assert run.dropped["reason"].tolist() == ["exact"]


def test_what_a_random_split_gives_away_is_measured_and_what_is_left_is_nothing(tmp_path, rows):
    # every text twice, by another reviewer: a test review's twin is in training four times out of five
    run = Run(tmp_path, [*rows, *({**row, "user_id": f"w{n}"} for n, row in enumerate(rows))], params())
    assert run.report.random.n_test == pytest.approx(80, abs=25)
    assert run.report.random.exact == run.report.random.near == pytest.approx(0.8, abs=0.12)
    assert run.report.final.near == 0
    assert run.report.final.n_test == (run.kept["split"] == "test").sum() > 10


def test_a_text_with_two_ratings_is_never_tested_on(tmp_path, rows):
    run = Run(tmp_path, [*rows, *({**row, "stars": 6 - row["stars"]} for row in rows)], params())
    disagree = [row for row in rows if row["stars"] != 3]
    assert run.report.n_disputed == len(disagree)
    tested = run.kept[run.kept["split"] == "test"]
    assert len(tested) > 0
    assert set(tested["stars"]) == {3.0}
    undecided = run.dropped[run.dropped["reason"] == "disputed_stars"]
    assert len(undecided) > 10
    assert undecided["kept_review_id"].isna().all()
    assert run.report.dropped["disputed_stars"] == len(undecided)


def test_no_reviewer_and_no_cluster_is_in_two_splits(tmp_path):
    rows = make_reviews(400).rename(columns={"user": "user_id", "title": "summary"})[["text", "summary", "user_id"]]
    run = Run(tmp_path, rows.to_dict("records"), params())
    for column in ("user_id", "cluster"):
        assert run.kept.groupby(column)["split"].nunique().max() == 1


def test_by_time_the_newest_are_for_test(tmp_path, rows):
    dated = [{**row, "time": f"2020-{1 + n // 28:02}-{1 + n % 28:02}"} for n, row in enumerate(rows)]
    run = Run(tmp_path, dated, params(by="time"))
    newest = run.kept.sort_values("time")["review_id"].tolist()[-40:]
    assert sorted(run.kept[run.kept["split"] == "test"]["review_id"]) == sorted(newest)


def test_every_review_is_kept_or_dropped_in_the_order_it_came(tmp_path, rows):
    run = Run(tmp_path, [*rows, *rows[10:20], {"text": " <br> "}], params())
    assert run.kept["review_id"].is_monotonic_increasing
    assert sorted([*run.kept["review_id"], *run.dropped["review_id"]]) == [f"r{n:04d}" for n in range(211)]
    assert run.report.n_kept + run.report.n_dropped == run.report.n_reviews == 211
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_page_shows_rules_copies_and_corrections_and_escapes_them(tmp_path, rows):
    hostile = [{"text": "so &lt;script&gt;alert(1)&lt;/script&gt; it is a " + long_text(1000 + n)} for n in range(2)]
    near = [{"text": rows[4]["text"] + " <ok>"}]
    run = Run(tmp_path, [*rows, *hostile, *near], params())
    run.report.write_page(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&amp;lt;script&amp;gt;" in page
    assert "<script>alert" not in page
    assert "says nearly what another says" in page
    assert "&lt;ok&gt;" in page


def test_reviews_that_are_alike_only_once_their_spelling_is_corrected_are_copies(tmp_path, rows):
    usual = [{"text": f"comfortable dress for number {n} of the party"} for n in range(300)]
    twins = [{"text": "so comfortable"}, {"text": "so confortable"}]
    run = Run(tmp_path, [*usual, *twins], params())
    assert [each.word for each in run.report.corrections] == ["confortable"]
    assert run.dropped[["review_id", "reason", "kept_review_id"]].to_numpy().tolist()[-1] == ["r0301", "near", "r0300"]
    assert not run.kept["text_clean"].duplicated().any()


def test_whoever_stands_for_a_dropped_review_is_kept(tmp_path, rows):
    twice = [*rows, *({**row, "stars": 6 - row["stars"]} for row in rows)]
    other_text = {"review_id": "r0007", "text": long_text(5000), "stars": 1.0}
    run = Run(tmp_path, [*twice, other_text], params())
    named = run.dropped[run.dropped["kept_review_id"].notna()]
    assert set(named["kept_review_id"]) <= set(run.kept["review_id"])
    assert named["similarity"].between(0, 1).all()
    unnamed = run.dropped[run.dropped["kept_review_id"].isna()]
    assert unnamed["similarity"].isna().all()
    assert {"same_id", "disputed_stars"} <= set(unnamed["reason"])


def test_no_two_kept_reviews_are_near_copies_whoever_is_compared_with_whom(tmp_path, rows):
    generator = random.Random(1)
    variants = []
    for row in rows[:60]:
        words = row["text"].split()
        for place in generator.sample(range(len(words)), generator.randrange(1, 4)):
            words[place] = "other"
        variants.append({**row, "text": " ".join(words)})
    run = Run(tmp_path, [*rows, *variants], params())
    texts = run.kept["text_clean"].tolist()
    found = [1 for n, text in enumerate(texts) for other in texts[:n] if jaccard(text, other, 3) >= 0.7]
    assert found == []
    assert len(run.dropped) > 10


words_of_reviews = st.sampled_from(
    ["comfortable", "confortable", "dress", "lovely", "the", "a", "party", "&amp;", "<br>"]
)
review = st.fixed_dictionaries(
    {"text": st.lists(words_of_reviews, max_size=8).map(" ".join), "stars": st.sampled_from([1.0, 3.0, 5.0])},
    optional={
        "review_id": st.sampled_from(["same", "other"]),
        "time": st.sampled_from(["2020-01-01", "2020-01-02"]),
        "user_id": st.sampled_from(["one", "two", "three"]),
    },
)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(reviews=st.lists(review, max_size=30), by=st.sampled_from(["reviewer", "review", "time"]))
def test_whatever_reviews_come_none_is_lost_and_no_promise_about_copies_is_broken(tmp_path_factory, reviews, by):
    usual = [{"text": f"comfortable dress for number {n} of the party"} for n in range(120)]
    run = Run(tmp_path_factory.mktemp("any"), [*usual, *reviews], params(by))
    assert len(run.kept) + len(run.dropped) == len(usual) + len(reviews)
    assert not run.kept["text_clean"].duplicated().any()
    assert not run.kept["cluster"].duplicated().any()
    assert not run.kept["review_id"].duplicated().any()
    assert set(run.dropped["kept_review_id"].dropna()) <= set(run.kept["review_id"])
    tested = run.kept[run.kept["split"] == "test"].set_index("cluster")["stars"]
    others = run.dropped[run.dropped["cluster"].isin(tested.index) & (run.dropped["reason"] != "empty")]
    assert (others["stars"] == others["cluster"].map(tested)).all()

import json

import pytest
from miniature import limits

from starsight.errors import DataError
from starsight.ingest import jsonl, lines
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import Columns, JsonlDataset, RatingColumn, TimeColumn
from starsight.tables import read_table

GOOD = '{"text": "fine", "stars": 4}'


def objects(layout: Layout, content: str | bytes, **columns: object) -> JsonlDataset:
    (layout.root / "r.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    return JsonlDataset(
        format="jsonl",
        source="r.jsonl",
        columns=Columns(text="text", rating=RatingColumn(column="stars"), **columns),
    )


def texts(layout: Layout) -> list[str]:
    return read_table(layout.reviews)["text"].to_list()


def test_values_of_every_type_arrive(layout):
    line = {
        "text": "fine\u2028really\tso\n\x00",
        "stars": 4.5,
        "user": 7,
        "bought": True,
        "votes": 3,
        "when": "2016-03-09 00:56:38",
        "item": None,
        "other": [{"a": None}],
    }
    dataset = objects(
        layout,
        json.dumps(line, ensure_ascii=False).replace("\\t", "\t"),
        user_id="user",
        product_id="item",
        verified="bought",
        helpful_votes="votes",
        time=TimeColumn(column="when"),
    )
    ingest(dataset, layout, limits())
    review = read_table(layout.reviews).iloc[0]
    assert (review.text, review.stars, review.user_id) == (line["text"], 4.5, "7")
    assert (review.verified, review.helpful_votes) == (True, 3)
    assert str(review.time) == "2016-03-09 00:56:38+00:00"
    assert review.product_id is None or review.product_id != review.product_id


def test_blank_lines_are_no_records_and_marks_of_joined_files_no_text(layout):
    assert ingest(objects(layout, f"\n{GOOD}\r\n  \n\ufeff{GOOD}"), layout, limits()).records == 2


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"text": "half a', "Unterminated string starting at"),
        ("[1, 2]", "no object but a list"),
        ("NaN", "no object but a float"),
        ("null", "no object but a NoneType"),
        ("fine,4", "Expecting value"),
        ('{"text": 1' + "0" * 5_000 + "}", "Exceeds the limit"),
        ('{"a": ' * 100_000, "maximum recursion depth exceeded"),
        ('{"a": ' + "[" * 100_000, "maximum recursion depth exceeded"),
        ("{'a': " + "-" * 50_000 + "1}", ""),
        ("{'a': " + "[" * 50_000, "Expecting property name"),
        ("{[]: 1}", "Expecting property name"),
        ("{'a': 0x" + "f" * 5_000 + "}", "Exceeds the limit"),
        ("{'a': open('/etc/passwd')}", "Expecting property name"),
    ],
)
def test_a_line_that_holds_no_object_is_a_damaged_record(layout, line, found):
    report = ingest(objects(layout, f"{GOOD}\n{line}\n{GOOD}\n"), layout, limits(0.5))
    assert (report.kept, report.rejected["damaged"]) == (2, 1)
    rejected = read_table(layout.rejected).iloc[0]
    assert rejected.found.startswith(f"line 2: {found}")
    assert rejected.raw.startswith(json.dumps({"": line})[:100])


def test_python_dicts_are_read_as_the_objects_they_are(layout):
    line = str({"text": 'it\'s "fine"\n\\d', "stars": 4.0, "user": None})
    ingest(objects(layout, f"{line}\n{GOOD}\n", user_id="user"), layout, limits())
    assert texts(layout) == ['it\'s "fine"\n\\d', "fine"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "true", '"5 stars"'])
def test_a_rating_that_is_no_number_is_named(layout, number):
    report = ingest(objects(layout, f'{GOOD}\n{{"text": "fine", "stars": {number}}}'), layout, limits(0.5))
    assert report.rejected["stars_not_a_number"] == 1


def test_half_a_character_becomes_the_replacement_character_and_is_counted(layout):
    lines = [
        r'{"text": "a \ud83d b", "stars": 4, "\udc00": ""}',
        r'{"text": "", "stars": "\udfff"}',
        r'{"text": "\ud83d\ude00", "stars": 5}',
        r'"\ud800',
    ]
    report = ingest(objects(layout, "\n".join(lines)), layout, limits(0.5))
    assert texts(layout) == ["a \ufffd b", "\U0001f600"]
    assert report.undecodable == 3
    assert read_table(layout.rejected)["raw"][0] == '{"text": "", "stars": "\ufffd"}'


def test_a_line_without_end_costs_one_record(layout, monkeypatch):
    for module in (lines, jsonl):
        monkeypatch.setattr(module, "MAX_CHARACTERS", 1_000)
    endless = json.dumps({"text": "x" * 5_500, "stars": 4})
    report = ingest(objects(layout, f"{GOOD}\n{endless}\n{GOOD}"), layout, limits(0.5))
    assert (report.kept, report.records) == (2, 3)
    assert read_table(layout.rejected)["found"].to_list() == ["line 2: more than 1,000 characters"]


@pytest.mark.parametrize("content", [f"[{GOOD},\n{GOOD}]", f"\n\n [\n{GOOD}\n]"])
def test_an_array_is_refused_with_what_to_do(layout, content):
    with pytest.raises(DataError, match=r"^r\.jsonl is a JSON array, .*; convert it \(jq -c '\.\[\]' r\.jsonl > "):
        ingest(objects(layout, content), layout, limits())


def test_a_column_that_never_occurs_is_answered_with_those_found(layout):
    sometimes = '{"text": "fine", "stars": 4, "title": "ok"}'
    assert ingest(objects(layout, f"{GOOD}\n{sometimes}", summary="title"), layout, limits()).kept == 2
    with pytest.raises(DataError, match=r"^r\.jsonl has no column headline; found: text, stars, title\. Correct"):
        ingest(objects(layout, f"{GOOD}\n{sometimes}", summary="headline"), layout, limits())


def test_a_column_is_found_behind_any_number_of_others(layout, monkeypatch):
    monkeypatch.setattr(jsonl, "_MAX_KEYS", 10)
    many = "\n".join(json.dumps({"text": "fine", "stars": 4, f"key{i}": i}) for i in range(100))
    assert ingest(objects(layout, many, summary="key99"), layout, limits()).kept == 100
    with pytest.raises(DataError, match="has no column nothing; found: text, stars, key0, "):
        ingest(objects(layout, many, summary="nothing"), layout, limits())

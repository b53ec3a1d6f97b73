import json

import pandas as pd
import pytest
from miniature import limits

from starsight.errors import DataError
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import KnownDataset
from starsight.tables import read_table

SNAP = """product/productId: B001
review/userId: A3SG
review/helpfulness: 3/4
review/score: 5.0
review/time: 1303862400
review/summary: Good
review/text: I like it.
"""
KAGGLE = (
    "Id,ProductId,UserId,ProfileName,HelpfulnessNumerator,HelpfulnessDenominator,Score,Time,Summary,Text\n"
    '7,B001,A3SG,"del ""the second""",3,4,5,1303862400,Good,I like it.\n'
)
AMAZON_2014 = {
    "reviewerID": "A3SG",
    "asin": "B001",
    "reviewerName": "it's me",
    "helpful": [3, 4],
    "reviewText": "I like it.",
    "overall": 5.0,
    "summary": "Good",
    "unixReviewTime": 1303862400,
    "reviewTime": "04 27, 2011",
}
AMAZON_2018 = {
    "overall": 5.0,
    "vote": "1,234",
    "verified": True,
    "reviewTime": "04 27, 2011",
    "reviewerID": "A3SG",
    "asin": "B001",
    "style": {"Size:": " Large"},
    "reviewText": "I like it.",
    "summary": "Good",
    "unixReviewTime": 1303862400,
}
AMAZON_2023 = {
    "rating": 5.0,
    "title": "Good",
    "text": "I like it.",
    "images": [],
    "asin": "B999",
    "parent_asin": "B001",
    "user_id": "A3SG",
    "timestamp": 1303862400123,
    "helpful_vote": 3,
    "verified_purchase": False,
}
YELP = {
    "review_id": "r7",
    "user_id": "A3SG",
    "business_id": "B001",
    "stars": 5.0,
    "useful": 3,
    "funny": 0,
    "cool": 1,
    "text": "I like it.",
    "date": "2011-04-27 00:00:00",
}
OPTIONAL = ["summary", "helpful_votes", "total_votes", "verified", "category"]


def known(layout: Layout, name: str, content: str) -> KnownDataset:
    (layout.root / "reviews").write_text(content, encoding="utf-8")
    return KnownDataset.model_validate({"format": name, "source": "reviews"})


@pytest.mark.parametrize(
    ("name", "content", "rest"),
    [
        ("snap", SNAP, {"summary": "Good", "helpful_votes": 3, "total_votes": 4}),
        ("kaggle", KAGGLE, {"summary": "Good", "helpful_votes": 3, "total_votes": 4, "review_id": "7"}),
        ("amazon", json.dumps(AMAZON_2014), {"summary": "Good", "helpful_votes": 3, "total_votes": 4}),
        ("amazon", repr(AMAZON_2014), {"summary": "Good", "helpful_votes": 3, "total_votes": 4}),
        ("amazon", json.dumps(AMAZON_2018), {"summary": "Good", "helpful_votes": 1234, "verified": True}),
        ("amazon2023", json.dumps(AMAZON_2023), {"summary": "Good", "helpful_votes": 3, "verified": False}),
        ("yelp", json.dumps(YELP), {"helpful_votes": 3, "review_id": "r7"}),
    ],
    ids=["snap", "kaggle", "amazon 2014", "amazon 2014, Python dicts", "amazon 2018", "amazon 2023", "yelp"],
)
def test_every_field_of_a_known_layout_arrives(layout, name, content, rest):
    report = ingest(known(layout, name, content), layout, limits())
    assert report.times_unreadable == 0
    review = read_table(layout.reviews).iloc[0]
    assert (review.text, review.stars, review.product_id, review.user_id) == ("I like it.", 5.0, "B001", "A3SG")
    assert review.time == pd.Timestamp("2011-04-27", tz="UTC")
    assert {field: review[field] for field in rest} == rest
    assert all(pd.isna(review[field]) for field in OPTIONAL if field not in rest)


def test_vintages_of_one_layout_may_be_mixed(layout):
    content = "\n".join([json.dumps(AMAZON_2014), repr(AMAZON_2014), json.dumps(AMAZON_2018)])
    ingest(known(layout, "amazon", content), layout, limits())
    assert read_table(layout.reviews)["helpful_votes"].to_list() == [3, 3, 1234]


def test_a_file_of_another_layout_is_told_from_its_columns(layout):
    with pytest.raises(DataError, match=r"^reviews has no column reviewText, overall; found: review_id, user_id, "):
        ingest(known(layout, "amazon", json.dumps(YELP)), layout, limits())
    with pytest.raises(DataError, match="reviews has no column Text, Score; found: a, b"):
        ingest(known(layout, "kaggle", "a,b\n1,2\n"), layout, limits())


def test_the_encoding_of_a_known_layout_can_be_said(layout):
    dataset = known(layout, "snap", SNAP.replace("like", "aim\u00e9"))
    ingest(dataset, layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ["I aim\u00e9 it."]
    ingest(dataset.model_copy(update={"encoding": "latin-1"}), layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ["I aim\u00c3\u00a9 it."]

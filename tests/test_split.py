import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.clean.duplicates import hash64
from starsight.params import SplitParams
from starsight.records import SPLITS
from starsight.split import kept_together, rows_hash, splits_by_age, splits_by_hash, take


def params(by="reviewer", validation=0.1, test=0.1):
    return SplitParams(by=by, validation_share=validation, test_share=test)


def assign_splits(reviews, params):
    """The name of each review's split."""
    if params.by == "time":
        seconds = reviews["time"].fillna(pd.Timestamp(0, tz="UTC")).astype("int64").to_numpy()
        ties = reviews["review_id"].map(hash64).to_numpy(dtype="uint64")
        places = splits_by_age(seconds, ties, reviews["time"].notna().to_numpy(), params)
    else:
        places = splits_by_hash(reviews, params)
    return pd.Series([SPLITS[place] for place in places], index=reviews.index, dtype="str")


def made_up_reviews(n=2000):
    numbers = pd.Series(range(n))
    return pd.DataFrame(
        {
            "review_id": "r" + numbers.astype(str),
            "user_id": "u" + (numbers % 700).astype(str),
            "product_id": "p" + (numbers % 90).astype(str),
            "time": pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(numbers, unit="D"),
        }
    )


@pytest.mark.parametrize(("by", "column"), [("reviewer", "user_id"), ("product", "product_id")])
def test_what_is_kept_together_is_in_one_split(by, column):
    reviews = made_up_reviews()
    splits = assign_splits(reviews, params(by))
    assert splits.groupby(reviews[column]).nunique().max() == 1
    assert set(splits) == {"train", "validation", "test"}


def test_shares_are_about_those_asked_for():
    shares = assign_splits(made_up_reviews(20_000), params("review")).value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.1, abs=0.01)
    assert shares["validation"] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("by", ["reviewer", "product", "review", "time"])
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(by, random):
    reviews = made_up_reviews(60)
    shuffled = reviews.iloc[random.sample(range(60), 60)]
    assert assign_splits(shuffled, params(by)).sort_index().equals(assign_splits(reviews, params(by)))


def test_other_rows_make_no_difference():
    reviews = made_up_reviews()
    assert assign_splits(reviews[::3], params()).equals(assign_splits(reviews, params())[::3])


def test_another_validation_share_leaves_the_test_reviews():
    reviews = made_up_reviews()
    before, after = (assign_splits(reviews, params(validation=share)) for share in (0.1, 0.3))
    assert (before == "test").equals(after == "test")


def test_splits_never_change():
    splits = assign_splits(made_up_reviews(14), params("review", 0.3, 0.3))
    assert splits.index[splits == "test"].tolist() == [3, 9, 13]
    assert splits.index[splits == "validation"].tolist() == [4, 6, 11, 12]


def test_a_review_without_a_reviewer_stands_alone():
    reviews = made_up_reviews(400).assign(user_id=None)
    assert assign_splits(reviews, params()).equals(assign_splits(reviews, params("review")))


def test_by_time_the_newest_are_tested_on_and_the_undated_trained_on():
    reviews = made_up_reviews(20)
    reviews.loc[[0, 19], "time"] = pd.NaT
    splits = assign_splits(reviews, params("time", 0.2, 0.1))
    assert splits.tolist() == ["train"] * 13 + ["validation"] * 4 + ["test"] * 2 + ["train"]


def test_without_any_time_everything_is_for_training():
    reviews = made_up_reviews(5).assign(time=pd.Series([pd.NaT] * 5, dtype="datetime64[ns, UTC]"))
    assert set(assign_splits(reviews, params("time"))) == {"train"}


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_larger_sample_holds_the_smaller_one(n, m):
    reviews = made_up_reviews(50)
    few, many = sorted((n, m))
    assert list(take(reviews, few)["review_id"]) == list(take(reviews, many)["review_id"])[:few]
    assert len(take(reviews, few)) == min(few, 50)


def test_a_sample_is_the_same_whatever_the_tables_order():
    reviews = made_up_reviews(50)
    assert list(take(reviews[::-1], 20)["review_id"]) == list(take(reviews, 20)["review_id"])


def test_the_first_rows_of_a_sample_are_drawn_from_the_whole_table():
    first = take(made_up_reviews(4000), 4000).head(400)
    assert first.index.to_series().mean() == pytest.approx(2000, abs=200)


def test_a_sample_says_nothing_of_the_split():
    reviews = made_up_reviews(4000)
    splits = assign_splits(take(reviews, 1000), params("review"))
    assert (splits == "test").mean() == pytest.approx(0.1, abs=0.03)


def test_no_reviews_have_no_splits():
    assert assign_splits(made_up_reviews(0), params("time")).empty
    assert assign_splits(made_up_reviews(0), params()).empty


def test_the_same_reviews_have_the_same_name_in_any_order_and_others_another():
    reviews = pd.DataFrame({"review_id": ["a", "b"], "stars": [5.0, 1.0], "text_clean": ["Good.", "Bad."]})
    names = {rows_hash(reviews), rows_hash(reviews.iloc[::-1])}
    assert len(names) == 1
    for column, value in (("review_id", "c"), ("stars", 2.0), ("text_clean", "Bad!")):
        assert rows_hash(reviews.assign(**{column: [reviews[column][0], value]})) not in names
    assert rows_hash(reviews.head(1)) not in names


def test_where_nobody_names_reviewers_each_review_was_split_by_itself():
    reviews = pd.DataFrame({"review_id": ["a", "b"], "user_id": [None, None], "product_id": ["p", None]})
    kept = {by: kept_together(reviews, params(by)) for by in ("reviewer", "product", "time", "review")}
    assert kept == {"reviewer": "review", "product": "product", "time": "time", "review": "review"}

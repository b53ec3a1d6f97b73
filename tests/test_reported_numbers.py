"""What the committed reports of the default run say must be what the documentation says of them."""

from miniature import REPOSITORY

from starsight.pages import count, stars
from starsight.tables import read_json

METRICS = read_json(REPOSITORY / "reports/metrics.json")


def test_nine_intervals_in_ten_hold_the_reviewers_stars():
    assert 0.88 <= METRICS["interval_coverage"] <= 0.92


def test_the_readme_gives_the_errors_of_the_committed_run():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for method in ("test", "ridge_all", "ridge", "frozen", "constant", "untrained"):
        for metric in ("mae", "rmse"):
            ends = [stars(METRICS[f"{method}_{metric}_{end}"]) for end in ("low", "high")]
            value = stars(METRICS[f"{method}_{metric}"])
            assert any(f"{bold}{value}{bold} ({ends[0]} to {ends[1]})" in readme for bold in ("", "**")), (
                method,
                metric,
            )
    assert (
        f"| **{count(METRICS['n_train_reviews'])}** |" in readme or f"| {count(METRICS['n_train_reviews'])} |" in readme
    )

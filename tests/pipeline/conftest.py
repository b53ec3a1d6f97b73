"""The repository in miniature that the pipeline tests share."""

import shutil

import pytest
import yaml
from miniature import REPOSITORY, make_reviews, tiny_params
from repository import Repository

COPIED = [
    "dvc.yaml",
    "spelling_veto.txt",
    "stages",
    "src",
    ".gitignore",
    ".dvcignore",
    "data/raw/README.md",
    "data/raw/.gitignore",
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory, tiny_checkpoint) -> Repository:
    """A fresh clone whose settings point at made-up reviews and a tiny model."""
    root = tmp_path_factory.mktemp("repository")
    for path in COPIED:
        source, target = REPOSITORY / path, root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    reviews = tmp_path_factory.mktemp("source") / "reviews.csv"
    make_reviews(150).to_csv(reviews, index=False)
    params = tiny_params(tiny_checkpoint, reviews)
    params["models"]["other"] = {
        "family": "roberta",
        "checkpoint": "scratch",
        "scratch": {"layers": 1, "width": 32, "heads": 2, "vocabulary": 400},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    repository = Repository(root)
    repository.run("git", "init", "--quiet")
    repository.run("dvc", "init", "--quiet")
    shutil.copytree(REPOSITORY / ".dvc/plots", root / ".dvc/plots")
    repository.commit("A repository in miniature")
    return repository

"""What makes a training another one, so that it never goes on from this one's state."""

import pytest
import yaml

from starsight.adapt import session as adaptation
from starsight.adapt.session import adaptation_folder
from starsight.layout import Layout
from starsight.params import Params, load_params
from starsight.train import checkpoint, schedule
from starsight.train.group import ALONE
from starsight.train.session import training_folder


def with_tokenize(layout: Layout, **changes: object) -> Params:
    settings = yaml.safe_load(layout.params.read_text())
    settings["tokenize"] |= changes
    layout.params.write_text(yaml.safe_dump(settings))
    return load_params(layout.params)


@pytest.mark.parametrize("changes", [{"max_tokens": 100}, {"cut": "head_tail"}], ids=str)
def test_another_way_of_cutting_reviews_is_another_training_and_adaptation(workspace: Layout, changes: dict) -> None:
    def folders(params: Params) -> list:
        return [training_folder(params, workspace, ALONE).root, adaptation_folder(params, workspace).root]

    before = folders(with_tokenize(workspace, cut="head", max_tokens=128))
    assert before == folders(load_params(workspace.params))
    for one, other in zip(before, folders(with_tokenize(workspace, **changes)), strict=True):
        assert one != other


def test_the_code_that_an_adaptation_borrows_counts_too(workspace: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(adaptation, "training_key", lambda _settings, folders: counted.extend(folders) or "key")
    adaptation_folder(load_params(workspace.params), workspace)
    assert {str(path) for path in counted} >= {schedule.__file__, checkpoint.__file__}

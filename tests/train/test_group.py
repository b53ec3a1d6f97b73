"""The processes that train together."""

import pytest
import torch.distributed as dist

from starsight.errors import ModelError
from starsight.train.group import ALONE, Group


def test_a_process_that_does_not_see_the_leaders_folder_says_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(dist, "barrier", lambda: None)
    Group(rank=1, n=2).check_shares(tmp_path)
    with pytest.raises(ModelError, match=r"process 1 does not see .*gone.* a file system that they share"):
        Group(rank=1, n=2).check_shares(tmp_path / "gone")


def test_a_process_alone_waits_for_nobody(tmp_path):
    ALONE.check_shares(tmp_path / "not made yet")

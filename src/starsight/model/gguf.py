"""Checkpoints that are one GGUF file, which holds configuration, tokenizer and weights together.

It is read once, when fine-tuning starts; what is saved after that is safetensors, as of every other checkpoint.
"""

from importlib.util import find_spec
from pathlib import Path

from starsight.errors import ModelError

SUFFIX = ".gguf"

_PACKAGES = ("gguf", "accelerate")
"""What transformers reads such a file with."""


def gguf_options(folder: Path) -> dict[str, str]:
    """What ``from_pretrained`` needs to hear of ``folder``: its GGUF file where it has no ``config.json``.

    Raises:
        ModelError: there are several such files, or the packages that read them are missing.
    """
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files or (folder / "config.json").is_file():
        return {}
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelError(f"{folder} holds {len(files)} GGUF files ({names}); leave the one that is meant.")
    check_packages(files[0].name)
    return {"gguf_file": files[0].name}


def read_architecture(file: Path) -> str:
    """What a GGUF file says that it holds, in the words of its ``general.architecture``.

    Raises:
        ModelError: the file is none, or is damaged.
    """
    from gguf import GGUFReader  # an extra, which only such a checkpoint needs

    try:
        field = GGUFReader(file).get_field("general.architecture")
        if field is None:
            raise KeyError("general.architecture")
        return str(field.contents())
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{file} is no readable GGUF file ({error}); download it anew.") from None


def check_packages(file: str) -> None:
    """Refuse a GGUF file that cannot be read here.

    Raises:
        ModelError: which packages are missing.
    """
    absent = [package for package in _PACKAGES if find_spec(package) is None]
    if absent:
        raise ModelError(
            f"{file} is a GGUF file, and {' and '.join(absent)} not installed; run pip install 'starsight[gguf]'."
        )

"""Domain pre-training as a stage sees it: switched off it loads no network and costs nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starsight.layout import Layout
from starsight.params import Params
from starsight.tables import replacing, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SWITCH = "adapted.json"
"""Written in both cases, so that the folder is never empty: DVC does not restore an empty one."""


@dataclass(frozen=True)
class Adaptation:
    """An adapted backbone and how it came to be; without one where adaptation is switched off."""

    backbone: "PreTrainedModel | None"
    measurements: dict[str, float | str]

    @property
    def report(self) -> dict[str, float | str]:
        """Flat facts about the adaptation."""
        return {"enabled": self.backbone is not None, **self.measurements}

    def save(self, layout: Layout) -> None:
        """Write the backbone as safetensors, replacing what was there; that there is none is written down too."""
        with replacing(layout.adapted) as partial:
            partial.mkdir()
            write_json({"enabled": self.backbone is not None}, partial / _SWITCH)
            if self.backbone is not None:
                self.backbone.save_pretrained(partial / layout.adapted_backbone.name)


@contextmanager
def adapting(params: Params, layout: Layout) -> Iterator[Adaptation]:
    """Adapt the chosen backbone where ``adapt.enabled`` says so. What a kill left is gone on with, and goes when the
    block has ended well.

    Raises:
        ModelError: see ``loop.adapt``; or another process is at the same adaptation.
    """
    if not params.adapt.enabled:
        yield Adaptation(None, {})
        return
    from starsight.adapt.session import adapt_backbone, adaptation_folder  # torch takes seconds to load

    folder = adaptation_folder(params, layout)
    with folder.alone():
        yield adapt_backbone(params, layout, folder)

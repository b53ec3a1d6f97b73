"""The word embeddings of a network while it reads: changed by an adversary, or asked for their gradients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from starsight.model.families import FAMILIES
from starsight.model.prefix import PrefixedBackbone
from starsight.model.regressor import StarRegressor


@contextmanager
def embeddings_changed(regressor: StarRegressor, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let ``change`` have the word embeddings ``(batch, tokens, width)`` of every pass, before anything reads them.

    Raises:
        RuntimeError: no embedding was looked up meanwhile, so that nothing was changed.
    """
    backbone = regressor.backbone
    # before virtual tokens the look-up is peft's own, which turns nothing
    tokens_first = FAMILIES[regressor.family].embeds_tokens_first and not isinstance(backbone, PrefixedBackbone)
    looked_up = False

    def hook(_module: nn.Module, _ids: object, embedded: Tensor) -> Tensor:
        nonlocal looked_up
        looked_up = True
        return change(embedded.transpose(0, 1)).transpose(0, 1) if tokens_first else change(embedded)

    # T5 holds its table under two modules, and looks up in the one that it does not name
    weight = backbone.get_input_embeddings().weight
    tables = [each for each in backbone.modules() if isinstance(each, nn.Embedding) and each.weight is weight]
    hooks = [table.register_forward_hook(hook) for table in tables]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()
    if not looked_up:
        raise RuntimeError("the backbone did not look its tokens up where its embeddings can be changed")

"""Which weights train, how fast, and by which rule."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from starsight.errors import ParamsError
from starsight.model.regressor import StarRegressor
from starsight.params import FinetuneParams
from starsight.train.adapters import of_adapter

_MOMENTUM = 0.9
"""Of SGD: without it, fine-tuning hardly moves."""


def make_optimizer(regressor: StarRegressor, params: FinetuneParams) -> Optimizer:
    """Groups of weights that share a rate and a decay, under the optimizer that the settings name.

    Norms and biases do not decay. Frozen weights are in no group. Each group holds its own highest rate as ``peak_lr``.
    """
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in regressor.named_parameters():
        if parameter.requires_grad:
            rate = peak_rate(name, regressor, params)
            # (IA)^3 scales, and its scales begin at 1: decay would pull them to 0
            decays = parameter.ndim > 1 and "ia3_l" not in name
            decay = params.weight_decay if decays else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    by_group = [
        {"params": parameters, "lr": rate, "peak_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    match params.optimizer:
        case "adamw":
            return torch.optim.AdamW(by_group, fused=True)
        case "sgd":
            return torch.optim.SGD(by_group, momentum=_MOMENTUM, fused=True)
        case "adafactor":
            return torch.optim.Adafactor(by_group)


def peak_rate(name: str, regressor: StarRegressor, params: FinetuneParams) -> float:
    """Highest learning rate of a weight: that of the head, or that of the backbone, less for every layer above it
    (ULMFiT's discriminative fine-tuning: Howard, Ruder 2018). An adapter learns at the backbone's in every layer."""
    if not name.startswith(_BACKBONE):
        return params.head_learning_rate
    if of_adapter(name):
        return params.learning_rate
    depth = layer_of(name.removeprefix(_BACKBONE), regressor.backbone)
    return params.learning_rate * params.layer_decay ** (n_layers(regressor.backbone) - depth)


_BACKBONE = "backbone."


def freeze_layers(regressor: StarRegressor, n_frozen: int) -> None:
    """Let the embeddings and the lowest ``n_frozen`` layers stay as they are; 0 freezes nothing. An adapter goes on
    learning: beside it every layer stands still anyway.

    Raises:
        ParamsError: the backbone has fewer layers.
    """
    n = n_layers(regressor.backbone)
    if n_frozen > n:
        raise ParamsError(f"finetune.frozen_layers is {n_frozen}; the model has {n} layers.")
    if n_frozen:
        for name, parameter in regressor.backbone.named_parameters():
            if not of_adapter(name) and layer_of(name, regressor.backbone) <= n_frozen:
                parameter.requires_grad_(False)


def n_layers(backbone: nn.Module) -> int:
    """Layers of attention."""
    return len(_layers(backbone)[1])


def layer_of(name: str, backbone: nn.Module) -> int:
    """Which layer one of the backbone's own weights belongs to, from 1; 0 is below all (embeddings). What stands behind
    the layers (a last norm) counts to the last."""
    prefix, layers = _layers(backbone)
    if name.startswith(f"{prefix}."):
        return int(name[len(prefix) + 1 :].split(".")[0]) + 1
    path = name.rpartition(".")[0]
    # a norm that ESM calls emb_layer_norm_after stands behind the layers
    embeds = isinstance(backbone.get_submodule(path), nn.Embedding) or ("emb" in name and "_after" not in name)
    return 0 if embeds else len(layers)


def _layers(backbone: nn.Module) -> tuple[str, nn.ModuleList]:
    """The list of layers and its path: in every architecture the outermost list of modules, which comes first."""
    return next((name, module) for name, module in backbone.named_modules() if isinstance(module, nn.ModuleList))


def set_dropout(regressor: nn.Module, share: float | None) -> None:
    """Set every dropout of the network but LoRA's, which has a setting of its own; None leaves what the checkpoint
    says."""
    if share is None:
        return
    for path, module in regressor.named_modules():
        if isinstance(module, nn.Dropout) and "lora_dropout" not in path:
            module.p = share
        for name in ("dropout", "attention_dropout", "dropout_prob"):  # some attentions hold the bare number
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)

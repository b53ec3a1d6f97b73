"""Attention inside the backbone, layer by layer and head by head."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from transformers import PreTrainedModel

from starsight.explain.attribution.method import Batch, members_of, read_batches
from starsight.explain.words import ExplainedReview
from starsight.model.compute import Compute
from starsight.model.predictor import Predictor
from starsight.model.regressor import StarRegressor

ROLLOUT = "rollout"
"""Stands in the place of a head's number."""

ATTENTION_BATCH_SIZE = 8
"""Reviews at a time: attention takes layers x heads x tokens² numbers a review, 600 MB for 12 x 12 x 128² x 64."""


def has_attentions(regressor: StarRegressor) -> bool:
    """Whether the backbone's attention can be read: not where it also goes to virtual tokens."""
    return isinstance(regressor.backbone, PreTrainedModel)


def read_attentions(regressor: StarRegressor, batch: Batch, compute: Compute) -> tuple[Tensor, Sequence[Tensor]]:
    """Token weights of the head ``(batch, tokens)``, and of each layer of the backbone, the first one first, the
    attention ``(batch, heads, queries, keys)``.

    Raises:
        RuntimeError: the backbone does not show its attention.
    """
    with _plain_attention(regressor.backbone), compute.autocast():
        output = regressor.backbone(input_ids=batch.input_ids, attention_mask=batch.mask.long(), output_attentions=True)
    if not output.attentions or output.attentions[0] is None:
        raise RuntimeError(f"a backbone of the family {regressor.family} does not show its attention")
    return regressor.head(output.last_hidden_state, batch.mask).token_weights, output.attentions


def attention_by_layer(predictor: Predictor, reviews: Sequence[ExplainedReview]) -> pd.DataFrame:
    """Where each head of the backbone looks, on average over queries and then reviews; of an ensemble, its first
    member's, since heads of several networks do not correspond.

    Returns:
        A row a head, from the first layer on, and after a layer's heads one of the rollout up to it (see ``roll_out``):
        ``layer`` (from 1), ``head`` (from 1, or ``rollout``), ``special_share`` (of its attention that goes to the
        tokenizer's own marks, 0 to 1), ``distance`` (mean distance in tokens) and ``entropy`` (in nats; 0 where it
        looks at one token).
    """
    regressor = members_of(predictor.regressor)[0]
    sums: Tensor | None = None
    with torch.no_grad():
        for batch in read_batches(predictor, reviews, "attention by layer", ATTENTION_BATCH_SIZE):
            _, attentions = read_attentions(regressor, batch, predictor.compute)
            flow = torch.eye(attentions[0].shape[-1], device=attentions[0].device)
            of_layers = []
            for attention in attentions:
                flow = roll_out(attention, flow)
                of_layers.append(_look(torch.cat([attention.float(), flow[:, None]], dim=1), batch))
            of_batch = torch.stack(of_layers)
            sums = of_batch if sums is None else sums + of_batch
    if sums is None:
        raise ValueError("there are no reviews to look at")
    means = (sums / len(reviews)).cpu().numpy()
    layers, heads = np.indices(means.shape[:2]) + 1
    names_of_heads = [*map(str, range(1, means.shape[1])), ROLLOUT]
    columns = {"layer": layers.ravel(), "head": np.array(names_of_heads, dtype=object)[heads.ravel() - 1]}
    names = ("special_share", "distance", "entropy")
    return pd.DataFrame(columns | {name: means[:, :, i].ravel() for i, name in enumerate(names)})


def roll_out(attention: Tensor, flow: Tensor) -> Tensor:
    """What of each token has come through one layer more.

    Abnar and Zuidema 2020 (Quantifying Attention Flow in Transformers, section 3): a layer passes on half of a token by
    its attention, averaged over the heads, and half by the residual, ``0.5 A + 0.5 I``; these are multiplied.

    Args:
        attention: Of the layer, ``(batch, heads, queries, keys)``.
        flow: Up to the layer before, ``(batch, queries, keys)``; the identity before the first.

    Returns:
        ``(batch, queries, keys)``, each query's summing to 1.
    """
    mean = attention.float().mean(dim=1)
    return 0.5 * mean @ flow + 0.5 * flow.expand_as(mean)


def _look(attention: Tensor, batch: Batch) -> Tensor:
    """Sums over the reviews of special share, distance and entropy of one layer's attention: ``(heads, 3)``."""
    special = (batch.mask & ~batch.of_text).float()
    places = torch.arange(attention.shape[-1], device=attention.device, dtype=torch.float32)
    apart = (places[:, None] - places).abs()
    by_query = torch.stack(
        [
            (attention * special[:, None, None, :]).sum(dim=-1),
            (attention * apart).sum(dim=-1),
            torch.special.entr(attention).sum(dim=-1),
        ],
        dim=-1,
    )
    asking = batch.mask.float()[:, None, :, None]
    return ((by_query * asking).sum(dim=2) / asking.sum(dim=2)).sum(dim=0)


@contextmanager
def _plain_attention(backbone: PreTrainedModel) -> Iterator[None]:
    """Fused attention, which a GPU has, never holds the weights that are asked for."""
    before = backbone.config._attn_implementation
    if before != "eager":
        backbone.set_attn_implementation("eager")
    try:
        yield
    finally:
        if before != "eager":
            backbone.set_attn_implementation(before)

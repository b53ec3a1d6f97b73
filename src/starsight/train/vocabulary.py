"""Training with those rows of the embedding table that the reviews use. The others get no gradient, but they would be
clipped, decayed, averaged and saved at every turn: of a small model they are half of all weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from starsight.model.batches import TokenizedReviews
from starsight.model.prefix import Backbone


@contextmanager
def words_in_use(backbone: Backbone, reviews: Iterable[TokenizedReviews], mask_id: int) -> Iterator[None]:
    """Cut the embedding table, in place, to what the reviews use; afterwards it is whole again, with what was learnt.

    A frozen table is left as it is, and so is one that does more than to look rows up.

    Args:
        backbone: Its weights are where they will be trained.
        reviews: All that it will read meanwhile; another token is an IndexError.
        mask_id: Token that it may read beside them.
    """
    network = cast(PreTrainedModel, backbone)  # virtual tokens stand before a frozen table
    table: nn.Module = network.get_input_embeddings()
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        yield
        return
    tokens = [np.array([mask_id])]
    for each in reviews:
        tokens += [np.array([each.pad_id]), *each.input_ids]
    used = torch.from_numpy(np.unique(np.concatenate(tokens))).to(table.weight.device)
    rows = _RowsInUse(table, used)
    network.set_input_embeddings(rows)
    try:
        yield
    finally:
        with torch.no_grad():
            table.weight[used] = rows.weight
        network.set_input_embeddings(table)


class _RowsInUse(nn.Embedding):
    """Looks the same ids up as the whole table."""

    row_of: Tensor

    def __init__(self, table: nn.Embedding, used: Tensor) -> None:
        row_of = torch.full((table.num_embeddings,), -1, device=used.device)
        row_of[used] = torch.arange(len(used), device=used.device)
        padding = None if table.padding_idx is None else int(row_of[table.padding_idx])
        weight = table.weight.detach()[used].clone()
        super().__init__(len(used), table.embedding_dim, None if padding == -1 else padding, _weight=weight)
        self.register_buffer("row_of", row_of, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Embeddings ``(batch, tokens, width)`` of ids ``(batch, tokens)``."""
        return super().forward(self.row_of[input])

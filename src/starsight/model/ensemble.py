"""Several regressors that answer as one: trained from different seeds, they make different mistakes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from starsight.model.rating import FACTS, Rater, Rating
from starsight.tables import write_json


class Ensemble(Rater):
    """Answers with the mean of its members' ratings.

    Stars are a sum of bias and contributions in every member, so the means of these add up to the mean of the stars.
    """

    def __init__(self, members: Sequence[Rater]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member")
        self.members = nn.ModuleList(members)
        self.family = members[0].family

    def forward(self, input_ids: Tensor, mask: Tensor) -> Rating:
        """Rate a batch; the shapes are those of ``Rater.forward``."""
        return mean_rating([member(input_ids, mask) for member in self.members])

    def save(self, folder: Path) -> None:
        """Write each member to a folder of its own, and how many there are."""
        for member, its_folder in zip(self.members, member_folders(folder, len(self.members)), strict=True):
            its_folder.mkdir(parents=True)
            cast(Rater, member).save(its_folder)
        write_json({"members": len(self.members)}, folder / FACTS)


def member_folders(folder: Path, n_members: int) -> list[Path]:
    """Where the members of a saved ensemble are, in their order."""
    return [folder / "members" / str(number) for number in range(1, n_members + 1)]


def mean_rating(ratings: Sequence[Rating]) -> Rating:
    """The mean of ratings of the same batch by networks of the same objective."""

    def mean(part: Callable[[Rating], Tensor]) -> Tensor:
        return torch.stack([part(rating) for rating in ratings]).mean(dim=0)

    distributions = [rating.distribution for rating in ratings if rating.distribution is not None]
    return Rating(
        logits=mean(lambda rating: rating.logits),
        stars=mean(lambda rating: rating.stars),
        token_weights=mean(lambda rating: rating.token_weights),
        contributions=mean(lambda rating: rating.contributions),
        bias_stars=mean(lambda rating: rating.bias_stars),
        distribution=torch.stack(distributions).mean(dim=0) if len(distributions) == len(ratings) else None,
    )

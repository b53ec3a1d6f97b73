"""Which methods a model allows, and why not the others."""

from dataclasses import dataclass, field

from starsight.explain.attribution.gradients import GradientTimesInput, IntegratedGradients
from starsight.explain.attribution.head import (
    AttentionWeight,
    Contribution,
    RandomRanking,
    UniformWeights,
    UntrainedHead,
)
from starsight.explain.attribution.layers import has_attentions
from starsight.explain.attribution.method import Method, head_of, members_of
from starsight.explain.attribution.rollout import AttentionRollout
from starsight.explain.attribution.shapley import PartitionShap
from starsight.model.predictor import Predictor
from starsight.params import HeadName, RemovalName

N_SEEDS = 3
"""Of the random rankings and of the untrained heads: one of either may be lucky."""

_NO_WEIGHTS: dict[HeadName, str] = {
    "mean": "the mean head weighs all tokens alike",
    "cls": "the cls head reads one token's state and weighs no words",
}
"""Why a head has no attention to explain by."""


@dataclass(frozen=True)
class MethodChoice:
    """The methods that explain a model."""

    methods: list[Method]
    left_out: dict[str, str] = field(default_factory=dict)
    """Methods that do not fit it, by name, each with the reason."""


def choose_methods(
    predictor: Predictor, *, removal: RemovalName, shap_reviews: int, shap_evaluations: int, seed: int
) -> MethodChoice:
    """All methods that the model allows.

    Args:
        predictor: The fine-tuned model.
        removal: How SHAP takes words away.
        shap_reviews: Reviews that SHAP explains.
        shap_evaluations: Shortened reviews that it rates for each.
        seed: The first of the ``N_SEEDS`` seeds.
    """
    head = head_of(predictor.regressor)
    seeds = range(seed, seed + N_SEEDS)
    chosen = MethodChoice(
        [
            GradientTimesInput(predictor),
            IntegratedGradients(predictor),
            PartitionShap(
                predictor, removal=removal, max_reviews=shap_reviews, evaluations=shap_evaluations, seed=seed
            ),
            *(RandomRanking(each) for each in seeds),
        ]
    )
    if head == "cls":
        chosen.left_out["contribution"] = _NO_WEIGHTS[head]
    else:
        chosen.methods.append(Contribution())
    if head == "attention":
        untrained = (UntrainedHead(predictor, each) for each in seeds)
        chosen.methods.extend([AttentionWeight(), UniformWeights(predictor), *untrained])
    else:
        chosen.left_out.update(dict.fromkeys(("attention", "uniform", "untrained"), _NO_WEIGHTS[head]))
    if all(map(has_attentions, members_of(predictor.regressor))):
        chosen.methods.append(AttentionRollout(predictor))
    else:
        chosen.left_out["rollout"] = "the backbone's attention cannot be read under this adapter"
    return chosen

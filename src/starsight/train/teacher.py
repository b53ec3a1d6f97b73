"""Distillation: stars that a fine-tuned model gives to the training reviews, mixed with the reviewers' own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starsight.errors import ModelError
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import TeacherParams
from starsight.tables import read_table

Floats = NDArray[np.float32]


def teacher_folder(folder: str, layout: Layout) -> Path:
    """Where the teacher lies.

    Raises:
        ModelError: there is no model.
    """
    path = layout.named(folder)
    if not path.is_dir():
        raise ModelError(
            f"finetune.teacher.folder: {path} does not exist; name a folder with a fine-tuned model, such as a copy of "
            "models/finetuned."
        )
    return path


def with_teacher(stars: Floats, review_ids: Sequence[str], params: TeacherParams, layout: Layout) -> Floats:
    """Stars to learn, ``(reviews,)``: the teacher's ``weight`` of its prediction, and the rest of the reviewer's.

    Args:
        stars: The reviewers', ``(reviews,)``.
        review_ids: Of the same reviews; the teacher reads their texts with its own tokenizer.
        params: Which teacher, and its weight.
        layout: Where the texts and relative folders are.

    Raises:
        ModelError, DataError: the teacher cannot be read.
    """
    if params.folder is None:
        return stars
    teacher = Predictor.load(teacher_folder(params.folder, layout))
    texts = read_table(layout.clean, columns=["review_id", "text_clean"]).set_index("review_id")["text_clean"]
    taught = teacher.rate_clean_texts(texts.loc[list(review_ids)].tolist())
    return ((1 - params.weight) * stars + params.weight * taught).astype(np.float32)

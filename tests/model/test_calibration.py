"""A model's calibration: what is read back, and what is refused."""

import json

import numpy as np
import pytest

from starsight.errors import DataError, ModelError
from starsight.model.calibration import CALIBRATION, Calibration

CALIBRATED = Calibration(
    coverage=0.9,
    edges=(0.1 + 0.2, 4.3),
    half_widths=(None, 1 / 3, 0.5),
    n_reviews=1234,
    chose_the_epoch=True,
    temperature=1.7000000000000002,
)


def test_a_saved_calibration_is_read_back_to_the_last_digit(tmp_path):
    CALIBRATED.save(tmp_path)
    assert Calibration.load(tmp_path) == CALIBRATED


def test_a_model_without_the_file_has_no_calibration(tmp_path):
    assert Calibration.load(tmp_path) is None


def test_each_prediction_gets_the_width_of_its_group_and_an_edge_belongs_to_the_group_above():
    low, high = CALIBRATED.intervals(np.array([0.2, 0.1 + 0.2, 4.2, 4.3, 4.8]))
    np.testing.assert_allclose(low, [1, 1, 4.2 - 1 / 3, 3.8, 4.3])
    np.testing.assert_allclose(high, [5, 1, 4.2 + 1 / 3, 4.8, 5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_widths": [0.5]}, "2 ascending edges part 3 groups"),
        ({"edges": [4.3, 0.3]}, "2 ascending edges"),
        ({"coverage": 90}, "coverage: Input should be less than 1"),
        ({"colour": "blue"}, "colour: Extra inputs"),
    ],
)
def test_a_calibration_that_says_something_impossible_is_refused_in_one_line(change, message, tmp_path):
    (tmp_path / CALIBRATION).write_text(json.dumps(CALIBRATED.model_dump() | change))
    with pytest.raises(ModelError, match=rf"calibration\.json: .*{message}.*; run dvc repro finetune") as refusal:
        Calibration.load(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_broken_file_is_not_taken_for_none(tmp_path):
    (tmp_path / CALIBRATION).write_text("{")
    with pytest.raises(DataError, match="is not valid JSON"):
        Calibration.load(tmp_path)

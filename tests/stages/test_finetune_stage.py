import numpy as np
import pandas as pd
import pytest
import yaml

from stages.adapt import main as adapt
from stages.clean import main as clean
from stages.finetune import main
from stages.ingest import main as ingest
from stages.tokenize import main as tokenize
from starsight.errors import ModelError
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.model.tokens import read_tokens
from starsight.params import TeacherParams, load_params
from starsight.tables import read_json
from starsight.train.teacher import with_teacher

TEXTS = ["The dress is lovely. The fabric is perfect.", "The zipper is broken. The box is stained."]


def prepare(layout: Layout, **changes) -> None:
    settings = yaml.safe_load(layout.params.read_text())
    settings["finetune"] |= changes
    layout.params.write_text(yaml.safe_dump(settings))
    params = load_params(layout.params)
    for stage in (ingest, clean, tokenize, adapt):
        stage(params, layout)


def test_several_seeds_make_one_model_that_answers_with_their_mean(workspace: Layout) -> None:
    prepare(workspace, seeds=2, epochs=1)
    main(load_params(workspace.params), workspace)

    epochs = pd.read_csv(workspace.epochs)
    assert list(epochs["seed"]) == [13, 14]
    assert epochs["validation_rmse"].nunique() == 2
    report = read_json(workspace.training_report)
    assert report["n_seeds"] == 2
    assert report["best_validation_rmse"] == pytest.approx(epochs["validation_rmse"].mean())

    predictor = Predictor.load(workspace.finetuned)
    one, two = predictor.regressor.members
    ours = predictor.rate_clean_texts(TEXTS, cut=False)
    theirs = []
    for member in (one, two):
        object.__setattr__(predictor, "regressor", member)
        theirs.append(predictor.rate_clean_texts(TEXTS, cut=False))
    assert not np.allclose(*theirs)
    np.testing.assert_allclose(ours, np.mean(theirs, axis=0), atol=1e-5)


def test_intervals_are_measured_on_the_reviews_that_chose_the_epoch_where_there_are_no_others(
    workspace: Layout,
) -> None:
    prepare(workspace, epochs=1, objective="distribution")
    main(load_params(workspace.params), workspace)
    validation = read_tokens(workspace.tokens("validation"), 2000)
    predictor, report = Predictor.load(workspace.finetuned), read_json(workspace.training_report)
    assert report["calibration_reviews_chose_the_epoch"] == 1
    assert report["n_calibration_reviews"] == len(validation) == predictor.calibration.n_reviews
    assert report["temperature"] == predictor.calibration.temperature > 0
    texts = pd.read_parquet(workspace.clean).set_index("review_id")["text_clean"].loc[list(validation["review_id"])]
    predicted = predictor.predict_clean_texts(list(texts))
    stars = np.array(validation["stars"])
    assert ((predicted.low <= stars) & (stars <= predicted.high)).mean() >= 0.9


def test_intervals_are_measured_on_reviews_that_chose_nothing_where_there_are_enough(
    workspace: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("starsight.train.calibration.MIN_REVIEWS", 5)
    prepare(workspace, epochs=1, max_validation_reviews=10)
    main(load_params(workspace.params), workspace)
    n_validation = len(read_tokens(workspace.tokens("validation"), 2000))
    report = read_json(workspace.training_report)
    assert report["n_validation_reviews"] == 10
    assert report["n_calibration_reviews"] == n_validation - 10 >= 5
    assert report["calibration_reviews_chose_the_epoch"] == 0
    assert "temperature" not in report


def test_a_teacher_gives_its_share_of_the_stars_that_are_learnt(workspace: Layout) -> None:
    prepare(workspace, epochs=1)
    main(load_params(workspace.params), workspace)
    teacher = workspace.finetuned.rename(workspace.root / "teacher")
    reviews = pd.read_parquet(workspace.clean).head(5)
    stars = reviews["stars"].to_numpy(dtype=np.float32)
    ids = list(reviews["review_id"])
    said = Predictor.load(teacher).rate_clean_texts(reviews["text_clean"].tolist())

    taught = with_teacher(stars[::-1], ids[::-1], TeacherParams(folder="teacher", weight=0.25), workspace)
    np.testing.assert_allclose(taught, 0.75 * stars[::-1] + 0.25 * said[::-1], rtol=1e-5)
    assert (with_teacher(stars, ids, TeacherParams(folder=None, weight=0.25), workspace) == stars).all()


def test_a_teacher_that_is_not_there_is_named_before_anything_is_trained(workspace: Layout) -> None:
    prepare(workspace, teacher={"folder": "nowhere", "weight": 0.5})
    with pytest.raises(ModelError, match=r"finetune\.teacher\.folder: .*nowhere does not exist"):
        main(load_params(workspace.params), workspace)

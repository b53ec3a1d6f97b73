"""Settings: typed, strict, every mistake in one message, with the key's path."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from miniature import REPOSITORY

from starsight.errors import ParamsError
from starsight.params import Params, Section, load_params

PARAMS = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
PAPERS_SIX = {"bert", "roberta", "xlnet", "gpt", "t5", "esm"}
NEWER = {"minilm", "mpnet", "distilbert", "deberta", "modernbert", "smollm2"}


def write(tmp_path, **changes):
    """params.yaml with values replaced by dotted path; ``...`` removes a key."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        section = content
        for parent in parents:
            section = section[parent]
        if value is ...:
            del section[last]
        else:
            section[last] = value
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_repositorys_own_settings_load():
    params = load_params(REPOSITORY / "params.yaml")
    assert params.dataset_row.format == "csv"
    assert params.model_row.family == "bert"


def test_finetune_opens_with_the_papers_table_2():
    assert list(PARAMS["finetune"].items())[:4] == [
        ("learning_rate", 2.0e-5),
        ("batch_size", 16),
        ("optimizer", "adamw"),
        ("epochs", 50),
    ]


def test_the_model_table_holds_the_papers_six_and_the_newer_ones():
    assert set(PARAMS["models"]) >= PAPERS_SIX | NEWER


def test_every_problem_is_in_one_message_with_its_path_and_what_was_found(tmp_path):
    file = write(
        tmp_path,
        seed=-1,
        finetune__learning_rate="2e-5",
        finetune__batch_size="sixteen",
        finetune__colour="blue",
        explain__max_reviews=...,
        datasets__renttherunway__columns__txt="review_text",
    )
    with pytest.raises(ParamsError) as caught:
        load_params(file)
    message = str(caught.value)
    assert message.startswith("params.yaml has 6 problems:")
    assert "finetune.learning_rate: " in message
    assert "found '2e-5'; YAML reads 2e-5 as text, write 2.0e-5" in message
    assert "finetune.batch_size: Input should be a valid integer; found 'sixteen'" in message
    assert "finetune.colour: no such setting" in message
    assert "explain.max_reviews: is missing" in message
    assert "datasets.renttherunway.columns.txt: no such setting" in message
    assert "seed: " in message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"checkpoint": ["pypi:a==1/x", "pypi:b==1/y"], "sha256": ["0" * 64]}, "sha256 must list one hash for each"),
        ({"checkpoint": "pypi:a==1/x", "sha256": ["0" * 64]}, "one checkpoint has one sha256; found a list of 1"),
        ({"checkpoint": "pypi:a==1/x"}, "a wheel needs its sha256"),
        ({"checkpoint": "scratch", "scratch": {"width": 30, "heads": 4}}, "width 30 is not a multiple of heads 4"),
        ({"checkpoint": []}, "checkpoint"),
        ({"checkpoint": ""}, "checkpoint"),
    ],
)
def test_a_model_row_that_cannot_work_is_refused(tmp_path, row, message):
    with pytest.raises(ParamsError, match=message):
        load_params(write(tmp_path, models__minilm={"family": "bert", **row}))


def test_a_hash_may_be_written_in_capitals(tmp_path):
    params = load_params(write(tmp_path, datasets__renttherunway__sha256="AB" * 32))
    assert params.dataset_row.sha256 == "ab" * 32


def test_a_missing_row_and_a_wrong_type_come_in_one_message(tmp_path):
    with pytest.raises(ParamsError, match=r"2 problems:\n  model: no row 'nosuch'.*\n  seed: "):
        load_params(write(tmp_path, model="nosuch", seed="one"))


def test_a_number_that_is_infinite_is_refused(tmp_path):
    with pytest.raises(ParamsError, match=r"finetune\.learning_rate"):
        load_params(write(tmp_path, finetune__learning_rate=float("inf")))


@pytest.mark.parametrize("key", ["dataset", "model"])
def test_a_row_that_does_not_exist_is_named_with_those_that_do(tmp_path, key):
    with pytest.raises(ParamsError, match=rf"{key}: no row 'nosuch' in {key}s; there are: .*m"):
        load_params(write(tmp_path, **{key: "nosuch"}))


def test_shares_that_leave_no_training_reviews_are_refused(tmp_path):
    file = write(tmp_path, clean__split__validation_share=0.6, clean__split__test_share=0.5)
    with pytest.raises(ParamsError, match=r"clean\.split: validation_share and test_share leave nothing to train on"):
        load_params(file)


def test_a_scale_upside_down_is_refused(tmp_path):
    file = write(tmp_path, datasets__renttherunway__columns__rating={"column": "rating", "scale": [10, 2]})
    with pytest.raises(ParamsError, match="scale must name the lowest rating first"):
        load_params(file)


@pytest.mark.parametrize("name", ["sql", "csv", "str"])
def test_a_row_may_be_called_like_a_format(tmp_path, name):
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    columns = {"text": "text", "rating": {"column": "stars"}}
    content["datasets"] = {
        name: {"format": "csv", "source": "r.csv", "columns": columns, "encodin": "latin-1"},
        "sqlite": {"format": "sql", "source": "a", "query": "b", "columns": columns, "parameters": {"int": [1]}},
    }
    content["models"] = {name: {"family": "bert", "checkpoint": [7], "sha256": "short"}}
    content |= {"dataset": name, "model": name}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError) as refused:
        load_params(tmp_path / "params.yaml")
    places = {line.split(": ")[0].strip() for line in str(refused.value).splitlines()[1:]}
    assert places == {
        f"datasets.{name}.encodin",
        "datasets.sqlite.parameters.int",
        f"models.{name}.checkpoint",
        f"models.{name}.checkpoint.0",
        f"models.{name}.sha256",
    }


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(ParamsError, match="is missing; run from the repository's folder"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["a: [", "just words", "", "\t"])
def test_what_is_no_settings_file_is_refused(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"is not valid YAML|holds no settings"):
        load_params(file)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from([*PARAMS, "x"]), x),
    )
)
def test_whatever_the_yaml_holds_the_answer_is_settings_or_one_clear_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        load_params(file)


def groups(of):
    for section in of.__subclasses__():
        yield section
        yield from groups(section)


def test_every_setting_says_what_it_means():
    for section in groups(Section):
        for name, field in section.model_fields.items():
            # a stage's settings say it themselves, under a heading of their own
            stage = section is Params and isinstance(field.annotation, type) and issubclass(field.annotation, Section)
            assert field.description or stage, f"{section.__name__}.{name}"


def test_settings_cannot_be_changed_after_loading():
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 3

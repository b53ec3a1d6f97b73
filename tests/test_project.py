"""The parts of the project agree: pipeline, settings, layout, documentation."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from miniature import REPOSITORY

from starsight.documentation import stage_table, stale_pages
from starsight.layout import Layout
from starsight.summary import STAGES as SUMMARY_STAGES
from starsight.tracking.registry import REQUIREMENTS

PIPELINE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
README = (REPOSITORY / "README.md").read_text()
STAGES = list(PIPELINE)


def paths(stage, *kinds):
    for kind in kinds:
        for entry in PIPELINE[stage].get(kind, []):
            yield entry if isinstance(entry, str) else next(iter(entry))


def test_the_pipeline_has_its_stages_in_order():
    assert STAGES == ["ingest", "clean", "validate", "tokenize", "adapt", "finetune", "evaluate", "explain"]
    assert tuple(STAGES) == SUMMARY_STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_as_a_module_so_that_tokenize_does_not_hide_the_standard_librarys(stage):
    launcher = PARAMS["finetune"]["launcher"]
    assert PIPELINE[stage]["cmd"].replace("${finetune.launcher}", launcher) == f"python -m stages.{stage}"
    assert PIPELINE[stage]["desc"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_script_is_short_and_documents_what_it_reads_and_writes(stage):
    text = (REPOSITORY / f"stages/{stage}.py").read_text()
    assert len(text.splitlines()) <= 40
    assert "\nReads   " in text
    assert "\nWrites  " in text


PLUMBING = {
    "documentation",
    "errors",
    "layout",
    "memory",
    "params",
    "progress",
    "stage",
    "summary",
    "tables",
    "tracking",
    "workers",
}
"""Parts of the library that shape no output of a stage."""
CLEANS_FOR_THE_SERVICE = {"finetune", "explain"}
"""Stages that load the served model's cleaning of raw texts, but read texts that are clean already."""


def imported(path, seen):
    """Every file of the library that ``path`` imports, and what those import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("starsight."):
            place = REPOSITORY / "src" / node.module.replace(".", "/")
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if file not in seen:
                seen.add(file)
                if file.relative_to(REPOSITORY / "src/starsight").parts[0].removesuffix(".py") not in PLUMBING:
                    imported(file, seen)
    return seen


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_script_and_on_all_of_the_library_that_it_runs(stage):
    deps = set(paths(stage, "deps"))
    assert f"stages/{stage}.py" in deps
    for file in imported(REPOSITORY / f"stages/{stage}.py", set()):
        part = file.relative_to(REPOSITORY / "src/starsight").parts[0]
        if part.removesuffix(".py") in PLUMBING or (part == "clean" and stage in CLEANS_FOR_THE_SERVICE):
            continue
        assert deps & {f"src/starsight/{part}", str(file.relative_to(REPOSITORY))}, f"{stage} runs {file}"


def test_the_served_model_asks_for_exactly_the_packages_that_it_imports():
    files = imported(REPOSITORY / "src/starsight/tracking/served.py", set())
    files |= {REPOSITORY / "src/starsight/tracking/served.py"}
    names = set()
    for file in files | {path for found in list(files) for path in imported(found, set())}:
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names |= {module.partition(".")[0] for module in modules}
    packages = {{"yaml": "pyyaml"}.get(name, name) for name in names - sys.stdlib_module_names - {"starsight"}}
    packages.remove("gguf")  # an extra, and a saved model is no such file
    assert packages == set(REQUIREMENTS)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))])
def test_every_link_of_a_page_leads_somewhere(page):
    text = (REPOSITORY / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (REPOSITORY / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_a_stage_exists_or_is_in_the_layout(stage):
    layout = Layout(Path("/root"), Path("/root"))
    known = {
        str(getattr(layout, name).relative_to("/root"))
        for name, attribute in vars(Layout).items()
        if isinstance(attribute, property)
    }
    for path in paths(stage, "outs", "metrics", "plots"):
        assert path in known, path
    for path in paths(stage, "deps"):
        assert path in known or (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("stage", STAGES[3:])
def test_from_tokenize_on_a_stage_depends_on_the_chosen_models_row_alone(stage):
    assert {"model", "models.${model}"} <= set(PIPELINE[stage]["params"])


@pytest.mark.parametrize("stage", STAGES[:3])
def test_the_data_stages_do_not_depend_on_the_model(stage):
    assert not [entry for entry in PIPELINE[stage]["params"] if entry.startswith("model")]


def test_metrics_are_kept_in_git_so_that_two_commits_can_be_compared_but_for_the_one_that_quotes_reviews():
    kept = [entry for stage in STAGES for entry in PIPELINE[stage]["metrics"] if entry != "reports/clean.json"]
    assert all(next(iter(entry.values())) == {"cache": False} for entry in kept)
    assert "/reports/clean.json" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_generated_pages_are_up_to_date():
    assert stale_pages(Layout(REPOSITORY, REPOSITORY)) == []


def test_the_stage_table_names_every_stage_and_output():
    table = stage_table(REPOSITORY / "dvc.yaml")
    for stage in STAGES:
        assert f"| `{stage}` |" in table
        for path in paths(stage, "outs", "metrics", "plots"):
            assert f"`{path}`" in table


def test_the_readme_names_both_commands_and_every_word_of_the_makefile():
    words = re.findall(r"^([a-z]+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert {"repro", "test", "check", "ui"} <= set(words)
    for word in words:
        assert f"make {word}" in README, word


def test_importing_the_library_does_nothing_and_loads_nothing_heavy():
    code = (
        "import sys, starsight, starsight.params, starsight.layout, starsight.cli\n"
        "print([name for name in ('torch', 'mlflow', 'transformers', 'great_expectations') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_only_one_package_imports_mlflow_and_one_great_expectations():
    owners = {"mlflow": "tracking", "great_expectations": "validate"}
    for path in (REPOSITORY / "src/starsight").rglob("*.py"):
        for library, owner in owners.items():
            imports = re.search(rf"^\s*(import|from) {library}\b", path.read_text(), re.MULTILINE)
            assert not imports or path.parent.name == owner, f"{path} imports {library}"

"""The command line: ``starsight <command>``. Exit codes: 0 done, 1 failed with one clear line, 2 wrong usage."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starsight.errors import DataError, ModelError, ParamsError, RegistryError, StarsightError, trouble

if TYPE_CHECKING:
    from starsight.layout import Layout

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.callback()
def _starsight() -> None:
    """Predict the stars of a review from its text, and show which words made the rating."""


@app.command()
def summary() -> None:
    """Show the last run: errors beside their rivals, what each stage took, and where to look next."""
    from starsight.layout import Layout
    from starsight.summary import print_summary

    with one_line_errors():
        print_summary(Layout())


@app.command()
def compare(
    metric: Annotated[str, typer.Option(help="mae or rmse: what the runs are ordered and compared by.")] = "mae",
    html: Annotated[
        Path | None, typer.Option(help="Where the page is written; reports/comparison.html by default.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Which test reviews, by their hash; those of the newest run by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Line up the runs that were measured on the same test reviews: errors, differences, costs."""
    from starsight.compare.lineup import METRICS, line_up
    from starsight.compare.report import as_json as to_json
    from starsight.compare.report import print_line_up, write_comparison_page
    from starsight.layout import Layout
    from starsight.params import load_params

    if metric not in METRICS:
        raise typer.BadParameter(f"--metric is one of {', '.join(METRICS)}; found {metric!r}")
    with one_line_errors():
        layout = Layout()
        page = layout.comparison_page if html is None else html
        if page.is_dir():
            raise DataError(f"--html {page} is a folder; name a file: --html {page / 'comparison.html'}")
        lined_up = line_up(layout, load_params(layout.params), metric, test_rows=rows)
        write_comparison_page(lined_up, page)
        if as_json:
            typer.echo(json.dumps(to_json(lined_up), indent=2, allow_nan=False, ensure_ascii=False))
        else:
            print_line_up(lined_up, page)


@app.command()
def sweep(
    models: Annotated[list[str], typer.Argument(help="Rows of models in params.yaml.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of every experiment: finetune.epochs=1.", metavar="NAME=VALUE"),
    ] = None,
) -> None:
    """Run models one after another as experiments, and compare them; this folder stays as it is."""
    from starsight.compare.lineup import line_up
    from starsight.compare.report import print_line_up, write_comparison_page
    from starsight.compare.sweep import Sweep
    from starsight.layout import Layout
    from starsight.params import load_params

    with one_line_errors():
        layout = Layout()
        params = load_params(layout.params)
        swept = Sweep(models, settings or [], params, layout)
        swept.run()
        for line in swept.verdict():
            typer.echo(line)
        ended = typer.Exit(130 if swept.stopped else int(bool(swept.failed)))
        if swept.stopped and not swept.done:
            raise ended
        lined_up = line_up(layout, params, test_rows=swept.test_rows(), dataset=swept.dataset)
        write_comparison_page(lined_up, layout.comparison_page)
        print_line_up(lined_up, layout.comparison_page)
    raise ended


@app.command("ingest-check")
def ingest_check(
    source: Annotated[
        str | None, typer.Argument(help="A file, a folder, a glob in quotes, an address, or a file in a wheel.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Check this row of params.yaml; nothing is guessed then.", metavar="ROW")
    ] = None,
    first: Annotated[int | None, typer.Option(min=1, help="Read only so many records.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Of the file; addresses and wheels need it.")] = None,
    members: Annotated[str | None, typer.Option(help="Which files of a zip archive are read, as a glob.")] = None,
) -> None:
    """Show how a file of reviews would be read: format, reviews, stars, what is rejected; then the row to paste."""
    from starsight.ingest.check_view import show_row, show_source
    from starsight.layout import Layout
    from starsight.params import load_params

    if (source is None) == (dataset is None):
        raise typer.BadParameter("name either a SOURCE or a row of params.yaml (--dataset)")
    if dataset is not None and (sha256, members) != (None, None):
        raise typer.BadParameter("--sha256 and --members go with a SOURCE; the row names its own")
    with one_line_errors():
        layout = Layout()
        params = load_params(layout.params)
        if source is not None:
            show_source(source, layout, params, first=first, sha256=sha256, members=members)
        elif dataset in params.datasets:
            show_row(dataset, layout, params, first=first)
        else:
            rows = ", ".join(sorted(params.datasets))
            raise typer.BadParameter(f"params.yaml has no row {dataset!r} in datasets; there are: {rows}")


@app.command()
def explain(
    text: Annotated[
        str, typer.Argument(help="The review; - reads it from standard input, -- goes before one that begins with -.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="Folder of a fine-tuned model; models/finetuned by default.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Rate a review and show which words made the stars."""
    from starsight.layout import Layout

    _check_text(text, "the review")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no minus sign shows all the rest
    with one_line_errors():
        if html is not None and (html.is_dir() or not html.name):
            raise DataError(f"--html {html} is a folder; name a file: --html {html / 'explanation.html'}")
        folder = model or Layout().finetuned
        if not folder.is_dir():
            what = "there is no model" if model else "no model was fine-tuned here yet"
            raise ModelError(f"{folder}: {what}; run make repro, or name a folder with --model.")
        raw_text = _standard_input() if text == "-" else text

        from starsight.explain.page import write_explanation_page
        from starsight.explain.single import explain_texts
        from starsight.explain.terminal import print_explanation
        from starsight.model.predictor import Predictor

        (explanation,) = explain_texts(Predictor.load(folder), [raw_text])
        if html is not None:
            write_explanation_page(html, explanation, {"model": str(folder)})
        if as_json:
            typer.echo(json.dumps(explanation.as_json(), indent=2, allow_nan=False, ensure_ascii=False))
        else:
            print_explanation(explanation)


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is no UTF-8 text (byte {error.start}); convert it: iconv -t UTF-8.") from None


@app.command()
def promote(
    version: Annotated[
        int | None, typer.Option(min=1, help="Judge this version; without it, the one with the alias challenger.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote whatever the verdict; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced; recorded.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; change nothing.")] = False,
) -> None:
    """Make a registered version champion if it is better on the test reviews, rated now by both; else exit with 1."""
    from starsight.gate.promotion import promote as challenge
    from starsight.gate.view import show_outcome
    from starsight.params import load_params

    _check_text(reason)
    given = bool(reason and reason.strip())
    if force != given:
        raise typer.BadParameter("--force needs --reason TEXT" if force else "--reason goes with --force")
    with one_line_errors():
        layout = _repository()
        number = str(version) if version else None
        outcome = challenge(layout, load_params(layout.params), number=number, reason=reason, dry_run=dry_run)
        show_outcome(outcome, layout, dry_run=dry_run)
        if outcome.result == "refused":
            raise typer.Exit(1)


@app.command()
def rollback(reason: Annotated[str | None, typer.Option(help="Why; recorded.")] = None) -> None:
    """Bring back the champion before the present one; again, the one before that."""
    from starsight.gate.promotion import rollback as take_back
    from starsight.gate.view import show_rollback

    _check_text(reason)
    with one_line_errors():
        layout = _repository()
        show_rollback(take_back(layout, reason), layout)


@app.command()
def history(as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every figure.")] = False) -> None:
    """Show who was champion, when and why."""
    from starsight.gate.history import show_history
    from starsight.gate.ledger import read_ledger

    with one_line_errors():
        layout = _repository()
        entries = read_ledger(layout.promotions)
        unrecorded = None
        if not entries and (layout.mlflow_database.exists() or "MLFLOW_TRACKING_URI" in os.environ):
            from starsight.tracking.versions import find_champion

            try:
                unrecorded = find_champion(layout)
            except RegistryError as error:
                typer.echo(f"starsight: whether the registry has a champion is not known: {error}", err=True)
        show_history(entries, unrecorded.name if unrecorded else None, as_json=as_json)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; others than 127.0.0.1 are open to the network.")] = (
        "127.0.0.1"
    ),
) -> None:
    """Open the MLflow UI on the runs and models of this repository."""
    from starsight.tracking.store import connect, tracking_uri

    with one_line_errors():
        layout = _repository()
        connect(layout)
        _check_free(host, port)
        typer.echo(f"MLflow UI: http://{host}:{port}   (Ctrl-C ends it)")
        command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri(layout)]
        options = ["--default-artifact-root", layout.mlflow_artifacts.as_uri()]
        served = subprocess.run([*command, *options, "--host", host, "--port", str(port)], check=False)  # noqa: S603
    raise typer.Exit(1 if served.returncode not in (0, 130) else 0)


def _check_free(host: str, port: int) -> None:
    """Ask before the server does: it says so late, and ends as if all were well."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RegistryError(
                f"{host}:{port} cannot be listened on ({error.strerror}); choose another: --port 5001"
            ) from None


@app.command()
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a page is out of date.")
    ] = False,
) -> None:
    """Write the generated parts of the documentation: tables in the README and in docs/models.md, docs/settings.md."""
    from starsight.documentation import stale_pages, write_pages
    from starsight.layout import Layout

    with one_line_errors():
        layout = Layout()
        if not check:
            write_pages(layout)
            return
        if stale := stale_pages(layout):
            typer.echo(f"out of date: {', '.join(stale)}; run make docs.", err=True)
            raise typer.Exit(1)


def _repository() -> "Layout":
    """The layout of this folder, for commands that would else make a store wherever they are called.

    Raises:
        ParamsError: this is not the repository.
    """
    from starsight.layout import Layout

    layout = Layout()
    if not layout.params.exists():
        raise ParamsError(f"no params.yaml in {layout.root}; run from the repository's folder.")
    return layout


def _check_text(text: str | None, what: str = "--reason") -> None:
    """Refuse what the terminal sent as bytes that are no UTF-8: it could be neither recorded nor rated as it is."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter(f"{what} is not UTF-8 text") from None


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print what a user can mend as one line and exit with 1; ``STARSIGHT_LOG=DEBUG`` lets the traceback through."""
    try:
        yield
    except StarsightError as error:
        if os.environ.get("STARSIGHT_LOG", "").upper() == "DEBUG":
            raise
        typer.echo(f"starsight: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"starsight: {trouble(error)}; mend it and run again.", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt as stop:
        typer.echo(f"starsight: stopped by Ctrl-C{f'; {stop}' if str(stop) else ''}.", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """Entry point of the ``starsight`` command."""
    app()

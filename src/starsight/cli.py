"""The command line: ``starsight <command>``. Exit codes: 0 done, 1 failed with one clear line, 2 wrong usage."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from starsight.errors import RegistryError, StarsightError, trouble

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
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; others than 127.0.0.1 are open to the network.")] = (
        "127.0.0.1"
    ),
) -> None:
    """Open the MLflow UI on the runs and models of this repository."""
    from starsight.layout import Layout
    from starsight.tracking.store import connect, tracking_uri

    with one_line_errors():
        layout = Layout()
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
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def main() -> None:
    """Entry point of the ``starsight`` command."""
    app()

"""What every stage shares: settings, seed, logging, timing, and one clear line when a user's mistake stops it."""

import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np

from starsight.errors import StarsightError, trouble
from starsight.layout import Layout
from starsight.memory import peak_memory_mib
from starsight.model.checkpoints import check_reachable
from starsight.params import Params, load_params
from starsight.progress import leads
from starsight.tables import write_json

log = logging.getLogger(__name__)

Main = Callable[[Params, Layout], None]


class Terminated(BaseException):
    """SIGTERM arrived. Like ``KeyboardInterrupt`` no error, so that nothing but ``run`` catches it by accident."""


def run(main: Main) -> None:
    """Run a stage's ``main`` as the program: exits 0, 1 (one line on standard error), 130 (Ctrl-C) or 143 (SIGTERM)."""
    layout = Layout()
    name = Path(sys.argv[0]).stem
    if not layout.params.exists():  # before any folder is made: this is not the repository
        _stop(f"{name}: no params.yaml in {layout.root}; run from the repository's folder.", 1)
    try:
        _set_up_logging(layout.log(name if leads() else f"{name}-{os.environ['RANK']}"))
    except (OSError, ValueError) as error:  # a folder that cannot be written to, or no level of logging
        _stop(f"{name}: no log can be kept ({error}); make scratch/ writable, and STARSIGHT_LOG a level (INFO).", 1)
    signal.signal(signal.SIGTERM, _raise_terminated)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.perf_counter()
    try:
        params = load_params(layout.params)
        set_seed(params.seed)
        check_reachable(params.model, params.model_row, layout)  # now, not after the reviews were read and cleaned
        main(params, layout)
    except StarsightError as error:
        log.debug("stage %s failed", name, exc_info=True)
        _stop(f"{name}: {error}", 1)
    except OSError as error:
        log.debug("stage %s failed", name, exc_info=True)
        _stop(f"{name}: {trouble(error)}; nothing half-written was left. Mend it and run again.", 1)
    except KeyboardInterrupt:
        _stop(f"{name}: stopped by Ctrl-C; nothing half-written was left.", 130)
    except Terminated:
        _stop(f"{name}: stopped by SIGTERM; nothing half-written was left.", 143)
    if leads():
        _record_cost(layout.timing(name), time.perf_counter() - started)


def set_seed(seed: int) -> None:
    """Seed the global generators. Torch is seeded only where the stage has loaded it: the data stages do without."""
    random.seed(seed)
    np.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _record_cost(path: Path, seconds: float) -> None:
    peak = peak_memory_mib()
    log.info("%s: done in %.1f s, peak memory %.0f MiB", path.stem, seconds, peak)
    write_json({"stage": path.stem, "seconds": round(seconds, 2), "peak_memory_mib": round(peak)}, path)


def _set_up_logging(file: Path) -> None:
    """Short lines on standard error (level from ``STARSIGHT_LOG``), everything of ours with tracebacks in ``file``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    terminal = logging.StreamHandler()
    terminal.setLevel(os.environ.get("STARSIGHT_LOG", "INFO").upper())
    terminal.addFilter(lambda record: not record.exc_info or record.levelno >= logging.ERROR)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    whole = logging.FileHandler(file, mode="w", encoding="utf-8")
    whole.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("starsight")
    logger.setLevel(logging.DEBUG)
    logger.handlers[:] = [terminal, whole]
    logger.propagate = False


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _stop(message: str, code: int) -> None:
    sys.stderr.write(f"\nstarsight {message}\n")
    sys.exit(code)

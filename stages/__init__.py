"""The pipeline's stages, one module each, run as ``python -m stages.<name>``.

What stands here runs before a stage loads its libraries, which takes seconds.
"""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

# DVC runs queued and temporary experiments in a copy of the repository. The copy's own library must then answer to
# ``import starsight``, not the one that was installed from the repository in editable mode.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def _stop(signum: int, frame: FrameType | None) -> None:
    sys.stderr.write(f"\nstarsight: stopped by {signal.Signals(signum).name} before anything was done.\n")
    os._exit(128 + signum)


if __name__ == "stages" and Path(sys.argv[0]).name == "-m":  # as a program, not imported by a test
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)  # ``starsight.stage.run`` takes over when the libraries are loaded
    if find_spec("pydantic") is None or find_spec("pandas") is None:
        sys.exit(
            f"starsight's packages are not installed for {sys.executable}; "
            "activate the environment (source .venv/bin/activate) or use make."
        )

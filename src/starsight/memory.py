"""How much memory a stage has needed, and giving back what it no longer needs."""

import ctypes
import resource
import sys
from pathlib import Path

_worker_peaks_mib: dict[int, float] = {}
"""By process id, as last reported."""


def peak_memory_mib() -> float:
    """Highest resident memory of this process and of its workers so far, in MiB.

    The workers' peaks are added up, although they need not have come at the same moment.
    """
    return resident_peak_mib() + sum(_worker_peaks_mib.values())


def resident_peak_mib() -> float:
    """Highest resident memory of this process alone, in MiB."""
    try:
        # getrusage would count, in a started process, what its parent held at that moment
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def note_worker_memory(pid: int, peak_mib: float) -> None:
    """Remember what a worker process has needed."""
    _worker_peaks_mib[pid] = peak_mib


def give_back_memory() -> None:
    """Return to the machine what this process has freed. Allocators keep it for later: of a worker that lives long, the
    short peak of one task would count until the end."""
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)

"""How much memory a stage has needed."""

import resource
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

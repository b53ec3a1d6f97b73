"""How much memory this process has needed."""

import resource


def peak_memory_mib() -> float:
    """Highest resident memory of this process so far, in MiB.

    Children are left out: between fork and exec a child counts its parent's memory as its own.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

"""Spread work over the processors, in order and in flat memory.

Results come in the order of the items, and only a few are under way at a time: however many items there are, memory
holds as many as there are processes. One process, or one item, needs no other process at all.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Self, TypeVar

from starsight.errors import ParamsError, StarsightError
from starsight.memory import give_back_memory, note_worker_memory, resident_peak_mib

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD: Final = 2
"""Items a process has waiting: enough that none idles while results are taken in."""


def processors() -> int:
    """Processes to work in: ``STARSIGHT_WORKERS`` if set, else one a processor that this process may use.

    Raises:
        ParamsError: ``STARSIGHT_WORKERS`` is no whole number from 1.
    """
    asked = os.environ.get("STARSIGHT_WORKERS")
    if asked is None:
        from joblib import cpu_count  # here: every worker imports this module, and none asks

        return int(cpu_count())  # it knows of a container's share, too
    if not asked.isdecimal() or int(asked) < 1:
        raise ParamsError(f"STARSIGHT_WORKERS is {asked!r}; set it to a whole number from 1, or unset it.")
    return int(asked)


class Workers:
    """Processes that are started when first needed and end with the ``with`` block, whatever ends it."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, in order.

        Args:
            function: of a module's top level, so that it can be sent to another process.
            items: taken one by one, as processes become free.

        Raises:
            StarsightError: a process was killed; most often, memory ran out.
        """
        if self.n == 1:
            yield from map(function, items)
            return
        waiting: deque[Future[tuple[Result, int, float]]] = deque()
        try:
            for item in items:
                waiting.append(self._started().submit(_measured, function, item))
                if len(waiting) >= self.n * _AHEAD:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        except BrokenProcessPool:
            raise StarsightError(
                "a worker process was killed, most often because memory ran out; run again with fewer: "
                f"STARSIGHT_WORKERS={max(self.n // 2, 1)}"
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # a forked process would inherit the locks of threads (pyarrow's, tqdm's) in whatever state they are
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.n, mp_context=spawn, initializer=_begin_work)
        return self._pool


def _measured(function: Callable[[Item], Result], item: Item) -> tuple[Result, int, float]:
    result = function(item)
    give_back_memory()
    return result, os.getpid(), resident_peak_mib()


def _result(future: "Future[tuple[Result, int, float]]") -> Result:
    result, pid, peak_mib = future.result()
    note_worker_memory(pid, peak_mib)
    return result


def _begin_work() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)  # a parent that was killed cannot ask for an orderly end

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from starsight.errors import ParamsError, StarsightError
from starsight.memory import peak_memory_mib, resident_peak_mib
from starsight.workers import Workers, processors


def square(number):
    time.sleep(0.05 if number % 3 == 0 else 0)  # later items end first
    return number * number


def whoami(_):
    return os.getpid()


def end_at_once(_):
    os.kill(os.getpid(), signal.SIGKILL)


def complain(number):
    raise ValueError(f"item {number}")


@pytest.mark.parametrize("n", [1, 2])
def test_results_come_in_the_order_of_the_items(n):
    with Workers(n) as workers:
        assert list(workers.map(square, range(20))) == [number * number for number in range(20)]


def test_several_processes_work_and_one_needs_no_other():
    with Workers(2) as workers:
        assert os.getpid() not in set(workers.map(whoami, range(8)))
    with Workers(1) as workers:
        assert set(workers.map(whoami, range(3))) == {os.getpid()}


def test_items_are_taken_only_as_they_are_needed():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    with Workers(2) as workers:
        results = workers.map(square, items())
        next(results)
        assert len(taken) < 10


def test_an_error_in_a_worker_is_the_callers_error():
    with Workers(2) as workers, pytest.raises(ValueError, match="item 0"):
        list(workers.map(complain, range(3)))


def test_a_killed_worker_is_told_in_one_line():
    with Workers(2) as workers, pytest.raises(StarsightError, match=r"memory ran out.*STARSIGHT_WORKERS=1"):
        list(workers.map(end_at_once, range(3)))


def test_memory_counts_the_workers_too():
    before = peak_memory_mib()
    with Workers(2) as workers:
        list(workers.map(square, range(6)))
    assert peak_memory_mib() > max(before, resident_peak_mib()) + 10


@pytest.mark.parametrize("asked", ["0", "-1", "two", ""])
def test_a_number_of_workers_that_is_none_is_refused(asked, monkeypatch):
    monkeypatch.setenv("STARSIGHT_WORKERS", asked)
    with pytest.raises(ParamsError, match="STARSIGHT_WORKERS"):
        processors()


def test_the_environment_sets_the_number_of_workers(monkeypatch):
    monkeypatch.setenv("STARSIGHT_WORKERS", "3")
    assert processors() == 3


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import time
        from starsight.workers import Workers
        def wait(_):
            time.sleep(60)
        if __name__ == "__main__":
            with Workers(2) as workers:
                list(workers.map(wait, range(2)))
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    workers = []
    while len(workers) < 3 and time.monotonic() < deadline:  # two workers and Python's resource tracker
        time.sleep(0.1)
        workers = psutil.Process(parent.pid).children(recursive=True)
    time.sleep(1)  # a worker watches its parent only once it has started
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []

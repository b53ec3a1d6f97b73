"""How fast training is and what it learns, beside the Trainer of transformers; and how near it comes to the machine.

    python -m benchmarks.training [--reviews 2000] [--epochs 1] [--blocks 10] [--dataset renttherunway] [--model minilm]

Prints a line a turn, a table and, as its last line, a JSON object. Needs accelerate, an optional package of developers.

Four contenders fine-tune the same network from the same weights on the same tokens, with the batch size and the
learning rate of params.yaml, in float32 or bfloat16 on the same device:

- ``starsight``: ``starsight.train.loop.finetune`` with the settings of params.yaml.
- ``stock``: ``transformers.Trainer`` with its defaults.
- ``tuned``: the Trainer set up well; ``benchmarks.contenders`` says how. The checkpoint's dropout stays.
- ``tuned_no_dropout``: the same with starsight's dropout, which is none, so that its random numbers need not be drawn.

Each is a process of its own. They take turns, a block of steps at a time, each on all processors, while the others
wait. A block is timed from the end of a step to the end of a later one, so that it holds all that a step needs, with
fetching and padding; the first step of an epoch is in none. A rate is that of all blocks together, since every
contender has its own order of long and short reviews; ratios are of rates.

- ``ratio_vs_stock``, ``ratio_vs_tuned``, ``ratio_vs_tuned_no_dropout``: starsight's training reviews a second over the
  other's.
- ``mae_difference``: starsight's mean absolute error on validation reviews minus the lowest of the Trainers', in stars,
  after the same epochs on the same reviews; positive is worse. One function measures all.
- ``share_of_matmul_peak``: operations of the matrix products that the mean training review needs, forward and backward,
  times starsight's reviews a second, over the best rate of a matrix product. An operation is a multiplication or an
  addition. ``FlopCounterMode`` counts them on one review of each length, without padding; looking up embeddings,
  softmax, norms and the optimizer count nothing. The best rate is that of the feed-forward products (tokens of a batch
  of mean length × width × inner width) in the precision of the training, each kept up for at least 0.2 seconds after
  every block of starsight in starsight's own process; the best one of the run counts. The head's products run in
  float32 and are held against the same rate.
- ``peak_memory_mib``: highest resident memory of starsight's process, validation included; ``peak_gpu_memory_mib`` the
  same of the GPU's memory, where there is one.
- ``share_data``, ``share_forward``, ``share_backward``, ``share_optimizer``, ``share_rest``: where starsight's time
  goes, as the profiler sees it in a short training of its own.

The reviews are ingested, cleaned and tokenized by the stages of the pipeline, once, into scratch/benchmarks/training
(without the words of spelling_veto.txt).
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.contenders import Block, Costs, Failed, Name, Task, Trained, contend, price
from stages import clean, ingest, tokenize
from starsight.errors import ParamsError, StarsightError
from starsight.layout import Layout
from starsight.model.tokens import read_tokens
from starsight.params import Params, load_params
from starsight.train.checkpoint import training_key

RIVALS: Final[tuple[Name, ...]] = ("stock", "tuned", "tuned_no_dropout")
NAMES: Final[tuple[Name, ...]] = ("starsight", *RIVALS)

Received = TypeVar("Received")


@dataclass(frozen=True)
class Outcome:
    """A contender's blocks and what it came to."""

    blocks: list[Block]
    trained: Trained

    @property
    def reviews_per_s(self) -> float:
        """Of all blocks together: who sorts reviews by length has slow blocks and fast ones."""
        return sum(block.n_reviews for block in self.blocks) / sum(block.seconds for block in self.blocks)


def tokenized(params: Params, home: Path) -> Layout:
    """Folder with the tokenized reviews of the chosen dataset for the chosen model; made where it is not there.

    Other settings, or other code that shapes the reviews, are another folder.
    """
    settings = {
        "dataset": params.dataset_row.model_dump(),
        "model": params.model_row.model_dump(),
        **{name: getattr(params, name).model_dump() for name in ("ingest", "clean", "tokenize")},
    }
    source = Path(sys.modules[Layout.__module__].__file__ or "").parent
    files = [*source.glob("ingest/*.py"), *source.glob("clean/*.py"), source / "split.py", source / "model/tokens.py"]
    key = training_key(settings, sorted(files))
    layout = Layout(root=home / "scratch/benchmarks/training" / f"{params.dataset}-{params.model}-{key}", home=home)
    if not layout.processed.exists():
        for stage in (ingest, clean, tokenize):
            stage.main(params, layout)
    return layout


def compete(task: Task) -> dict[Name, Outcome]:
    """Let all train, in turns."""
    blocks: dict[Name, list[Block]] = {name: [] for name in NAMES}
    trained: dict[Name, Trained] = {}
    with ExitStack() as started:
        connections = {name: started.enter_context(_process(contend, name, task)) for name in NAMES}
        for connection in connections.values():
            _receive(connection, type(None))
        n_turns = task.n_blocks * task.params.finetune.epochs
        for turn in range(n_turns):
            for name, connection in connections.items():
                connection.send(None)
                blocks[name].append(_receive(connection, Block))
                if turn == n_turns - 1:
                    trained[name] = _receive(connection, Trained)
            rates = (f"{name} {blocks[name][-1].reviews_per_s:.2f}" for name in NAMES)
            _say(f"turn {turn + 1} of {n_turns}, reviews/s: {', '.join(rates)}")
    return {name: Outcome(blocks[name], trained[name]) for name in NAMES}


def take_apart(task: Task) -> Costs:
    """What starsight's steps are made of."""
    with _process(price, task) as connection:
        return _receive(connection, Costs)


@contextmanager
def _process(work: Callable[..., None], *inputs: object) -> Iterator[Connection]:
    """A fresh process that does ``work``, and the connection to it."""
    fresh = multiprocessing.get_context("spawn")
    here, there = fresh.Pipe()
    process = fresh.Process(target=work, args=(*inputs, there), daemon=True)
    process.start()
    there.close()  # what the process does not hold open any more ends in an EOFError here
    try:
        yield here
    except BaseException:
        process.terminate()
        raise
    finally:
        process.join()
        here.close()


def _receive(connection: Connection, kind: type[Received]) -> Received:
    try:
        message = connection.recv()
    except EOFError:
        raise StarsightError("a contender's process ended; why stands above.") from None
    if isinstance(message, Failed):
        raise StarsightError(message.reason)
    if not isinstance(message, kind):
        raise StarsightError(f"a contender sent {message} in place of a {kind.__name__}.")
    return message


def result_of(outcomes: Mapping[Name, Outcome], costs: Costs) -> dict[str, float | str]:
    """The last line."""
    ours, trained = outcomes["starsight"], outcomes["starsight"].trained
    best_mae = min(outcomes[name].trained.validation_mae for name in RIVALS)
    used = costs.flops_per_review * ours.reviews_per_s / trained.matmul_flops_per_s
    return {
        **{f"ratio_vs_{name}": round(ours.reviews_per_s / outcomes[name].reviews_per_s, 3) for name in RIVALS},
        "mae_difference": round(trained.validation_mae - best_mae, 4),
        "share_of_matmul_peak": round(used, 3),
        "reviews_per_s": round(ours.reviews_per_s, 2),
        "precision": trained.precision,
        "device": trained.device,
        "peak_memory_mib": round(trained.peak_rss_mib),
        **({"peak_gpu_memory_mib": round(trained.peak_gpu_mib)} if trained.peak_gpu_mib else {}),
        **{f"share_{part}": round(share, 3) for part, share in costs.shares.items()},
    }


def table_of(outcomes: Mapping[Name, Outcome]) -> Iterator[str]:
    """A line a contender."""
    heads = ("contender", "precision", "reviews/s", "slowest", "fastest", "MAE", "peak MiB", "GPU MiB")
    yield "\n{:<18}{:>10}{:>11}{:>9}{:>9}{:>8}{:>10}{:>9}".format(*heads)
    for name, outcome in outcomes.items():
        rates, trained = [block.reviews_per_s for block in outcome.blocks], outcome.trained
        yield (
            f"{name:<18}{trained.precision:>10}{outcome.reviews_per_s:>11.2f}{min(rates):>9.2f}{max(rates):>9.2f}"
            f"{trained.validation_mae:>8.4f}{trained.peak_rss_mib:>10,.0f}{trained.peak_gpu_mib:>9,.0f}"
        )
    peak = outcomes["starsight"].trained.matmul_flops_per_s
    yield f"\nthe best matrix product: {peak / 1e9:,.1f} GFLOP/s"


def parts_of(costs: Costs) -> Iterator[str]:
    """What starsight's steps are made of, a line a part."""
    yield f"matrix products of the mean review: {costs.flops_per_review / 1e9:.2f} GFLOP\n"
    yield f"{'part of a step':<16}{'share':>8}"
    for part, share in costs.shares.items():
        yield f"{part:<16}{share:>8.1%}"


def task_of(options: argparse.Namespace, home: Path) -> Task:
    """What the options ask for.

    Raises:
        ParamsError: there is no such row, or there are too few reviews for so many blocks.
    """
    params = load_params(home / "params.yaml")
    for table, chosen in (("datasets", options.dataset), ("models", options.model)):
        if chosen not in getattr(params, table):
            raise ParamsError(f"params.yaml has no row {chosen!r} in {table}.")
    finetune = params.finetune.model_copy(update={"epochs": options.epochs})
    params = params.model_copy(update={"dataset": options.dataset, "model": options.model, "finetune": finetune})
    layout = tokenized(params, home)
    n_train, n_validation = (
        len(read_tokens(layout.tokens(split), n))
        for split, n in zip(("train", "validation"), (options.reviews, options.validation_reviews), strict=True)
    )
    n_steps = n_train // finetune.batch_size
    if n_steps <= options.blocks:
        raise ParamsError(f"{n_train} reviews are {n_steps} steps, too few for {options.blocks} blocks.")
    return Task(params, layout, n_steps * finetune.batch_size, n_validation, options.blocks)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reviews", type=int, default=2_000, help="training reviews (%(default)s)")
    parser.add_argument("--validation-reviews", type=int, default=1_000, help="for the error (%(default)s)")
    parser.add_argument("--epochs", type=int, default=1, help="passes over them (%(default)s)")
    parser.add_argument("--blocks", type=int, default=10, help="timed blocks an epoch (%(default)s)")
    parser.add_argument("--dataset", default="renttherunway", help="a row of datasets (%(default)s)")
    parser.add_argument("--model", default="minilm", help="a row of models (%(default)s)")
    options = parser.parse_args()
    try:
        task = task_of(options, Layout().home)
        finetune = task.params.finetune
        _say(
            f"{options.dataset}, {options.model}: {task.n_train:,} training reviews, epochs: {finetune.epochs}, "
            f"batches of {finetune.batch_size}, {task.n_validation:,} validation reviews\n"
        )
        outcomes = compete(task)
        _say("\n".join(table_of(outcomes)))  # now: what follows takes a while
        costs = take_apart(task)
    except StarsightError as error:
        sys.exit(str(error))
    _say("\n".join(parts_of(costs)))
    _say(f"\n{json.dumps(result_of(outcomes, costs))}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

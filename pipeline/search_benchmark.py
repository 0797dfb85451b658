"""What a search costs beside its trainings, how many workers it can feed, and what a second worker brings.

usual: Optuna in SQLite with fluent MLflow. Where only the coordinator is measured, the trainings take no time; where
the executors are, they are real. Rounds alternate, so that a busy machine slows all sides.
"""

import contextlib
import io
import multiprocessing
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Flat
from pipeline.data import Samples, write_samples
from pipeline.errors import InputError
from pipeline.experiment import read_experiment
from pipeline.jobs import Finished, Job, Result, Stopped
from pipeline.search import Coordinator
from pipeline.setup import Search
from pipeline.space import Experiment
from pipeline.studies import open_study
from pipeline.tracking import StudyRun, Tracker
from pipeline.training import Epoch
from pipeline.workers import Answer, Executor, open_executor

N_EPOCHS = 10
EXPERIMENT = f"""
question: What does a search cost beside its trainings?
dataset: none
objective: accuracy
trials: 40
sampler: {{name: tpe}}
pruner: {{name: median}}
fixed: {{n_epochs: {N_EPOCHS}}}
baseline: {{model: mlp, lr: 0.001, batch_size: 64}}
space: {{model: [mlp, cnn], lr: {{low: 0.0001, high: 0.1, log: true}}, batch_size: [32, 64, 128]}}
"""
TARGET_COST_MS = 30 + N_EPOCHS * 1  # per trial, per epoch
TARGET_TWO_WORKERS = 1.7
TARGET_RAY = 0.95

TRAINING: Flat = {"model": "cnn", "cnn.width": 16, "lr": 0.01, "batch_size": 64, "n_epochs": 2}
N_IMAGES = 6144
N_TRAININGS = 8


@dataclass(frozen=True)
class Case:
    """One row of the scaling table: `workers` that ask for work, as many as the experiment's `parallel`."""

    workers: int
    sampler: str
    reproducible: bool = True
    fill_s: float = 8.0  # in which all workers should be given their first trial; those that were not stay idle
    feed_s: float = 6.0  # after that, in which messages are counted


SAMPLERS = ("random", "tpe")
CASES = [Case(n, sampler) for sampler in SAMPLERS for n in (1, 10, 100, 1000)]
CASES += [Case(1000, sampler, reproducible=False) for sampler in SAMPLERS]


class InstantWorkers:
    """Workers whose trainings take no time: they say their epochs in turn."""

    def __init__(self, n_workers: int, fill_s: float | None = None) -> None:
        """fill_s: begin in mid-search, each worker at another epoch, with as many as can be given work until then."""
        self.n_workers, self.fill_s = n_workers, fill_s
        self.n_asked = self.n_told = self.n_ended = 0
        self.filled = threading.Event()

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Result]]:
        waiting, until = enumerate(jobs), time.perf_counter() + (self.fill_s or np.inf)
        busy: deque[tuple[int, Job, int, int]] = deque()  # index, job, first epoch, next epoch
        while True:
            while len(busy) < self.n_workers and (next_job := next(waiting, None)):
                first = 1 + (len(busy) % N_EPOCHS if self.fill_s and not self.filled.is_set() else 0)
                busy.append((*next_job, first, first))
                self.n_asked += 1
                if not self.filled.is_set() and time.perf_counter() > until:
                    self.n_workers = len(busy)
            self.filled.set()
            if not busy:
                return
            i, job, first, epoch = busy.popleft()
            score = float(job.config["lr"])
            goes_on = on_epoch(i, Epoch(epoch, 1.0, 0.5, 0.5, 1.0, score * epoch, 0.5, None, None, 0.1, 0.0))
            self.n_told += 1
            if goes_on and epoch < N_EPOCHS:
                busy.append((i, job, first, epoch + 1))
            else:
                self.n_ended += 1
                yield i, Finished(1 + epoch - first, score, {}, 0) if goes_on else Stopped()


def rows(rounds: int) -> Iterator[dict[str, Any]]:
    """Of the table of the benchmark; prints why one is missing."""
    yield _cost(rounds)
    with TemporaryDirectory() as folder:
        development = write_pictures(Path(folder), N_IMAGES)
        one, two, ray = Search(workers=1), Search(workers=2), Search(workers=2, executor="ray")
        yield _compare("2 local workers against 1", (two, one), development, TARGET_TWO_WORKERS, rounds)
        try:
            yield _compare("Ray against local, 2 workers each", (ray, two), development, TARGET_RAY, rounds)
        except InputError as error:
            print(f"Ray is not measured: {error}")


def scaling(cases: Iterable[Case] = CASES) -> list[dict[str, Any]]:
    """The ceiling of one coordinator, MLflow in SQLite included.

    busy: workers that were given a trial within `fill_s`, at `asked_per_s`. trials, messages: ended, and answered (one
    per epoch), within `feed_s`, trials that are asked for meanwhile included. tracked: share of the asked ones that
    MLflow has by then. feeds: workers whose epochs take 1 s or 10 s.
    """
    table = []
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as parent:
        _make_database(Path(parent))
        for k, case in enumerate(cases):
            folder = Path(parent, str(k))
            folder.mkdir()
            shutil.copy(Path(parent, "mlflow.db"), folder)
            ours, theirs = context.Pipe()
            process = context.Process(target=_search_for_a_while, args=(theirs, folder, case), daemon=True)
            process.start()
            theirs.close()
            found: dict[str, float] = ours.recv()
            process.join()
            per_s = found["messages_per_s"]
            table.append({**asdict(case), **found, "feeds_1s": int(per_s), "feeds_10s": int(10 * per_s)})
    return table


def _search_for_a_while(report: Connection, root: Path, case: Case) -> None:
    """Ends the process: a thousand open trials would take long to close."""
    trials = f"trials: {3000 + 3 * case.workers}\nparallel: {case.workers}"
    text = EXPERIMENT.replace("trials: 40", trials).replace("name: tpe", f"name: {case.sampler}")
    executor = InstantWorkers(case.workers, case.fill_s)
    experiment = _experiment(root, text)
    with (
        contextlib.redirect_stderr(io.StringIO()),  # the board
        open_study(root / "state", experiment, {}) as study,
        Tracker(root, None, StudyRun("none", "cost")) as tracker,
    ):
        run = Coordinator(study, experiment, root, executor, tracker, reproducible=case.reproducible).run
        search = threading.Thread(target=run, daemon=True)
        start = time.perf_counter()
        search.start()
        executor.filled.wait()
        fed, n_busy, n_ended, n_told = time.perf_counter(), executor.n_asked, executor.n_ended, executor.n_told
        search.join(case.feed_s)
        seconds = time.perf_counter() - fed
        found = {"busy": n_busy, "asked_per_s": n_busy / (fed - start)}
        found |= {"trials_per_s": (executor.n_ended - n_ended) / seconds}
        found |= {"messages_per_s": (executor.n_told - n_told) / seconds}
        report.send(found | {"tracked": len(tracker.run_ids()) / executor.n_asked})
        os._exit(0)


def write_pictures(folder: Path, n: int) -> Path:
    """A development folder of `n` generated pictures of 28 x 28 pixels."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (n, 28, 28, 1), dtype=np.uint8), rng.integers(0, 10, n)
    parts = np.where(np.arange(n) % 8, "train", "val")
    table = pd.DataFrame({"label": labels, "part": parts, "group": np.arange(n).astype(str)})
    info = {"classes": [str(k) for k in range(10)], "positive": [], "image_shape": [28, 28, 1]}
    write_samples(folder / "development", Samples(images, table, info))
    return folder / "development"


def _compare(
    name: str, settings: tuple[Search, Search], development: Path, target: float, rounds: int
) -> dict[str, Any]:
    """Trials per minute of equal trainings; the start of the workers is not counted."""
    seconds: tuple[list[float], list[float]] = [], []
    with open_executor(settings[0]) as ours, open_executor(settings[1]) as reference:
        for executor in (ours, reference):
            _train(executor, development, 4, 1)  # enough to start all of them
        for _ in range(rounds):
            for executor, times in zip((ours, reference), seconds, strict=True):
                start = time.perf_counter()
                _train(executor, development, N_TRAININGS, int(TRAINING["n_epochs"]))
                times.append(time.perf_counter() - start)
    speed, usual = (60 * N_TRAININGS / median(times) for times in seconds)
    return _row(name, speed, usual, "trials/min", speed / usual, target)


def _train(executor: Executor, development: Path, n: int, n_epochs: int) -> None:
    jobs = (Job({**TRAINING, "n_epochs": n_epochs}, development, seed, "accuracy") for seed in range(n))
    results = [result for _, result in executor.run(jobs, lambda i, epoch: True)]
    assert all(isinstance(result, Finished) for result in results), results


def _cost(rounds: int) -> dict[str, Any]:
    """Milliseconds per trial, MLflow in SQLite included: ours, and the usual way."""
    seconds: dict[str, list[float]] = {"ours": [], "usual": []}
    for _ in range(rounds):
        for way, search in (("ours", _our_search), ("usual", _usual_search)):
            with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # the board
                seconds[way].append(search(Path(folder)))
    ours, usual = (1000 * median(seconds[way]) for way in ("ours", "usual"))
    name = f"search, cost of a trial of {N_EPOCHS} epochs beside its training"
    return _row(name, ours, usual, "ms", usual / ours, usual / TARGET_COST_MS)


def _row(name: str, ours: float, reference: float, unit: str, ratio: float, target: float) -> dict[str, Any]:
    row = {"name": name, "ours": ours, "reference": reference, "unit": unit}
    return {**row, "ratio": ratio, "target": target, "met": ratio >= target}


def _make_database(root: Path) -> None:
    with Tracker(root, None, StudyRun("none", "warm-up")) as tracker:
        tracker.end("complete")


def _experiment(root: Path, text: str) -> Experiment:
    (root / "cost.yaml").write_text(text)
    return read_experiment(root / "cost.yaml")


def _our_search(root: Path) -> float:
    experiment = _experiment(root, EXPERIMENT)
    _make_database(root)
    start = time.perf_counter()
    with open_study(root / "state", experiment, {}) as study, Tracker(root, None, StudyRun("none", "cost")) as tracker:
        Coordinator(study, experiment, root, InstantWorkers(2), tracker).run()
    return (time.perf_counter() - start) / experiment.trials


def _usual_search(root: Path) -> float:
    import mlflow
    import optuna

    mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
    mlflow.set_experiment("usual")
    study = optuna.create_study(storage=f"sqlite:///{root / 'optuna.db'}", direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        with mlflow.start_run(nested=True):
            params: dict[str, Any] = {"model": trial.suggest_categorical("model", ["mlp", "cnn"])}
            params["lr"] = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
            params["batch_size"] = trial.suggest_categorical("batch_size", [32, 64, 128])
            mlflow.log_params(params)
            for epoch in range(1, N_EPOCHS + 1):
                values = ("train_loss", "train_accuracy", "train_macro_f1", "val_loss", "val_accuracy", "val_macro_f1")
                mlflow.log_metrics(dict.fromkeys((*values, "lr", "seconds"), 0.5), step=epoch)
                trial.report(params["lr"] * epoch, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return float(params["lr"])

    n = 40
    start = time.perf_counter()
    with mlflow.start_run():
        study.optimize(objective, n_trials=n)
    return (time.perf_counter() - start) / n

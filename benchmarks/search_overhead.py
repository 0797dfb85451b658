"""What a search costs beside its trainings, how many workers it can feed, and what a second worker brings.

usual: Optuna in SQLite with fluent MLflow. Where only the coordinator is measured, the trainings take no time; where
the executors are, they are real. Rounds alternate, so that a busy machine slows all sides.
"""

import contextlib
import io
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.samples import DatasetInfo, Samples
from pipeline.core.errors import InputError
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.job import Finished, Job, OnEpoch, Result, Stopped
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.file import read_experiment
from pipeline.search.coordinator import Coordinator
from pipeline.search.study import open_study
from pipeline.tracking.run_record import StudyRun
from pipeline.tracking.tracker import Tracker

Shape = tuple[int, int, int]  # (H, W, C)

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

TRAINING: Configuration = {"model": "cnn", "cnn.width": 16, "lr": 0.01, "batch_size": 64, "n_epochs": 2}
N_IMAGES = 6144
N_TRAININGS = 8
NO_MODEL: Any = None  # nobody reads the description

SAMPLERS = ("random", "tpe")
SIZES = ((1, 200), (10, 200), (100, 400), (1000, 2000))  # workers side by side, trials of N_EPOCHS each


class InstantWorkers:
    """Workers whose trainings take no time: they say their epochs in turn."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers, self.n_messages = n_workers, 0

    def run(self, jobs: Iterable[Job], on_epoch: OnEpoch) -> Iterator[tuple[int, Result]]:
        waiting = enumerate(jobs)
        busy: deque[tuple[int, Job, int]] = deque()  # index, job, next epoch
        while True:
            while len(busy) < self.n_workers and (next_job := next(waiting, None)):
                busy.append((*next_job, 1))
            if not busy:
                return
            i, job, epoch = busy.popleft()
            score = float(job.config["lr"])
            goes_on = on_epoch(i, Epoch(epoch, 1.0, 0.5, 0.5, 1.0, score * epoch, 0.5, None, None, 0.1, 0.0))
            self.n_messages += 1
            if goes_on and epoch < N_EPOCHS:
                busy.append((i, job, epoch + 1))
            else:
                yield i, Finished(epoch, score, NO_MODEL, 0) if goes_on else Stopped()


def rows(rounds: int) -> Iterator[dict[str, Any]]:
    """Of the table of the benchmark; prints why one is missing."""
    yield _cost(rounds)
    with TemporaryDirectory() as folder:
        development = write_pictures(Path(folder), N_IMAGES)
        one, two, ray = SearchSettings(workers=1), SearchSettings(workers=2), SearchSettings(workers=2, executor="ray")
        yield _compare("2 local workers against 1", (two, one), development, TARGET_TWO_WORKERS, rounds)
        try:
            yield _compare("Ray against local, 2 workers each", (ray, two), development, TARGET_RAY, rounds)
        except InputError as error:
            print(f"Ray is not measured: {error}")


def scaling(sizes: Iterable[tuple[int, int]] = SIZES) -> Iterator[dict[str, Any]]:
    """The ceiling of one coordinator: trials, and messages (one per epoch) per second of a whole search.

    written_s: what MLflow in SQLite, written behind, takes in the end. feeds: workers whose epochs take 1 s or 10 s.
    """
    for sampler in SAMPLERS:
        for size in sizes:
            yield _ceiling(sampler, *size)


def _ceiling(sampler: str, workers: int, trials: int) -> dict[str, Any]:
    text = EXPERIMENT.replace("trials: 40", f"trials: {trials}\nparallel: {workers}")
    executor = InstantWorkers(workers)
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # the progress
        root = Path(folder)
        experiment = _experiment(root, text.replace("name: tpe", f"name: {sampler}"))
        _make_database(root)
        with open_study(root / "state", experiment, {}) as study:
            with Tracker(root, None, StudyRun("none", "cost")) as tracker:
                start = time.perf_counter()
                Coordinator(study, experiment, executor, tracker).run(root)
                seconds = time.perf_counter() - start
            written_s = time.perf_counter() - start - seconds
    per_s = executor.n_messages / seconds
    rates = {"trials_per_s": trials / seconds, "messages_per_s": per_s, "written_s": written_s}
    return {"sampler": sampler, "workers": workers, "trials": trials, **rates,
            "feeds_1s": int(per_s), "feeds_10s": int(10 * per_s)}  # fmt: skip


def generated(n_train: int, n_val: int, shape: Shape) -> Samples:
    """Pictures of noise, of ten classes at random."""
    rng, n = np.random.default_rng(0), n_train + n_val
    images, labels = rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, 10, n)
    parts = np.where(np.arange(n) < n_train, "train", "val")
    table = pd.DataFrame({"label": labels, "part": parts, "group": np.arange(n).astype(str)})
    texts = dict.fromkeys(("name", "terms", "citation", "source_url"), "generated")
    info = DatasetInfo(
        classes=[str(k) for k in range(10)], positive=[], positive_meaning=None, medical=False, image_shape=shape,
        counts={}, digests={}, image_px=shape[0], near_duplicate_bits=None, hash_size=8, **texts,
    )  # fmt: skip
    return Samples(images, table, info)


def write_pictures(folder: Path, n: int, shape: Shape = (28, 28, 1)) -> Path:
    """A development folder of `n` generated pictures, the last eighth of them for `val`."""
    generated(n - n // 8, n // 8, shape).write(folder / "development")
    return folder / "development"


def _compare(
    name: str, settings: tuple[SearchSettings, SearchSettings], development: Path, target: float, rounds: int
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
    return at_least(name, speed, usual, "trials/min", target)


def _train(executor: Executor, development: Path, n: int, n_epochs: int) -> None:
    jobs = (Job({**TRAINING, "n_epochs": n_epochs}, development, seed, "accuracy") for seed in range(n))
    results = [result for _, result in executor.run(jobs, lambda i, epoch: True)]
    assert all(isinstance(result, Finished) for result in results), results


def _cost(rounds: int) -> dict[str, Any]:
    """Milliseconds per trial, MLflow in SQLite included: ours, and the usual way."""
    seconds: dict[str, list[float]] = {"ours": [], "usual": []}
    for _ in range(rounds):
        for way, search in (("ours", _our_search), ("usual", _usual_search)):
            with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # the progress
                seconds[way].append(search(Path(folder)))
    ours, usual = (1000 * median(seconds[way]) for way in ("ours", "usual"))
    name = f"search, cost of a trial of {N_EPOCHS} epochs beside its training"
    return at_most(name, ours, usual, "ms", TARGET_COST_MS / usual)


def at_least(name: str, ours: float, reference: float, unit: str, target: float) -> dict[str, Any]:
    """A row whose ratio, ours / reference, is to reach the target."""
    ratio = ours / reference
    row = {"name": name, "ours": ours, "reference": reference, "unit": unit}
    return {**row, "ratio": ratio, "aim": "at least", "target": target, "met": ratio >= target}


def at_most(name: str, ours: float, reference: float, unit: str, target: float) -> dict[str, Any]:
    """A row whose ratio is to stay below the target: less is better."""
    row = at_least(name, ours, reference, unit, target)
    return {**row, "aim": "at most", "met": row["ratio"] <= target}


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
        Coordinator(study, experiment, InstantWorkers(2), tracker).run(root)
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

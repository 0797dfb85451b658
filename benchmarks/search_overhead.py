"""The cost of a search besides its trainings, the speed-up by a second worker, and the limits of one coordinator.

Where only the coordinator is measured, trainings take no time; where executors are compared, trainings are real.
"""

import contextlib
import io
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.generated import write_development
from benchmarks.measurement import Row, median_seconds, seconds_of
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import InputError
from pipeline.execution.executor import Executor, open_executor
from pipeline.execution.job import Finished, Job, OnEpoch, Result, Stopped
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.reader import read_experiment
from pipeline.search.coordinator import Coordinator
from pipeline.search.cost_limit import IsAffordable
from pipeline.search.study import open_study
from pipeline.tracking.run_record import StudyRun
from pipeline.tracking.tracker import Tracker

N_EPOCHS, N_TRIALS = 10, 40
EXPERIMENT = f"""
question: What does a search cost besides its trainings?
dataset: none
objective: accuracy
trials: {N_TRIALS}
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
SIZES = ((1, 200), (10, 200), (100, 400), (1000, 2000))  # parallel workers, trials of N_EPOCHS each


class InstantWorkers:
    """Workers whose trainings take no time and report their epochs in turn."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self.n_messages = 0

    def run(self, jobs: Iterable[Job], on_epoch: OnEpoch) -> Iterator[tuple[int, Result]]:
        """Yield (index, result) of each job; its score is its learning rate."""
        waiting = enumerate(jobs)
        busy: deque[tuple[int, Job, int]] = deque()  # index, job, next epoch
        while True:
            while len(busy) < self.n_workers and (next_job := next(waiting, None)):
                busy.append((*next_job, 1))
            if not busy:
                return
            i, job, epoch = busy.popleft()
            score = float(job.config["lr"])
            may_continue = on_epoch(i, Epoch(epoch, 1.0, 0.5, 0.5, 1.0, score * epoch, 0.5, None, None, 0.1, 0.0))
            self.n_messages += 1
            if may_continue and epoch < N_EPOCHS:
                busy.append((i, job, epoch + 1))
            else:
                yield i, Finished(epoch, score, NO_MODEL, 0) if may_continue else Stopped()


@contextlib.contextmanager
def temporary_root() -> Iterator[Path]:
    """Yield a folder; standard error, and with it the progress, is hidden."""
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        yield Path(folder)


@contextlib.contextmanager
def new_study(
    root: Path, experiment: Experiment, executor: Executor, is_affordable: IsAffordable = lambda config: True
) -> Iterator[Coordinator]:
    """Yield the coordinator of a new study; MLflow is written when the block ends."""
    tracker = Tracker(root, None, StudyRun(experiment.dataset, experiment.name))
    with open_study(root / "state", experiment, {}) as study, tracker:
        yield Coordinator(study, experiment, executor, tracker, is_affordable)


@dataclass(frozen=True)
class Ceiling:
    """What one coordinator manages if trainings take no time; each epoch is a message."""

    sampler: str
    workers: int
    trials: int
    trials_per_s: float
    messages_per_s: float
    written_s: float  # after the search, until MLflow in SQLite has everything: it is written in the background
    feeds_1s: int  # workers whose epochs take 1 s
    feeds_10s: int


def rows(rounds: int) -> Iterator[Row]:
    """Yield the cost of a trial and the comparisons of executors; if Ray is not installed, print so."""
    yield _cost(rounds)
    one, two, ray = SearchSettings(workers=1), SearchSettings(workers=2), SearchSettings(workers=2, executor="ray")
    with TemporaryDirectory() as folder:
        compare = partial(_compare, development=write_development(Path(folder), N_IMAGES), rounds=rounds)
        yield compare("2 local workers against 1", (two, one), target=TARGET_TWO_WORKERS)
        try:
            yield compare("Ray against local, 2 workers each", (ray, two), target=TARGET_RAY)
        except InputError as error:
            print(f"Ray is not measured: {error}")


def scaling(sizes: Iterable[tuple[int, int]] = SIZES) -> Iterator[Ceiling]:
    """Yield the ceiling of one coordinator for each sampler and size."""
    for sampler in SAMPLERS:
        for workers, trials in sizes:
            yield _ceiling(sampler, workers, trials)


def _ceiling(sampler: str, workers: int, trials: int) -> Ceiling:
    text = EXPERIMENT.replace(f"trials: {N_TRIALS}", f"trials: {trials}\nparallel: {workers}")
    executor = InstantWorkers(workers)
    with temporary_root() as root:
        experiment = _prepare(root, text.replace("name: tpe", f"name: {sampler}"))
        with new_study(root, experiment, executor) as coordinator:
            start = time.perf_counter()
            coordinator.run(root)
            seconds = time.perf_counter() - start
        written_s = time.perf_counter() - start - seconds
    per_s = executor.n_messages / seconds
    return Ceiling(sampler, workers, trials, trials / seconds, per_s, written_s, int(per_s), int(10 * per_s))


def _compare(
    name: str, settings: tuple[SearchSettings, SearchSettings], *, target: float, development: Path, rounds: int
) -> Row:
    """Return the row of equal trainings on two executors; the start of the workers is not counted."""
    with open_executor(settings[0]) as ours, open_executor(settings[1]) as reference:
        for executor in (ours, reference):
            _train(executor, development, n=4, n_epochs=1)  # enough to start all of them
        train = partial(_train, development=development, n=N_TRAININGS, n_epochs=int(TRAINING["n_epochs"]))
        ways = {"ours": partial(train, ours), "reference": partial(train, reference)}
        seconds = median_seconds({key: partial(seconds_of, way) for key, way in ways.items()}, rounds)
    per_min = {key: 60 * N_TRAININGS / s for key, s in seconds.items()}
    usual = per_min["reference"]
    return Row(name, per_min["ours"], reference=usual, unit="trials/min", aim="at least", target=target)


def _train(executor: Executor, development: Path, *, n: int, n_epochs: int) -> None:
    jobs = (Job({**TRAINING, "n_epochs": n_epochs}, development, seed, "accuracy") for seed in range(n))
    results = [result for _, result in executor.run(jobs, lambda i, epoch: True)]
    assert all(isinstance(result, Finished) for result in results), results


def _cost(rounds: int) -> Row:
    """Return the cost of a trial, MLflow in SQLite included, of our search and of the usual way."""
    seconds = median_seconds({"ours": _our_search, "usual": _usual_search}, rounds)
    name = f"search, cost of a trial of {N_EPOCHS} epochs besides its training"
    ours, usual = 1000 * seconds["ours"], 1000 * seconds["usual"]
    return Row(name, ours, reference=usual, unit="ms", aim="at most", target=TARGET_COST_MS / usual)


def _prepare(root: Path, text: str) -> Experiment:
    """Create the database of MLflow, and return the experiment of the text."""
    with Tracker(root, None, StudyRun("none", "warm-up")) as tracker:
        tracker.end("complete")
    (root / "cost.yaml").write_text(text)
    return read_experiment(root / "cost.yaml")


def _our_search() -> float:
    """Return the seconds per trial."""
    with temporary_root() as root:
        experiment = _prepare(root, EXPERIMENT)
        start = time.perf_counter()
        with new_study(root, experiment, InstantWorkers(2)) as coordinator:
            coordinator.run(root)
        return (time.perf_counter() - start) / N_TRIALS


def _usual_search() -> float:
    """Return the seconds per trial of Optuna in SQLite, logging to MLflow in each epoch."""
    import mlflow
    import optuna

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

    with temporary_root() as root:
        mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
        mlflow.set_experiment("usual")
        study = optuna.create_study(storage=f"sqlite:///{root / 'optuna.db'}", direction="maximize")
        start = time.perf_counter()
        with mlflow.start_run():
            study.optimize(objective, n_trials=N_TRIALS)
        return (time.perf_counter() - start) / N_TRIALS

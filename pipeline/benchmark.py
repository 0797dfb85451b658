"""Images per second of the training loop, beside the usual way and beside the bound, in one run.

usual: a DataLoader with 2 workers, PIL -> ToTensor -> Normalize, float32, as the practicals train.
bound: the same network and precision, stepping on one batch that is already there.
The pictures are generated, so the benchmark needs no data set; rounds alternate, so that a busy machine slows all.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from pipeline.batches import normalise
from pipeline.config import Flat
from pipeline.data import Samples
from pipeline.experiment import read_experiment
from pipeline.files import write_json
from pipeline.jobs import Finished, Job, Result, Stopped
from pipeline.lineage import hardware
from pipeline.search import Coordinator
from pipeline.studies import open_study
from pipeline.tracking import StudyRun, Tracker
from pipeline.training import Epoch, Trainer
from pipeline.workers import Answer

ROUNDS = 3
MNIST: Flat = {"model": "cnn", "cnn.width": 16, "batch_size": 1024}
LENET: Flat = {"model": "lenet", "batch_size": 64}
TASKS: dict[str, tuple[Flat, tuple[int, int, int], int, float]] = {  # configuration, (H, W, C), images, target (usual)
    "MNIST 16-32 CNN, batch 1024": (MNIST, (28, 28, 1), 16_384, 4.0),
    "CIFAR-10 LeNet, batch 64": (LENET, (32, 32, 3), 8_192, 3.0),
}
TARGET_BOUND = 0.95


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """One PIL image at a time, as torchvision's data sets give them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        c = images.shape[-1]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * c, [0.25] * c)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        picture = self.images[i][..., 0] if self.images.shape[-1] == 1 else self.images[i]
        return self.transform(Image.fromarray(picture)), int(self.labels[i])


def run(out: Path) -> None:
    """Prints the table and writes it to `out`."""
    rows = [row for name, task in TASKS.items() for row in _measure(name, *task)]
    rows.append(_search_cost())
    machine = hardware()
    write_json(out, {"machine": machine, "date": date.today().isoformat(), "rows": rows})
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; median of {ROUNDS} rounds")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))


def _measure(name: str, config: Flat, shape: tuple[int, int, int], n: int, target: float) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, 10, n)
    parts = np.where(np.arange(n) < n - 64, "train", "val")
    table = pd.DataFrame({"label": labels, "part": parts, "group": np.arange(n).astype(str)})
    samples = Samples(images, table, {"classes": [str(k) for k in range(10)], "positive": [], "digest": ""})
    settings: Flat = {"optimizer": "sgd", "lr": 0.01, "n_epochs": 1, "precision": "bfloat16"}
    plain: Flat = {"precision": "float32"}
    ways: dict[str, Callable[[], None]] = {
        "ours": lambda: _ours(Trainer({**config, **settings}, samples, seed=1)),
        "bound": lambda: _bound(Trainer({**config, **settings}, samples, seed=1)),
        "usual": lambda: _usual(Trainer({**config, **settings, **plain}, samples, seed=1), images, labels),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(ROUNDS + 1):
        for way, train in ways.items():
            start = time.perf_counter()
            train()
            if round_:  # the first is a warm-up
                seconds[way].append(time.perf_counter() - start)
    speed = {way: n / median(times) for way, times in seconds.items()}
    for reference, aim in (("usual", target), ("bound", TARGET_BOUND)):
        ratio = speed["ours"] / speed[reference]
        yield {
            "name": f"{name}, against the {reference}",
            "ours": speed["ours"],
            "reference": speed[reference],
            "unit": "images/s",
            "ratio": ratio,
            "target": aim,
            "met": ratio >= aim,
        }


def _ours(trainer: Trainer) -> None:
    next(trainer.epochs())


def _bound(trainer: Trainer) -> None:
    batch = normalise(trainer.images[: trainer.config.batch_size].permute(0, 3, 1, 2), trainer.description)
    labels = trainer.labels[: trainer.config.batch_size]
    for _ in range(trainer.n_steps):
        _step(trainer, batch, labels)


def _usual(trainer: Trainer, images: np.ndarray, labels: np.ndarray) -> None:
    trainer.model.to(memory_format=torch.contiguous_format)
    for batch, label in DataLoader(Pictures(images, labels), trainer.config.batch_size, shuffle=True, num_workers=2):
        _step(trainer, batch, label)


def _step(trainer: Trainer, batch: torch.Tensor, labels: torch.Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=trainer.config.precision == "bfloat16"):
        logits = trainer.model(batch)
    loss = torch.nn.functional.cross_entropy(logits.float(), labels)
    trainer.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    trainer.optimizer.step()


EXPERIMENT = """
question: What does a search cost beside its trainings?
dataset: none
objective: accuracy
trials: 40
sampler: {name: tpe}
pruner: {name: median}
fixed: {n_epochs: 10}
baseline: {model: mlp, lr: 0.001, batch_size: 64}
space: {model: [mlp, cnn], lr: {low: 0.0001, high: 0.1, log: true}, batch_size: [32, 64, 128]}
"""


class _Instant:
    """Workers whose trainings take no time."""

    def run(self, jobs: Iterable[Job], on_epoch: Answer) -> Iterator[tuple[int, Result]]:
        for i, job in enumerate(jobs):
            score, epoch, n = float(job.config["lr"]), 0, int(job.config["n_epochs"])
            goes_on = True
            while goes_on and epoch < n:
                epoch += 1
                goes_on = on_epoch(i, Epoch(epoch, 1.0, 0.5, 0.5, 1.0, score * epoch, 0.5, None, None, 0.1, 0.0))
            yield i, Finished(epoch, score, {}, 0) if goes_on else Stopped()


def _search_cost() -> dict[str, Any]:
    """Milliseconds per trial of 10 epochs, MLflow in SQLite included: ours, and Optuna in SQLite with fluent MLflow."""
    seconds: dict[str, list[float]] = {"ours": [], "usual": []}
    for _ in range(ROUNDS):
        for way, search in (("ours", _our_search), ("usual", _usual_search)):
            with TemporaryDirectory() as folder:
                seconds[way].append(search(Path(folder)))
    ours, usual = (1000 * median(seconds[way]) for way in ("ours", "usual"))
    target = 30 + 10 * 1  # ms per trial, ms per epoch
    return {
        "name": "search, cost of a trial of 10 epochs beside its training",
        "ours": ours,
        "reference": usual,
        "unit": "ms",
        "ratio": usual / ours,
        "target": usual / target,
        "met": ours <= target,
    }


def _our_search(root: Path) -> float:
    (root / "cost.yaml").write_text(EXPERIMENT)
    experiment = read_experiment(root / "cost.yaml")
    with Tracker(root, None, StudyRun("none", "warm-up")) as tracker:  # makes the database
        tracker.end("complete")
    start = time.perf_counter()
    with open_study(root / "state", experiment, {}) as study, Tracker(root, None, StudyRun("none", "cost")) as tracker:
        Coordinator(study, experiment, root, _Instant(), tracker).run()
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
            for epoch in range(1, 11):
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


if __name__ == "__main__":
    run(Path("reports/benchmark.json"))

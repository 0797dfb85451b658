"""Images per second of the training loop, beside the usual way and beside the bound; then the search.

usual: a DataLoader with 2 workers, PIL -> ToTensor -> Normalize, float32, as the practicals train.
bound: the same network and precision, stepping on one batch that is already there.
The pictures are generated, so the benchmark needs no data set; rounds alternate, so that a busy machine slows all.
"""

import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from pipeline import search_benchmark
from pipeline.config import Flat
from pipeline.data import Samples
from pipeline.files import write_json
from pipeline.lineage import hardware
from pipeline.training import Trainer

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
    measured = chain(
        (row for name, task in TASKS.items() for row in _measure(name, *task)), search_benchmark.rows(ROUNDS)
    )
    rows = [_shown(row, row["name"], row["ratio"]) for row in measured]
    scaling = [_shown(row, row["sampler"], row["workers"]) for row in search_benchmark.scaling()]
    machine = hardware()
    write_json(out, {"machine": machine, "date": date.today().isoformat(), "rows": rows, "scaling": scaling})
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; median of {ROUNDS} rounds")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))
    print("\nOne coordinator whose trainings take no time (feeds: workers whose epochs take 1 s or 10 s)")
    print(pd.DataFrame(scaling).to_string(index=False, float_format="%.2f"))


def _shown(row: dict[str, Any], name: str, number: float) -> dict[str, Any]:
    """Says that a row is there: all of them take a while."""
    print(f"{name}: {number:.4g}", flush=True)
    return row


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
    batch = trainer.normalise(trainer.images[: trainer.config.batch_size])
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


if __name__ == "__main__":
    run(Path("reports/benchmark.json"))

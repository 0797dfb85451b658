"""Images per second: of the training loop, beside the usual way and beside the bound; and of `prepare`.

usual: a DataLoader with 2 workers, PIL -> ToTensor -> Normalize, float32, as the practicals train.
bound: the same network and precision, stepping on one batch that is already there.
The pictures are generated; rounds alternate, so that a busy machine slows all. What a pass starts from is not timed.
Ours and the bound run in this process, made ready as a worker of a search is. The usual way has a process of its own,
started afresh: it keeps no freed memory, and no pass of ours pays for pages shared with its forked workers.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.search_overhead import Shape, at_least, generated
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.datasets.decoding import DecodedImage
from pipeline.datasets.preparation import decode_records
from pipeline.datasets.registry import RawImage, find_spec
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer

MakeReady = Callable[[], Callable[[], object]]  # what it returns is timed
Way = Callable[[], float]  # seconds of a pass

TARGET_BOUND = 0.95
TARGET_PREPARE = 2000  # images/s
N_VAL = 8  # ours checks them, the others do not
PREPARED_PX = 64


@dataclass(frozen=True)
class Task:
    name: str
    config: Configuration
    shape: Shape
    n: int  # images of a pass, a multiple of the batch
    target: float  # ours / usual


TASKS = (
    Task("MNIST 16-32 CNN, batch 1024", {"model": "cnn", "cnn.width": 16, "batch_size": 1024}, (28, 28, 1), 49_152, 4),
    Task("CIFAR-10 LeNet, batch 64", {"model": "lenet", "batch_size": 64}, (32, 32, 3), 24_576, 3),
    Task(
        "CIFAR-10 whitened_cnn, batch 256",
        {
            "model": "whitened_cnn",
            "batch_size": 256,
            "flip": "alternating",
            "shift": 0.0625,
        },  # the usual way has neither
        (32, 32, 3),
        2_560,
        3,
    ),
)

MRI: Configuration = {
    "model": "cnn",
    "cnn.depth": 2,
    "cnn.width": 16,
    "cnn.kernel": 3,
    "cnn.hidden": 64,
    "batch_size": 32,
}
MRI_SIZES: dict[str, tuple[Shape, float]] = {  # ours in memory -> shape, target (usual, at USUAL_PX)
    "256 px RGB": ((256, 256, 3), 2.5),
    "128 px grey": ((128, 128, 1), 15),
}
USUAL_PX, JPEG_PX = 256, 512
N_JPEGS, N_PASSES = 160, 10  # each file is read ten times, so that the start of a pass hardly counts


def rows(rounds: int, raw: Path) -> Iterator[dict[str, Any]]:
    """raw: data/raw/brain_mri, which need not be there."""
    prepare_process(torch.get_num_threads())
    for task in TASKS:
        yield from training(task, rounds)
    with TemporaryDirectory() as folder:
        jpegs = write_jpegs(Path(folder), N_JPEGS, JPEG_PX)
        yield from mri_training(jpegs, rounds)
        yield preparing(raw, jpegs, rounds)


def training(task: Task, rounds: int) -> Iterator[dict[str, Any]]:
    samples = generated(task.n, N_VAL, task.shape)
    with _usual(task.config, samples, Pictures(*samples.part("train"))) as usual:
        ways = {"ours": _ours(task.config, samples), "bound": _bound(task.config, samples), "usual": usual}
        speed = speeds(ways, task.n, rounds)
    for reference, target in (("usual", task.target), ("bound", TARGET_BOUND)):
        yield at_least(f"{task.name}, against the {reference}", speed["ours"], speed[reference], "images/s", target)


def mri_training(jpegs: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """The practical's two convolutions. The usual way reads RGB files from disk, and resizes them to USUAL_PX."""
    files = ImageFolder(jpegs, _transform(3, transforms.Resize(USUAL_PX)))
    n = N_PASSES * len(files)
    samples = {name: generated(n, N_VAL, shape) for name, (shape, _) in MRI_SIZES.items()}
    of_usual = generated(int(MRI["batch_size"]), N_VAL, (USUAL_PX, USUAL_PX, 3))
    with _usual(MRI, of_usual, ConcatDataset([files] * N_PASSES)) as usual:
        ways = {"usual": usual}
        for name in MRI_SIZES:
            ways |= {f"ours {name}": _ours(MRI, samples[name]), f"bound {name}": _bound(MRI, samples[name])}
        speed = speeds(ways, n, rounds)
    for name, (_, target) in MRI_SIZES.items():
        title, ours = f"MRI 2 convolutions, batch 32, {name}", speed[f"ours {name}"]
        yield at_least(f"{title}, against the usual", ours, speed["usual"], "images/s", target)
        yield at_least(f"{title}, against the bound", ours, speed[f"bound {name}"], "images/s", TARGET_BOUND)


def preparing(raw: Path, jpegs: Path, rounds: int) -> dict[str, Any]:
    """Decoding and resizing as the stage does it; of the published files where they are there, else of `jpegs`."""
    published = find_spec("brain_mri").published
    if all((raw / file.name).is_file() for file in published.files):
        records, source = list(published.read(raw)), "files of brain_mri"
    else:
        paths = sorted(jpegs.rglob("*.jpg"))
        records = [RawImage(path.name, "", 0, "", path.read_bytes()) for path in paths] * N_PASSES
        source = f"generated {JPEG_PX} px JPEG"

    def decode() -> None:
        pictures = [picture for _, picture in decode_records(records, PREPARED_PX)]
        assert all(isinstance(picture, DecodedImage) for picture in pictures)

    ours = speeds({"ours": partial(_timed, lambda: decode)}, len(records), rounds)["ours"]
    return at_least(f"prepare, {source} to {PREPARED_PX} px", ours, TARGET_PREPARE, "images/s", 1)


def speeds(ways: Mapping[str, Way], n: int, rounds: int) -> dict[str, float]:
    """Images per second of passes over `n` images, median of the rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            took = way()
            if round_:  # the first is a warm-up
                seconds[name].append(took)
    return {name: n / median(times) for name, times in seconds.items()}


def write_jpegs(folder: Path, n: int, px: int) -> Path:
    """Smooth random RGB pictures in two class folders."""
    rng = np.random.default_rng(0)
    for name in ("healthy", "tumor"):
        (folder / name).mkdir()
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        picture = coarse.resize((px, px), Image.Resampling.BICUBIC)
        picture.save(folder / ("healthy", "tumor")[i % 2] / f"{i:04d}.jpg", quality=90)
    return folder


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """One PIL image at a time, as torchvision's data sets give them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.transform = _transform(images.shape[-1])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        picture = self.images[i][..., 0] if self.images.shape[-1] == 1 else self.images[i]
        return self.transform(Image.fromarray(picture)), int(self.labels[i])


def _transform(n_channels: int, *before: Callable[..., Any]) -> Callable[[Image.Image], torch.Tensor]:
    normalise = transforms.Normalize([0.5] * n_channels, [0.25] * n_channels)
    steps: Callable[[Image.Image], torch.Tensor] = transforms.Compose([*before, transforms.ToTensor(), normalise])
    return steps


def _trainer(config: Configuration, samples: Samples, precision: str) -> Trainer:
    settings: Configuration = {"optimizer": "sgd", "lr": 0.01, "n_epochs": 1, "precision": precision}
    return Trainer({**settings, **config}, samples, seed=1)


def _timed(make_ready: MakeReady) -> float:
    run = make_ready()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _ours(config: Configuration, samples: Samples) -> Way:
    return partial(_timed, lambda: partial(list, _trainer(config, samples, "bfloat16").epochs()))


def _bound(config: Configuration, samples: Samples) -> Way:
    def make_ready() -> Callable[[], None]:
        trainer = _trainer(config, samples, "bfloat16")
        batch = trainer.batches.normalise(trainer.batches.images[: trainer.config.batch_size])
        labels = trainer.batches.labels[: trainer.config.batch_size]

        def run() -> None:
            for _ in range(trainer.batches.n_steps):
                _step(trainer, batch, labels)

        return run

    return partial(_timed, make_ready)


@contextmanager
def _usual(config: Configuration, samples: Samples, pictures: Dataset[tuple[torch.Tensor, int]]) -> Iterator[Way]:
    """samples: of the shape of the pictures."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield lambda: process.submit(_timed, partial(_make_usual, config, samples, pictures)).result()


def _make_usual(
    config: Configuration, samples: Samples, pictures: Dataset[tuple[torch.Tensor, int]]
) -> Callable[[], None]:
    trainer = _trainer(config, samples, "float32")
    trainer.model.to(memory_format=torch.contiguous_format)
    size = trainer.config.batch_size
    # by default they would be started afresh as this process was, and each import torch
    loader = DataLoader(pictures, size, shuffle=True, num_workers=2, multiprocessing_context="fork")

    def run() -> None:
        for batch, labels in loader:
            _step(trainer, batch, labels)

    return run


def _step(trainer: Trainer, batch: torch.Tensor, labels: torch.Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=trainer.config.precision == "bfloat16"):
        logits = trainer.model(batch)
    loss = torch.nn.functional.cross_entropy(logits.float(), labels)
    trainer.learner.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    trainer.learner.optimizer.step()

"""Images per second: training compared with the usual way and with an upper bound, and decoding in `prepare`.

usual: a DataLoader with 2 workers, PIL -> ToTensor -> Normalize, float32, as in the practicals.
bound: the same network and precision as ours, on one batch that is already in memory.

The images are generated; setting up a pass is not timed. Ours and the bound run in this process, prepared as a worker
of a search is. The usual way has a spawned process of its own: it keeps no freed memory, and our passes do not pay for
pages shared with its forked workers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.generated import Shape, generated
from benchmarks.measurement import Row, Way, median_seconds, seconds_of
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.datasets.decoding import DecodedImage
from pipeline.datasets.description import ImageSettings, read_dataset
from pipeline.datasets.preparation import decode_all
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Where
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer

Pass = Callable[[], object]
ImageDataset = Dataset[tuple[torch.Tensor, int]]

TARGET_BOUND = 0.95
TARGET_PREPARE = 2000  # images/s
N_VAL = 8  # only ours validates
PREPARED_PX = 64


@dataclass(frozen=True)
class Task:
    """A training that is compared with the usual way."""

    name: str
    config: Configuration
    shape: Shape
    n: int  # images of a pass, a multiple of the batch
    target: float  # ours / usual


# the usual way neither flips nor shifts
WHITENED: Configuration = {"model": "whitened_cnn", "batch_size": 256, "flip": "alternating", "shift": 0.0625}
TASKS = (
    Task("MNIST 16-32 CNN, batch 1024", {"model": "cnn", "cnn.width": 16, "batch_size": 1024}, (28, 28, 1), 49_152, 4),
    Task("CIFAR-10 LeNet, batch 64", {"model": "lenet", "batch_size": 64}, (32, 32, 3), 24_576, 3),
    Task("CIFAR-10 whitened_cnn, batch 256", WHITENED, (32, 32, 3), 2_560, 3),
)

MRI: Configuration = {
    "model": "cnn",
    "cnn.depth": 2,
    "cnn.width": 16,
    "cnn.kernel": 3,
    "cnn.hidden": 64,
    "batch_size": 32,
}
MRI_SIZES: dict[str, tuple[Shape, float]] = {  # ours, in memory -> shape, target against the usual way at USUAL_PX
    "256 px RGB": ((256, 256, 3), 2.5),
    "128 px grey": ((128, 128, 1), 15),
}
USUAL_PX, JPEG_PX = 256, 512
N_JPEGS, N_PASSES = 160, 10  # each file is read ten times, so that the start of a pass hardly counts


def rows(rounds: int, raw: Path) -> Iterator[Row]:
    """Yield all rows. raw: data/raw/brain_mri, which may be missing."""
    prepare_process(torch.get_num_threads())
    for task in TASKS:
        yield from training(task, rounds)
    with TemporaryDirectory() as folder:
        jpegs = write_jpegs(Path(folder), N_JPEGS, JPEG_PX)
        yield from mri_training(jpegs, rounds)
        yield preparing(raw, jpegs, rounds)


def training(task: Task, rounds: int) -> Iterator[Row]:
    """Yield the comparisons of a task with the usual way and with the bound."""
    samples = generated(task.n, N_VAL, task.shape)
    images, labels = samples.part("train")
    with _usual_way(task.config, samples, SingleImages(images[:], labels)) as usual:
        ways: dict[str, Way] = {"usual": usual}
        ways["ours"] = partial(_timed, _ours, task.config, samples)
        ways["bound"] = partial(_timed, _bound, task.config, samples)
        speed = speeds(ways, task.n, rounds)
    yield _row(f"{task.name}, against the usual", speed["ours"], speed["usual"], task.target)
    yield _row(f"{task.name}, against the bound", speed["ours"], speed["bound"], TARGET_BOUND)


def mri_training(jpegs: Path, rounds: int) -> Iterator[Row]:
    """Yield the comparisons for the practical's two convolutions.

    The usual way reads RGB files from disk and resizes them to USUAL_PX.
    """
    files = ImageFolder(jpegs, _transform(3, transforms.Resize(USUAL_PX)))
    n = N_PASSES * len(files)
    usual_samples = generated(int(MRI["batch_size"]), N_VAL, (USUAL_PX, USUAL_PX, 3))
    with _usual_way(MRI, usual_samples, ConcatDataset([files] * N_PASSES)) as usual:
        ways: dict[str, Way] = {"usual": usual}
        for size, (shape, _) in MRI_SIZES.items():
            samples = generated(n, N_VAL, shape)
            ways[f"ours {size}"] = partial(_timed, _ours, MRI, samples)
            ways[f"bound {size}"] = partial(_timed, _bound, MRI, samples)
        speed = speeds(ways, n, rounds)
    for size, (_, target) in MRI_SIZES.items():
        name = f"MRI 2 convolutions, batch 32, {size}"
        ours = speed[f"ours {size}"]
        yield _row(f"{name}, against the usual", ours, speed["usual"], target)
        yield _row(f"{name}, against the bound", ours, speed[f"bound {size}"], TARGET_BOUND)


def preparing(raw: Path, jpegs: Path, rounds: int) -> Row:
    """Return the speed of decoding and resizing: of the published files if they are there, otherwise of `jpegs`."""
    dataset = read_dataset(Path(), "brain_mri")
    if all((raw / file.name).is_file() for file in dataset.source.files()):
        records = list(dataset.source.read(Where(Path(), raw), dataset.spelled))
        source = "files of brain_mri"
    else:
        paths = sorted(jpegs.rglob("*.jpg"))
        records = [RawImage(path.name, "", 0, "", path.read_bytes()) for path in paths] * N_PASSES
        source = f"generated {JPEG_PX} px JPEG"

    def decode() -> None:
        images = [image for _, image in decode_all(records, ImageSettings(px=PREPARED_PX, channels=1))]
        assert all(isinstance(image, DecodedImage) for image in images)

    speed = speeds({"ours": partial(seconds_of, decode)}, len(records), rounds)
    return _row(f"prepare, {source} to {PREPARED_PX} px", speed["ours"], TARGET_PREPARE, 1)


def _row(name: str, ours: float, reference: float, target: float) -> Row:
    return Row(name, ours, reference=reference, unit="images/s", aim="at least", target=target)


def speeds(ways: Mapping[str, Way], n: int, rounds: int) -> dict[str, float]:
    """Return images per second of passes over `n` images, after a first pass that is not counted."""
    for way in ways.values():
        way()
    return {name: n / seconds for name, seconds in median_seconds(ways, rounds).items()}


def write_jpegs(folder: Path, n: int, px: int) -> Path:
    """Write smooth random RGB images into two class folders."""
    rng = np.random.default_rng(0)
    classes = ("healthy", "tumor")
    for name in classes:
        (folder / name).mkdir()
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        image = coarse.resize((px, px), Image.Resampling.BICUBIC)
        image.save(folder / classes[i % 2] / f"{i:04d}.jpg", quality=90)
    return folder


class SingleImages(ImageDataset):
    """One PIL image at a time, as torchvision's data sets return them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.transform = _transform(images.shape[-1])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        image = self.images[i][..., 0] if self.images.shape[-1] == 1 else self.images[i]
        return self.transform(Image.fromarray(image)), int(self.labels[i])


def _transform(n_channels: int, *first: Callable[..., Any]) -> Callable[[Image.Image], torch.Tensor]:
    normalise = transforms.Normalize([0.5] * n_channels, [0.25] * n_channels)
    steps: Callable[[Image.Image], torch.Tensor] = transforms.Compose([*first, transforms.ToTensor(), normalise])
    return steps


def _trainer(config: Configuration, samples: Samples, precision: str) -> Trainer:
    settings: Configuration = {"optimizer": "sgd", "lr": 0.01, "n_epochs": 1, "precision": precision}
    return Trainer({**settings, **config}, samples, seed=1)


def _timed(make: Callable[..., Pass], *args: object) -> float:
    """Make a pass, then return the seconds that it takes."""
    return seconds_of(make(*args))


def _ours(config: Configuration, samples: Samples) -> Pass:
    return partial(list, _trainer(config, samples, "bfloat16").epochs())


def _bound(config: Configuration, samples: Samples) -> Pass:
    trainer = _trainer(config, samples, "bfloat16")
    batch = trainer.batches.normalise(trainer.batches.read(slice(trainer.config.batch_size)))
    labels = trainer.batches.labels[: trainer.config.batch_size]
    return partial(_train_on, trainer, [(batch, labels)] * trainer.batches.n_steps)


def _usual(config: Configuration, samples: Samples, images: ImageDataset) -> Pass:
    trainer = _trainer(config, samples, "float32")
    trainer.model.to(memory_format=torch.contiguous_format)
    size = trainer.config.batch_size
    # the default start method is that of this process, spawn: each worker would import torch
    loader = DataLoader(images, size, shuffle=True, num_workers=2, multiprocessing_context="fork")
    return partial(_train_on, trainer, loader)


@contextmanager
def _usual_way(config: Configuration, samples: Samples, images: ImageDataset) -> Iterator[Way]:
    """Yield the usual way over `images`, in a process of its own. samples: of the same shape."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield lambda: process.submit(_timed, _usual, config, samples, images).result()


def _train_on(trainer: Trainer, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for batch, labels in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=trainer.config.precision == "bfloat16"):
            logits = trainer.model(batch)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        trainer.learner.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        trainer.learner.optimizer.step()

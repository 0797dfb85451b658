"""Train on generated images that are larger than the memory that each training may use, and print what it used.

python -m benchmarks.larger_than_memory                    # 3 GB of images, 2 GB of memory, a few minutes
python -m benchmarks.larger_than_memory --gb 20 --limit 4  # needs 20 GB of disk
"""

import argparse
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.generated import generated
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples, write_samples
from pipeline.core.files import check_space
from pipeline.training.process import device, prepare_process
from pipeline.training.trainer import Trainer

SHAPE = (64, 64, 3)
CONFIG: Configuration = {
    "model": "mlp",
    "mlp.width": 16,
    "batch_size": 256,
    "n_epochs": 1,
    "lr": 0.001,
    "flip": "horizontal",
}
POLL_S = 0.1
MEASURED = ("VmHWM", "RssAnon", "RssFile")  # the peak of all resident pages; those of the process; those of files
GB = 1e9


class Noise:
    """Random images, (N, H, W, C) uint8, that are drawn when they are indexed."""

    def __init__(self, n: int) -> None:
        self.shape = (n, *SHAPE)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> NDArray[np.uint8]:
        """Return (n, H, W, C). index: a slice."""
        start, stop, _ = index.indices(len(self))
        return np.random.default_rng(start).integers(0, 256, (stop - start, *SHAPE), np.uint8)


def write_development(folder: Path, n: int) -> None:
    """Write n images of noise in ten classes; one in a hundred is for validation. The table has all columns."""
    rng = np.random.default_rng(0)
    digests = pd.Series([rng.bytes(32).hex() for _ in range(n)])
    label = rng.integers(0, 10, n)
    empty = dict.fromkeys(("origin", "patient", "official_part"), "")
    table = pd.DataFrame(
        {
            "sample": digests.str[:12],
            "label": label,
            "class": label.astype(str),
            "copies": digests.str[:12],
            "group": digests.str[:12],
            **empty,
            "source": [f"images/{name}.png" for name in digests.str[:16]],
            "format": "PNG",
            "mode": "RGB",
            "width": SHAPE[1],
            "height": SHAPE[0],
            "sha256": digests,
            "part": np.where(np.arange(n) % 100 == 0, "val", "train"),
        }
    )
    write_samples(folder, Noise(n), table, generated(1, 1, SHAPE).info)


def train(folder: Path, connection: Connection) -> None:
    """Train an epoch, send what it took, and wait, so that the memory can still be read."""
    prepare_process(threads=1)
    start = time.perf_counter()
    samples = Samples.read(folder)
    read_s = time.perf_counter() - start
    trainer = Trainer(CONFIG, samples, 1, device())
    started_s = time.perf_counter() - start - read_s
    epoch = next(trainer.epochs())
    n_train = len(trainer.batches.labels)
    connection.send(
        f"{read_s:.0f} s to check the files, {started_s:.0f} s to start, {epoch.seconds:.0f} s for an epoch of "
        f"{n_train:,} images ({trainer.batches.n_steps:,} steps)"
    )
    connection.recv()


def memory_gb(pid: int) -> dict[str, float]:
    """Return the fields of /proc that count memory, in GB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].removesuffix("kB")) * 1024 / GB for name in MEASURED if name in fields}


def measure(folder: Path, limit_gb: float, n_workers: int) -> bool:
    """Train in several processes at once and print what each took; return whether all stayed below the limit."""
    context = multiprocessing.get_context("spawn")
    workers = []
    for _ in range(n_workers):
        ours, theirs = context.Pipe()
        process = context.Process(target=train, args=(folder, theirs), daemon=True)
        process.start()
        theirs.close()
        workers.append((process, ours))
    peaks: list[dict[str, float]] = [{} for _ in workers]
    while not all(ours.poll() for _, ours in workers):
        for (process, _), peak in zip(workers, peaks, strict=True):
            for name, value in memory_gb(process.pid or 0).items():
                peak[name] = max(value, peak.get(name, 0))
        time.sleep(POLL_S)
    for (process, ours), peak in zip(workers, peaks, strict=True):
        print(
            f"resident at most {peak['VmHWM']:.2f} GB, of its own at most {peak['RssAnon']:.2f} GB, of mapped files at "
            f"most {peak['RssFile']:.2f} GB; {ours.recv()}"
        )
        ours.send(None)
        process.join()
    return all(peak["VmHWM"] <= limit_gb for peak in peaks)


def main() -> int:
    """Run the benchmark and return the exit code: 1 if a training exceeded the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=3, help="size of the images, 3 by default")
    parser.add_argument("--limit", type=float, default=2, help="memory of each training in GB, 2 by default")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time, 2 by default")
    parser.add_argument("--folder", type=Path, default=Path("data"), help="where a temporary folder is made")
    args = parser.parse_args()
    n = int(args.gb * GB) // int(np.prod(SHAPE))
    check_space(args.folder, int(args.gb * GB))
    args.folder.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=args.folder) as folder:
        start = time.perf_counter()
        write_development(Path(folder), n)
        print(f"{n:,} images of 64 px, {args.gb:g} GB, written in {time.perf_counter() - start:.0f} s", flush=True)
        return 0 if measure(Path(folder), args.limit, args.workers) else 1


if __name__ == "__main__":
    sys.exit(main())

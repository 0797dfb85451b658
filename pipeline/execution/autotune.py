"""What is measured before trials: the fastest number of workers (`search.workers: auto`), and a configuration's cost.

The number of threads decides the order of sums, so a resumed search must train with the threads it began with: what
was measured is cached under all that it depends on.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import torch

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import InputError, PipelineError, first_line
from pipeline.core.files import locked, read_json, write_json
from pipeline.core.provenance import digest, hardware
from pipeline.execution.settings import SearchSettings
from pipeline.training.network import build_network, image_shapes
from pipeline.training.process import device, die_with_parent, prepare_process, visible_gpus
from pipeline.training.trainer import Trainer

ROUNDS = 3


def autotune(
    settings: SearchSettings, config: Configuration, development: Path, *, cache: Path, most_workers: int | None
) -> SearchSettings:
    """Return `settings` with the workers and threads that together train most epochs of `config` per hour.

    Prints what is measured; a measurement in the file `cache` is not repeated. most_workers: None for one per core.
    """
    machine = hardware()
    n_cores = int(machine["cores"] or 1)
    most = most_workers or n_cores
    key = digest([config, Samples.read(development).info.digest, machine, most])[:16]
    with locked(cache.with_suffix(".lock"), "the measurement of workers and threads", wait=True):
        known: dict[str, dict[str, int]] = read_json(cache) if cache.exists() else {}
        if key not in known:
            known[key] = _fastest(config, development, candidates(n_cores, most, len(visible_gpus())))
            write_json(cache, known)
    return settings.model_copy(update=known[key])


def candidates(n_cores: int, most_workers: int, n_gpus: int) -> list[tuple[int, int]]:
    """Return the (workers, threads) to measure: each uses all cores; with GPUs one, two or four workers on each."""
    if n_gpus:
        n_workers = {min(n_gpus * share, n_cores, most_workers) for share in (1, 2, 4)}
    else:
        n_workers = {min(n_cores // threads, most_workers) for threads in (2**k for k in range(n_cores.bit_length()))}
    return [(n, n_cores // n) for n in sorted(n_workers, reverse=True)]


def _fastest(config: Configuration, development: Path, measured: list[tuple[int, int]]) -> dict[str, int]:
    """Return the fastest. One that fails, e.g. out of memory, is left out; if all do, the first trial reports why."""
    speeds = dict.fromkeys(measured, 0.0)
    for workers, threads in measured:
        try:
            speeds[workers, threads] = _epochs_per_hour(config, development, workers, threads)
            text = f"{speeds[workers, threads]:,.0f} epochs per hour"
        except (PipelineError, RuntimeError) as error:  # a killed process raises a RuntimeError
            text = first_line(error)
        print(f"{workers} workers x {threads} threads: {text}")
    workers, threads = max(reversed(measured), key=lambda candidate: speeds[candidate])
    return {"workers": workers, "threads": threads}


def _epochs_per_hour(config: Configuration, development: Path, workers: int, threads: int) -> float:
    context, gpus = get_context("spawn"), visible_gpus()
    gpu_of_worker = context.Queue()
    for place in range(workers):
        gpu_of_worker.put(gpus[place % len(gpus)] if gpus else None)
    arguments = context.Barrier(workers), gpu_of_worker, threads
    with ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=arguments) as pool:
        trainings = [pool.submit(_epoch_s, config, development) for _ in range(workers)]
        return sum(3600 / training.result() for training in trainings)


_together: Barrier


def _prepare(barrier: Barrier, gpu_of_worker: Any, threads: int) -> None:
    global _together
    _together = barrier
    die_with_parent()
    prepare_process(threads, gpu_of_worker.get())


def _epoch_s(config: Configuration, development: Path) -> float:
    """Return the seconds of an epoch while all workers train."""
    try:
        trainer = Trainer(config, Samples.read(development), 1, device())
    except Exception:
        _together.abort()  # so that the others do not wait for this one
        raise
    _together.wait()
    return median(trainer.estimate_epoch_s(n_steps=8) for _ in range(ROUNDS))


def measure_cost(config: Configuration, samples: Samples, threads: int) -> tuple[int, float]:
    """Return trainable parameters and seconds per epoch with this number of CPU threads, estimated from a few steps."""
    prepare_process(threads)
    trainer = Trainer(config, samples, seed=0, device=device())
    return trainer.n_parameters, trainer.estimate_epoch_s()


def problem_of_network(config: Configuration, samples: Samples) -> str | None:
    """Return why the network cannot be built for these images, None if it can; needs no memory for its weights."""
    shapes = image_shapes(samples)
    try:
        with torch.device("meta"):
            network = build_network(config, shapes).eval()
            network(torch.empty(2, shapes.channels, shapes.height, shapes.width))
    except (InputError, RuntimeError, AssertionError) as error:
        return first_line(error)
    return None

"""`search.workers: auto`: how many workers with how many threads each train fastest here, measured once.

The number of threads decides the order of sums, so a resumed search must find the layout it began with: what was
measured is kept, and asked for again under all that it depends on.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.artifacts.configuration import Configuration, own_options
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError, first_line
from pipeline.core.files import locked, read_json, write_json
from pipeline.core.provenance import digest, hardware
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.search.sampling import sample_parameters
from pipeline.training.device import device, visible_gpus
from pipeline.training.process import die_with_parent, prepare_process
from pipeline.training.trainer import Trainer

ROUNDS = 3


def choose_layout(
    settings: SearchSettings, experiment: Experiment, development: Path, remembered: Path
) -> SearchSettings:
    """`settings` with the number of workers and threads whose workers together train most epochs of the first drawn
    configuration per hour. Prints what it measured; a layout in the file `remembered` is taken as it is.
    """
    samples, machine = Samples.read(development), hardware()
    config = own_options({**experiment.fixed, **sample_parameters(experiment, experiment.first_sampled, ()).params})
    most = experiment.parallel if settings.reproducible else int(machine["cores"] or 1)
    key = digest([config, samples.info.digest, machine, most])[:16]
    with locked(remembered.with_suffix(".lock"), "the measuring of layouts", wait=True):
        known: dict[str, dict[str, int]] = read_json(remembered) if remembered.exists() else {}
        if key not in known:
            known[key] = _fastest(config, development, layouts(int(machine["cores"] or 1), most, len(visible_gpus())))
            write_json(remembered, known)
    return settings.model_copy(update=known[key])


def layouts(n_cores: int, most_workers: int, n_gpus: int) -> list[tuple[int, int]]:
    """(workers, threads) to measure: together all cores; with GPUs one, two and four workers on each."""
    if n_gpus:
        n_workers = {min(n_gpus * share, n_cores, most_workers) for share in (1, 2, 4)}
    else:
        n_workers = {min(n_cores // threads, most_workers) for threads in (2**k for k in range(n_cores.bit_length()))}
    return [(n, n_cores // n) for n in sorted(n_workers, reverse=True)]


def _fastest(config: Configuration, development: Path, candidates: list[tuple[int, int]]) -> dict[str, int]:
    """One that fails, for lack of memory perhaps, is out; if all do, the trials will say why."""
    speeds = dict.fromkeys(candidates, 0.0)
    for workers, threads in candidates:
        try:
            speeds[workers, threads] = _epochs_per_hour(config, development, workers, threads)
            told = f"{speeds[workers, threads]:,.0f} epochs per hour"
        except (PipelineError, RuntimeError) as error:  # a process that was killed is a RuntimeError too
            told = first_line(error)
        print(f"{workers} workers x {threads} threads: {told}")
    workers, threads = max(reversed(candidates), key=lambda layout: speeds[layout])
    return {"workers": workers, "threads": threads}


def _epochs_per_hour(config: Configuration, development: Path, workers: int, threads: int) -> float:
    context, gpus = get_context("spawn"), visible_gpus()
    places = context.Queue()
    for place in range(workers):
        places.put(gpus[place % len(gpus)] if gpus else None)
    given = context.Barrier(workers), places, threads
    with ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=given) as pool:
        trainings = [pool.submit(_epoch_s, config, development) for _ in range(workers)]
        return sum(3600 / training.result() for training in trainings)


_together: Barrier


def _prepare(barrier: Barrier, places: Any, threads: int) -> None:
    global _together
    _together = barrier
    die_with_parent()
    prepare_process(threads, places.get())


def _epoch_s(config: Configuration, development: Path) -> float:
    """Seconds of an epoch while the others train too."""
    try:
        trainer = Trainer(config, Samples.read(development), 1, device())
    except Exception:
        _together.abort()  # nobody waits for this one
        raise
    _together.wait()
    return median(trainer.estimate_epoch_s(n_steps=8) for _ in range(ROUNDS))

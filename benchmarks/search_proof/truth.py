"""The truth table: every designed configuration of an experiment file, trained at every length under several seeds.

Each training is one line of a file in `.state/proof/`, so that an interrupted run resumes. The name of the file hashes
what the scores depend on.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.search_proof.table import COLUMNS, FULL, Kind, TruthTable
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core import provenance
from pipeline.core.errors import InputError, PipelineError
from pipeline.core.files import locked, write_text
from pipeline.core.seeds import derive_seed
from pipeline.execution.job import Failed, Job, train
from pipeline.execution.settings import SearchSettings
from pipeline.experiment.experiment import Experiment
from pipeline.experiment.fidelity import Fidelity
from pipeline.experiment.reader import read_experiment
from pipeline.search.cost_limit import limit_of_cost
from pipeline.search.sampling import sample_parameters
from pipeline.search.search import made_by
from pipeline.training.batches import Batches
from pipeline.training.config import Training
from pipeline.training.length import Length
from pipeline.training.process import device, die_with_parent, prepare_process


@dataclass(frozen=True)
class Lesson:
    """One training of the table.

    whole: a schedule that ends at the only share; prefix: the full training, measured at each share; images: as many
    steps as `whole` on that share of the images.
    """

    slot: int
    seed: int  # index, 0 first
    kind: Kind
    shares: tuple[float, ...]  # of the steps, rising
    repeat: int = 0  # index among the trainings of one rung, 0 first


@dataclass(frozen=True)
class Measured:
    """What a training gave. seconds: since its start, set-up included, at each share; last, of a divergence."""

    lesson: Lesson
    scores: tuple[float, ...]  # on val at each share that was reached
    seconds: tuple[float, ...]
    reason: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_line(cls, line: str) -> "Measured":
        content = json.loads(line)
        lesson = Lesson(**{**content["lesson"], "shares": tuple(content["lesson"]["shares"])})
        return cls(lesson, tuple(content["scores"]), tuple(content["seconds"]), content["reason"])

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield a row per share; the score is NaN where the loss was no longer finite."""
        lesson = self.lesson
        for i, share in enumerate(lesson.shares):
            score = self.scores[i] if i < len(self.scores) else np.nan
            seconds = self.seconds[min(i, len(self.seconds) - 1)]
            kind = "whole" if share == FULL else lesson.kind  # the end of a prefix is the full training
            names = {"slot": lesson.slot, "seed": lesson.seed, "kind": kind, "repeat": lesson.repeat}
            yield names | {"share": share, "score": score, "seconds": seconds}


@dataclass(frozen=True)
class Proof:
    """The experiment whose search is examined, its data and the file of its table."""

    root: Path  # of the repository
    experiment: Experiment
    development: Path
    n_seeds: int

    @classmethod
    def of(cls, root: Path, name: str, n_seeds: int) -> "Proof":
        """Raise InputError without data, or if the experiment has no rungs."""
        file = root / "experiments" / f"{name}.yaml"
        experiment = read_experiment(file)
        development = Layout(root).development(experiment.dataset)
        if not development.is_dir():
            raise InputError(f"{development} is missing; run: dvc repro split@{experiment.dataset}")
        if not experiment.fidelity:
            raise InputError(f"{file} has no `fidelity`, so there are no rungs to examine; choose another experiment")
        return cls(root, read_experiment(file, development), development, n_seeds)

    @property
    def fidelity(self) -> Fidelity:
        assert self.experiment.fidelity
        return self.experiment.fidelity

    @cached_property
    def samples(self) -> Samples:
        return Samples.read(self.development)

    @cached_property
    def configs(self) -> dict[int, Configuration]:
        """Configurations by slot: the draws of the search that depend on no other trial."""
        experiment = self.experiment
        is_affordable, first = limit_of_cost(experiment, self.samples), experiment.first_sampled
        n = int(min(experiment.n_slots, first + experiment.n_independent))
        draws = [sample_parameters(experiment, slot, (), (), is_affordable) for slot in range(first, n)]
        return {draw.slot: experiment.configuration(draw.params) for draw in draws}

    @cached_property
    def folder(self) -> Path:
        hashes = made_by(self.experiment, self.samples, SearchSettings())
        digest = provenance.digest({"space": self.experiment.identity(), **hashes})
        return self.root / ".state" / "proof" / f"{self.experiment.name}@{digest[:8]}"

    def lessons(self) -> list[Lesson]:
        """Return all trainings, seed after seed, so that two seeds can be analysed before the last is complete."""
        shares = tuple(rung.share for rung in self.fidelity.rungs if rung.share < FULL)
        repeats = [(rung.share, repeat) for rung in self.fidelity.rungs for repeat in range(rung.seeds)]
        out = []
        for seed in range(self.n_seeds):
            for slot in self.configs:
                out.append(Lesson(slot, seed, "prefix", (*shares, FULL)))
                out += [Lesson(slot, seed, "whole", (of[0],), of[1]) for of in repeats if of != (FULL, 0)]
                out.append(Lesson(slot, seed, "images", shares[:1]))
        return out

    def measured(self) -> list[Measured]:
        """Return what has been trained; a last line that a kill cut off is removed from the file."""
        file = self.folder / "trainings.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
        if lines and not lines[-1].endswith("\n"):
            write_text(file, "".join(lines[:-1]))
            del lines[-1]
        return [Measured.of_line(line) for line in lines]

    def table(self) -> TruthTable:
        """Return the scores of what has been trained. Raises InputError if that is too little."""
        known = self.measured()
        rows = pd.DataFrame([row for measured in known for row in measured.rows()], columns=COLUMNS)
        per_seed = sum(len(lesson.shares) for lesson in self.lessons()) // self.n_seeds // len(self.configs)
        n_val = self.samples.info.parts["val"].groups
        return TruthTable.of(self.experiment, self.configs, rows, n_val=n_val, per_seed=per_seed)

    def train(self, workers: int) -> None:
        """Train what is missing. Raises BusyError while another process does."""
        with locked(self.folder / "lock", f"the truth table of {self.experiment.name}"):
            known = {measured.lesson for measured in self.measured()}
            lessons = self.lessons()
            missing = [lesson for lesson in lessons if lesson not in known]
            print(f"{self.folder}: {len(lessons) - len(missing)} of {len(lessons)} trainings are known", flush=True)
            with (self.folder / "trainings.jsonl").open("a", encoding="utf-8") as file:
                for n, each in enumerate(self._train(missing, workers), len(known) + 1):
                    file.write(each.line() + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                    if n % 50 == 0:
                        print(f"{n}/{len(lessons)}", flush=True)

    def _train(self, lessons: Sequence[Lesson], workers: int) -> Iterator[Measured]:
        """Yield trainings as they end. Raises PipelineError if one fails for another reason than divergence."""
        pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker)
        try:
            futures = {pool.submit(_measure, self._job(lesson)): lesson for lesson in lessons}
            for future in as_completed(futures):
                lesson, (scores, seconds, failed) = futures[future], future.result()
                if failed and not failed.diverged:
                    raise PipelineError(f"{lesson} failed: {failed.reason}; fix the cause and run again")
                yield Measured(lesson, scores, seconds, failed.reason if failed else "")
        except BrokenProcessPool as error:
            raise PipelineError("a worker died; run the same command again, which resumes") from error
        finally:
            pool.shutdown(cancel_futures=True)

    def _job(self, lesson: Lesson) -> Job:
        config, experiment = self.configs[lesson.slot], self.experiment
        repeat = [lesson.repeat] if lesson.repeat else []
        seed = derive_seed(experiment.seed, "proof", lesson.slot, lesson.seed, *repeat)
        if lesson.kind != "images":
            length = Length(lesson.shares, whole=lesson.kind == "whole")
            return Job(config, self.development, seed, experiment.objective, length=length)
        (share,) = lesson.shares
        folder = self._fewer_images(share, lesson.seed)
        batches = int(config["batch_size"]), int(config.get("images_per_unit") or 0)
        all_steps, steps = (_steps_per_epoch(data, *batches) for data in (self.development, folder))
        stop = min(1.0, share * all_steps / steps)  # batches are rounded up, so that all epochs have more steps
        return Job(config, folder, seed, experiment.objective, length=Length((stop,)))

    def _fewer_images(self, share: float, seed: int) -> Path:
        """Return the development part with a share of the images of each class in `train`; written once."""
        folder = self.folder / f"images-{share:.4f}-{seed}"
        if not (folder / "dataset.json").is_file():
            table = self.samples.table
            in_train = table["part"] == "train"
            rng = np.random.default_rng(derive_seed(self.experiment.seed, "proof", "images", seed))
            drawn = table[in_train].groupby("label").sample(frac=share, random_state=rng).index
            kept = (~in_train | table.index.isin(drawn)).to_numpy()
            Samples(self.samples.images[kept], table[kept], self.samples.info).write(folder)
        return folder


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    die_with_parent()
    prepare_process(threads=1)


def _measure(job: Job) -> tuple[tuple[float, ...], tuple[float, ...], Failed | None]:
    """Train a job in this process; return the score and the seconds at each check, and why it failed.

    Seconds of the CPU, which other work on the machine hardly changes; of the clock where a GPU trains.
    """
    samples = _read(job.development)
    clock = time.process_time if device() == "cpu" else time.perf_counter
    start = clock()
    scores, seconds = [], []
    for message in train(job, samples):
        if isinstance(message, Epoch):
            scores.append(float(getattr(message, f"val_{job.objective}")))
            seconds.append(clock() - start)
        elif isinstance(message, Failed):
            return tuple(scores), (*seconds, clock() - start), message
    return tuple(scores), tuple(seconds), None


_read = cache(Samples.read)


@cache
def _steps_per_epoch(development: Path, batch_size: int, images_per_unit: int) -> int:
    config = Training(model="mlp", lr=1, n_epochs=1, batch_size=batch_size, images_per_unit=images_per_unit)
    return Batches(_read(development), config, 0, device=torch.device("cpu")).n_steps

"""What every training process does first: it keeps freed memory, and reuses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.training.process import LIBC

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))

STEPS = """
import resource, torch
from pipeline.training.process import give_freed_memory_back, prepare_process
import psutil

torch.set_num_threads(1)

def step():
    return sum(float(torch.ones(n * 250_000).sum()) for n in (9, 50, 100))  # buffers of 9 to 100 MB

def faults_of_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def median_faults():
    # a heap in pieces grows once or twice before it has room for all
    return sorted(faults_of_step() for _ in range(9))[4]

given_back = median_faults()
prepare_process(threads=1)
kept = median_faults()
used = psutil.Process().memory_info().rss
give_freed_memory_back()
print(given_back, kept, (used - psutil.Process().memory_info().rss) // 2**20)
"""


@pytest.mark.skipif(not hasattr(LIBC, "mallopt"), reason="this C library has no mallopt")
def test_a_process_that_trains_keeps_freed_memory_until_the_next_training() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], stdout=subprocess.PIPE, check=True)
    given_back, kept, returned_mib = map(int, done.stdout.split())
    assert kept < given_back / 10
    assert returned_mib > 50


EPOCH = """
import numpy as np, psutil
from pipeline.training.process import prepare_process
from pipeline.training.trainer import Trainer
from training_examples import MLP, samples_of

prepare_process(threads=1)
images = np.random.default_rng(0).integers(0, 256, (4000, 64, 64, 3), np.uint8)
trainer = Trainer({**MLP, "batch_size": 64}, samples_of(images, n_train=3900), seed=1)
used = []
for n_steps in (5, 60):
    trainer.estimate_epoch_s(n_steps)
    used.append(psutil.Process().memory_info().rss)
print((used[1] - used[0]) // 2**20)
"""


@pytest.mark.skipif(not hasattr(LIBC, "mallopt"), reason="this C library has no mallopt")
def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EPOCH], stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": PYTHONPATH}
    )
    assert int(done.stdout) < 60  # a batch takes 3 MiB

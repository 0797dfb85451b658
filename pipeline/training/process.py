"""TODO training.process."""

import ctypes
import os
import threading
import time

import torch

LIBC = ctypes.CDLL(None)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def prepare_process(threads: int, gpu: str | None = None) -> None:
    """What every process that trains does first, so that equal seeds give equal weights.

    gpu: the one it may use, as CUDA_VISIBLE_DEVICES names it; None: as given from outside.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # read when CUDA starts, which is later
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # else every new tensor is filled first, in case it is read before it is written: 3 % of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def keep_freed_memory() -> None:
    """What a training step frees stays with this process for the next one.

    glibc hands large buffers back to the system, and each step gets them anew page by page: with its own settings a
    step of the CNN for MNIST at batch 1024 took 80 to 137 ms instead of 49 (2 threads, AMD EPYC Zen 4, 2026-11-23).
    Other C libraries are left as they are.
    """
    if hasattr(LIBC, "mallopt"):
        LIBC.mallopt(M_MMAP_MAX, 0)
        LIBC.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_freed_memory_back() -> None:
    """So that the memory of a training does not count what an earlier one of this process left."""
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)


def die_with_parent() -> None:
    """Ends this process once its parent is gone, so that a killed search leaves no orphan training on."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

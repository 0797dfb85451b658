"""A process that trains: its device, threads, determinism and memory, and its end with its parent."""

import ctypes
import os
import threading
import time

import torch

LIBC = ctypes.CDLL(None)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def device() -> str:
    """Return the accelerator if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, named as in CUDA_VISIBLE_DEVICES, without creating a CUDA context."""
    n_gpus = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(n_gpus))))
    return [name.strip() for name in named.split(",") if name.strip()] if n_gpus else []


def prepare_process(threads: int, gpu: str | None = None) -> None:
    """Set up a process so that equal seeds give equal weights; call it before the first training.

    gpu: the only one to use, named as in CUDA_VISIBLE_DEVICES; None: leave the choice to the environment.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # CUDA has not started yet, and reads it then
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # otherwise deterministic mode fills every new tensor, which takes 3 % of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def keep_freed_memory() -> None:
    """Keep the memory that a training step frees in this process, for the next step.

    By default, glibc returns large buffers to the system, and every step requests them again page by page: a step of
    the CNN for MNIST at batch 1024 then took 80 to 137 ms instead of 49 (2 threads, AMD EPYC Zen 4, 2026-11-23).
    The settings of other C libraries are not changed.
    """
    if hasattr(LIBC, "mallopt"):
        LIBC.mallopt(M_MMAP_MAX, 0)
        LIBC.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_freed_memory_back() -> None:
    """Return freed memory to the system, so that the memory of a training excludes that of earlier ones."""
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)


def die_with_parent() -> None:
    """End this process as soon as its parent is gone, so that a killed search leaves no training running."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

"""What made a result: the commit, whether the work tree was dirty, versions, machine."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WRITTEN = ("dvc.lock", "reports")  # tracked files that a run writes itself
PACKAGES = ("torch", "torchvision", "timm", "mlflow", "optuna", "dvc", "numpy", "pandas", "scikit-learn")


def digest(value: Any) -> str:
    """Return the sha256 of plain values; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def origin(root: Path) -> dict[str, dict[str, Any]]:
    """Return git state, versions and hardware of this process."""
    return {"git": git_state(root), "versions": versions(), "hardware": hardware()}


def git_state(root: Path) -> dict[str, str | bool]:
    """Return the commit and whether tracked files differ from it (dirty); "unknown" outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        changed = git("status", "--porcelain", "-uno", "--", ":/", *(f":(exclude,top){path}" for path in WRITTEN))
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "unknown", "dirty": True}


def commit_text(git: Mapping[str, Any]) -> str:
    """Return a `git_state` in words."""
    is_dirty = git["dirty"] and git["commit"] != "unknown"
    return f"{git['commit']}{' with uncommitted changes' if is_dirty else ''}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide results."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def hardware() -> dict[str, str | int | None]:
    """Return the CPU model, the cores this process may use, memory_gib, and the GPU's name or None."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": _cpu(), "cores": cores, "memory_gib": round(memory / 2**30), "gpu": gpu}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def tags(stage: str, made_by: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return an `origin` as MLflow tags; MLflow's own do not know whether the tree is dirty."""
    git = made_by["git"]
    return {
        "git_commit": git["commit"],
        "git_dirty": git["dirty"],
        "mlflow.source.git.commit": git["commit"],
        "mlflow.source.name": f"dvc repro {stage}",
        "dvc_stage": stage,
        **{f"version.{package}": version for package, version in made_by["versions"].items()},
        **{f"hardware.{part}": value for part, value in made_by["hardware"].items()},
    }

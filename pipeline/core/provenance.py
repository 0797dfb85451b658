"""What made a result: code, machine, versions, commit."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
WRITTEN = ("dvc.lock", "reports")  # by a run itself
PACKAGES = ("torch", "torchvision", "timm", "mlflow", "optuna", "dvc", "numpy", "pandas", "scikit-learn")


def digest(value: Any) -> str:
    """sha256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def git_state(root: Path) -> dict[str, str | bool]:
    """Commit and whether tracked files differ from it; 'unknown' outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        changed = git("status", "--porcelain", "-uno", "--", ":/", *(f":(exclude,top){path}" for path in WRITTEN))
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "unknown", "dirty": True}


def commit_text(git: Mapping[str, Any]) -> str:
    """Of what `git_state` found."""
    return f"{git['commit']}{' with uncommitted changes' if git['dirty'] and git['commit'] != 'unknown' else ''}"


def versions() -> dict[str, str]:
    """Python and the packages that decide results."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def hardware() -> dict[str, str | int | None]:
    """cpu: model name; cores: those this process may use; memory_gib; gpu: name or None."""
    import torch

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": cpu, "cores": cores, "memory_gib": round(memory / 2**30), "gpu": gpu}


def origin(root: Path) -> dict[str, dict[str, Any]]:
    """What a result is made by here and now."""
    return {"git": git_state(root), "versions": versions(), "hardware": hardware()}


def tags(stage: str, made_by: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`origin` for tracking. MLflow itself misses dirty trees."""
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

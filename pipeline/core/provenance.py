"""What made a result: code, machine, versions, commit."""

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pkgutil
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
WRITTEN = ("dvc.lock", "reports")  # by a run itself
PACKAGES = ("torch", "torchvision", "timm", "mlflow", "optuna", "dvc", "numpy", "pandas", "scikit-learn")


def import_closure(*modules: str) -> list[Path]:
    """Files of our own package that importing these modules reads, sorted; found in the syntax, nothing is imported.

    Imports inside functions count too. Raises ModuleNotFoundError for an unknown module.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _file(name)
        if path is None:
            raise ModuleNotFoundError(f"no module {name!r}")
        found[name] = path
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        waiting += _imports(path, name.partition(".")[0])
    return sorted(found.values())


def _imports(path: Path, package: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [node.module, *(name for name in inner if name.startswith(package) and _file(name))]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_modules":
            names += _modules(node.args[0])
    return [name for name in names if name.partition(".")[0] == package]


def _modules(package: ast.expr) -> list[str]:
    """Return the modules that `import_modules("package")` imports: a registry uses them all."""
    assert isinstance(package, ast.Constant), "import_modules takes the name of the package as a literal"
    assert isinstance(package.value, str)
    init = _file(package.value)
    assert init
    return [f"{package.value}.{module.name}" for module in pkgutil.iter_modules([str(init.parent)])]


@cache
def _file(module: str) -> Path | None:
    folder = Path(__file__).parent.parent.parent.joinpath(*module.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            return path
    return None


def code_digest(*modules: str) -> str:
    """Return the sha256 of what the import closure of the modules does.

    It changes with a statement that these modules may run; not with a comment, a docstring, the layout of the text,
    or the place of a file.
    """
    meanings = sorted(_meaning(path) for path in import_closure(*modules))
    return hashlib.sha256("\0".join(meanings).encode()).hexdigest()


def _meaning(path: Path) -> str:
    """Return the syntax tree of a file without docstrings, and without the places that our own imports name."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
            if isinstance(node, ast.Module):
                node.body = [statement for statement in node.body if not _is_own_import(statement)]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_own_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and str(statement.module).partition(".")[0] == PACKAGE


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

"""The architecture: the rooms in their order, and what the code and dvc.yaml say about them."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipeline"
ROOMS = (  # the architecture: each room may import only those before it
    "core",
    "statistics",
    "artifacts",
    "datasets",
    "models",
    "training",
    "experiment",
    "execution",
    "tracking",
    "search",
    "evaluation",
    "report",
    "stages",
)


def modules() -> list[Path]:
    """Return all Python files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """Return `models.registry` for pipeline/models/registry.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return `models` for `models.registry`."""
    return module.partition(".")[0]


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Return the full names of everything that a file imports, also inside functions."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)


def face(room: str) -> tuple[str, list[str]]:
    """Return the docstring of a room and its public modules; its __init__.py may hold nothing else."""
    docstring, exports = ast.parse((PACKAGE / room / "__init__.py").read_bytes()).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(exports, ast.Assign)
    assert [ast.unparse(target) for target in exports.targets] == ["__all__"]
    return ast.literal_eval(docstring.value), ast.literal_eval(exports.value)


@cache
def arrows() -> dict[tuple[str, str], list[str]]:
    """Return the imports between rooms: (importing, imported) -> the files that do it."""
    result: dict[tuple[str, str], list[str]] = {}
    for path in modules():
        room = room_of(module_name(path))
        for name in imported(path):
            package, _, target = name.partition(".")
            if package == "pipeline" and path.parent != PACKAGE and room_of(target) != room:
                result.setdefault((room, room_of(target)), []).append(f"{path.relative_to(ROOT)}: {name}")
    return result


@cache
def stages() -> dict[str, Mapping[str, Any]]:
    """Return the stages of dvc.yaml in their order, without their `foreach`, which `per` names instead."""
    definitions = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
    per = {"${datasets}": "data set", "${experiments}": "experiment", None: "all"}
    return {
        name: {**definition.get("do", definition), "per": per[definition.get("foreach")]}
        for name, definition in definitions.items()
    }


def rooms_of_stage(stage: Mapping[str, Any]) -> list[str]:
    """Return the rooms that a stage of dvc.yaml depends on, in the order of ROOMS."""
    return [room for room in ROOMS if f"pipeline/{room}" in stage["deps"]]


def files_of_stage(stage: Mapping[str, Any], *keys: str) -> list[str]:
    """Return the paths under these keys that are no code; `<d>` is a data set, `<e>` an experiment."""
    entries = [entry for key in keys for entry in stage.get(key, [])]
    paths = [next(iter(entry)) if isinstance(entry, Mapping) else str(entry) for entry in entries]
    item = "<d>" if stage["per"] == "data set" else "<e>"
    named = [path.replace("${key}", "<e>").replace("${item}", item) for path in paths]
    return [path.replace("split/<e>", "split/<d>") for path in named if not path.startswith("pipeline/")]


def stages_before(name: str) -> list[str]:
    """Return the stages whose outputs a stage reads."""
    all_stages = stages()
    reads = files_of_stage(all_stages[name], "deps")
    written = {other: files_of_stage(stage, "outs") for other, stage in all_stages.items() if other != name}
    return [other for other, paths in written.items() if any(_overlap(a, b) for a in reads for b in paths)]


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def size(room: str) -> tuple[int, int]:
    """Return the number of modules of a room, its face not counted, and its lines."""
    files = [path for path in modules() if room_of(module_name(path)) == room]
    lines = sum(len(path.read_bytes().splitlines()) for path in files)
    return sum(path.name != "__init__.py" for path in files), lines


def purpose(room: str) -> str:
    """Return what a room holds: the first sentence of its face, without the full stop."""
    return " ".join(face(room)[0].split()).partition(". ")[0].rstrip(".")

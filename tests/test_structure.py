"""The architecture: the rooms in their order, who owns which library, and what dvc.yaml must know."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from docs.architecture import PACKAGE, ROOMS, ROOT, arrows, face, imported, module_name, modules, room_of, stages
from pipeline.core.code_digest import import_closure

MAX_ROOMS, MAX_ARROWS = 14, 30
MAX_DVC_LINES = 170
MODULES = modules()
STAGES = sorted(p.stem for p in (PACKAGE / "stages").glob("*.py") if p.stem != "__init__")
DVC = stages()
OWNERS = {  # library -> rooms, or modules of a room
    "bs4": {"report.markdown_twin"},
    "captum": {"evaluation.grad_cam"},
    "httpx": {"datasets.resumable_download"},
    "jinja2": {"report.pages"},
    "markdownify": {"report.markdown_twin"},
    "matplotlib": {"report", "search.study_figures"},
    "mlflow": {"tracking", "evaluation.model_registry"},
    "optuna": {"experiment.registry", "experiment.samplers", "experiment.pruners", "search"},
    "nibabel": {"datasets.medical"},
    "PIL": {"datasets", "evaluation.corruptions"},
    "pydicom": {"datasets.medical"},
    "ray": {"execution.ray"},
    "rich": {"core.progress", "execution.progress"},
    "ruamel": {"core.yaml_document"},
    "seaborn": {"report"},
    "timm": {"models.timm_model"},
}


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 100
    assert set(STAGES) == set(DVC)
    assert {p.parent.name for p in PACKAGE.glob("*/__init__.py")} == set(ROOMS)


def test_rooms_import_only_rooms_before_them() -> None:
    assert arrows()
    wrong = [files for (of, to), files in arrows().items() if ROOMS.index(to) >= ROOMS.index(of)]
    assert not wrong


def test_rooms_and_arrows_are_few() -> None:
    assert len(ROOMS) <= MAX_ROOMS
    assert len([pair for pair in arrows() if pair[1] != "core"]) <= MAX_ARROWS


@pytest.mark.parametrize("of", ROOMS)
def test_the_face_of_a_room_lists_its_public_modules(of: str) -> None:
    docstring, public = face(of)
    assert docstring.strip()
    assert len((PACKAGE / of / "__init__.py").read_text().splitlines()) <= 15
    modules = {p.stem for p in (PACKAGE / of).iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert public
    assert set(public) <= modules - {"__init__"}


@pytest.mark.parametrize("of", ROOMS)
def test_only_public_modules_and_names_are_imported_from_a_room(of: str) -> None:
    """A private name starts with an underscore; a private module is missing in `__all__` of its room."""
    wrong = []
    for path in MODULES + sorted((ROOT / "benchmarks").glob("*.py")):
        if path.is_relative_to(PACKAGE / of):
            continue
        for target in imported(path):
            package, *parts = target.split(".")
            if package == "pipeline" and parts[0] == of:
                is_private = any(part.startswith("_") for part in parts) or not set(parts[1:2]) <= set(face(of)[1])
                wrong += [f"{path.relative_to(ROOT)}: {target}"] * is_private
    assert not wrong


def test_no_class_name_has_two_meanings() -> None:
    names: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                names.setdefault(node.name, []).append(module_name(path))
    assert names
    assert not {name: modules for name, modules in names.items() if len(modules) > 1}


def test_every_file_of_the_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["pipeline"]
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert files
    assert not [path for path in files if not any(path.match(pattern) for pattern in patterns)]
    assert not [path for path in [*files, *MODULES] if not (path.parent / "__init__.py").exists()]


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+( ; [^@:]+)?", line)]
    assert {_canonical(name) for name in needed} <= {_canonical(line) for line in lines}


def _canonical(requirement: str) -> str:
    return re.sub(r"[_.]", "-", re.split(r"[><=]", requirement)[0].lower())


def test_no_stage_imports_a_stage() -> None:
    assert not [t for s in STAGES for t in imported(PACKAGE / f"stages/{s}.py") if t.startswith("pipeline.stages")]


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library: str) -> None:
    users = {module_name(p) for p in MODULES if any(i.partition(".")[0] == library for i in imported(p))}
    assert users
    assert not [user for user in users if not any(f"{user}.".startswith(f"{owner}.") for owner in OWNERS[library])]


def test_dvc_yaml_is_short() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= MAX_DVC_LINES


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_knows_the_rooms_of_a_stage(stage: str) -> None:
    """A change of a room then reruns the stages that use it, and no others."""
    closure = {p.relative_to(ROOT) for p in import_closure(f"pipeline.stages.{stage}")}
    used = {str(Path(*p.parts[:2])) for p in closure if len(p.parts) > 2} - {"pipeline/stages"}
    stage_files = {str(p) for p in closure if p.parts[1] == "stages" and p.name != "__init__.py"}
    deps = {d for d in DVC[stage]["deps"] if d.startswith("pipeline/")}
    projections = {"pipeline/tracking"} if stage in ("search", "evaluate", "report") else set()
    assert deps == (used | stage_files) - projections


def test_the_test_part_is_sealed() -> None:
    """Only evaluate reads it; what other stages say about it comes from dataset.json."""
    readers = {s for s in STAGES for d in DVC[s]["deps"] if d.startswith("data/split") and "dev" not in d}
    assert readers == {"evaluate"}


def test_the_training_code_does_not_know_the_report() -> None:
    names = {module_name(p) for p in import_closure("pipeline.training.trainer")}
    assert {name for name in names if name} <= {
        n for n in names if room_of(n) in ROOMS[: ROOMS.index("experiment")]
    } | {"__init__"}
    families = {module_name(p) for p in (PACKAGE / "models").glob("*.py")}
    assert families <= names


def test_no_weights_are_unpickled() -> None:
    for path in MODULES:
        text = path.read_text()
        assert text.count("torch.load(") == text.count("weights_only=True")
        assert "pickle.load" not in text

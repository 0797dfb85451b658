"""The architecture: who may import whom, who owns which library, and what dvc.yaml must know."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.lineage import import_closure

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
STAGES = sorted(p.stem for p in (ROOT / "pipeline/stages").glob("*.py") if p.stem != "__init__")
FRAGMENTS = [
    p.relative_to(ROOT / "pipeline").as_posix() for p in (ROOT / "pipeline").rglob("*") if p.suffix in {".jinja", ".js"}
]  # of pages
DVC = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]

LAYERS = [  # a module imports from its own layer or from an earlier one
    {"errors", "seeds", "files", "lineage", "markdown"},
    {"config", "datasets", "archives", "pictures", "setup", "params"},
    {
        "data",
        "duplicates",
        "metrics",
        "estimates",
        "roc",
        "calibration",
        "strategies",
        "model_card",
        "paired",
        "filters",
        "shortcut",
    },
    {"models", "space", "leaves", "batches", "precision"},
    {"optimizers", "prediction"},
    {"training", "experiment", "decisions"},
    {"jobs", "studies", "board", "schema"},
    {"database", "runs", "workers", "cluster", "tracking", "trials", "search", "layout", "study_figures"},
    {
        "champion",
        "publish",
        "preview",
        "shapes",
        "inside",
        "results",
        "performance",
        "probabilities",
        "subsets",
        "effects",
        "learning",
        "tables",
        "figures",
        "pages",
    },
    {"sections"},
    {"stages", "search_benchmark", "speed_benchmark", "memory_benchmark", "grid_benchmark", "benchmark"},
    {"cli", "__main__"},
]
OWNERS = {
    "captum": {"inside"},
    "mlflow": {"database", "tracking", "search_benchmark"},
    "optuna": {"decisions", "studies", "study_figures", "search", "trials", "search_benchmark"},
    "ray": {"cluster"},
    "rich": {"board"},
    "timm": {"models"},
    "ruamel": {"config"},
    "PIL": {"pictures", "duplicates", "figures", "speed_benchmark"},
    "httpx": {"stages"},
    "jinja2": {"pages"},
    "matplotlib": {"figures", "study_figures", "stages"},
    "seaborn": {"figures"},
}


def name(path: Path) -> str:
    """The part of the package that a file belongs to: `models` for pipeline/models/cnn.py."""
    return path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 20
    assert set(STAGES) == set(DVC)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name != "__init__.py" or p.parent.name != "pipeline"], ids=str
)
def test_imports_run_in_one_direction(path: Path) -> None:
    layer = {module: i for i, modules in enumerate(LAYERS) for module in modules}
    for target in imported(path):
        package, _, rest = target.partition(".")
        if package == "pipeline":
            part = rest.partition(".")[0]
            assert layer[part] <= layer[name(path)], f"{path} imports {target}"
            if name(path) == "stages":
                assert part != "stages", f"the stage {path.stem} imports a stage"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library: str) -> None:
    users = {name(p) for p in MODULES if any(i.partition(".")[0] == library for i in imported(p))}
    assert users
    assert users <= OWNERS[library]


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_knows_every_module_of_a_stage(stage: str) -> None:
    """So that a changed module reruns the stages that use it, and no other. `cli` only hands over paths and values."""
    closure = {p.relative_to(ROOT).as_posix() for p in import_closure(f"pipeline.stages.{stage}")}
    definition = DVC[stage].get("do", DVC[stage])
    assert {d for d in definition["deps"] if d.endswith(".py")} == closure


@pytest.mark.parametrize("stage", ["explore", "report", "summary"])
def test_dvc_knows_the_templates_of_a_page(stage: str) -> None:
    twin = f"{stage}.md.jinja"
    used, waiting = set(), [f"{stage}.jinja", *([twin] if twin in FRAGMENTS else [])]
    while waiting:
        template = waiting.pop()
        used.add(f"pipeline/{template}")
        text = (ROOT / "pipeline" / template).read_text()
        waiting += [name for name in FRAGMENTS if f'"{name}"' in text]
    definition = DVC[stage].get("do", DVC[stage])
    assert {d for d in definition["deps"] if d.endswith((".jinja", ".js"))} == used


def test_the_test_part_is_sealed() -> None:
    """Only evaluate reads it; what other stages tell of it stands in dataset.json."""
    readers = {
        s for s in STAGES for d in DVC[s].get("do", DVC[s])["deps"] if d.startswith("data/split") and "dev" not in d
    }
    assert readers == {"evaluate"}


def test_the_training_code_does_not_know_the_report() -> None:
    names = {p.stem for p in import_closure("pipeline.training")}
    assert not names & {"estimates", "figures", "pages", "params", "search", "tracking", "report"}
    assert {
        "cnn",
        "fast_cifar",
        "lenet",
        "mlp",
        "se_resnet",
        "timm_model",
        "unet_encoder",
        "batches",
        "metrics",
    } <= names


def test_no_weights_are_unpickled() -> None:
    for path in MODULES:
        text = path.read_text()
        assert text.count("torch.load(") == text.count("weights_only=True")
        assert "pickle.load" not in text

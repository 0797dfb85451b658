"""Every file between stages has a class with a path, and dvc.yaml declares the same paths."""

import ast
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.artifacts.layout import Layout, rebuild

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
OWNERS = {  # method of Layout -> the stage that writes there
    "raw": "download",
    "prepared": "prepare",
    "development": "split",
    "test": "split",
    "search": "search",
    "search_runs": "search",
    "evaluate": "evaluate",
    "evaluation_runs": "evaluate",
    "report_numbers": "report",
}


def outputs(stage: str) -> set[str]:
    """Of one stage below data/, for the item `x`."""
    outs = set()
    for out in STAGES[stage]["do"]["outs"]:
        path = next(iter(out)) if isinstance(out, dict) else out
        if path.startswith("data/"):
            outs.add(path.replace("${key}", "x").replace("${item}", "x"))
    return outs


def test_dvc_declares_the_paths_of_the_artifacts() -> None:
    layout = Layout(Path())
    paths: dict[str, set[str]] = {}
    for method, stage in OWNERS.items():
        paths.setdefault(stage, set()).add(str(getattr(layout, method)("x")))
    assert paths == {stage: outputs(stage) for stage in paths}
    others = [stage for stage in STAGES if stage not in paths and "do" in STAGES[stage]]
    assert not [path for stage in others for path in outputs(stage)]


def test_no_other_module_builds_a_path_of_an_artifact() -> None:
    modules = [path for path in (ROOT / "pipeline").rglob("*.py") if path.name != "layout.py"]
    assert len(modules) > 50
    for path in modules:
        texts = [n.value for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Constant)]
        assert not [
            text for text in texts if isinstance(text, str) and text.startswith("data/") and not set(" <") & set(text)
        ]


def test_an_artifact_names_the_command_that_writes_it() -> None:
    for method, stage in OWNERS.items():
        path = getattr(Layout(Path("/any/root")), method)("x")
        assert rebuild(path) == rebuild(path / "file.csv") == f"dvc repro {stage}@x"
    assert rebuild(Path("elsewhere/x")) == "dvc repro"

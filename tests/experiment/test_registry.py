"""Samplers and pruners are found by their files."""

from pathlib import Path

import pytest

from pipeline.core.code_digest import import_closure
from pipeline.experiment.registry import Pruner, Sampler, pruners, samplers
from pipeline.search.used_code import DECIDES_RESULTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("folder", "kinds"), [("samplers", samplers()), ("pruners", pruners())])
def test_each_class_is_found_by_name(folder: str, kinds: dict[str, type[Sampler | Pruner]]) -> None:
    """A file holds the one that it is named after; only Optuna's own share a file."""
    files = {path.stem for path in (ROOT / "pipeline/experiment" / folder).glob("*.py")} - {"__init__"}
    assert len(kinds) > 4
    assert {kind.__module__.rpartition(".")[2] for kind in kinds.values()} == files
    assert files - kinds.keys() == {"optuna"}
    assert all(kind.__module__.endswith((f"{folder}.{name}", f"{folder}.optuna")) for name, kind in kinds.items())
    assert all(kind().name == name for name, kind in kinds.items())


def test_an_edited_sampler_or_pruner_starts_a_new_study_and_the_reader_of_files_does_not() -> None:
    closure = set(import_closure(*DECIDES_RESULTS))
    folder = ROOT / "pipeline/experiment"
    assert closure >= {*(folder / "samplers").glob("*.py"), *(folder / "pruners").glob("*.py")}
    assert folder / "reader.py" not in closure
    assert ROOT / "pipeline/artifacts/search_result.py" not in closure

"""Searching again with equal results changes no file that evaluate reads, so no evaluation reruns."""

from pathlib import Path

import contract_data
from conftest import EXPERIMENT
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.runs import SearchRuns
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.stages import search


def searched(layout: Layout, *, fresh: bool = False) -> tuple[dict[str, bytes], SearchRuns]:
    """Search with two workers; return the files of data/search and the runs."""
    workspace = Workspace(layout.root, SearchSettings(workers=2))
    search.run(layout, "quick", "digits", workspace, fresh=fresh)
    folder = layout.search("quick")
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return files, SearchRuns.read(layout.search_runs("quick"))


def test_a_search_again_gives_the_same_files(digits_folder: Path, tmp_path: Path) -> None:
    experiment = EXPERIMENT.replace("trials: 5", "trials: 3")
    here = contract_data.project(tmp_path / "here", digits_folder, experiment)
    files, runs = searched(here)
    fresh_files, fresh_runs = searched(here, fresh=True)
    assert {"trials.csv", "curves.csv", "best.yaml", "study.json"} <= set(files)
    assert fresh_files == files
    assert fresh_runs.study == f"{runs.study}.2"
    assert {trial.run_id for trial in fresh_runs.trials}.isdisjoint(trial.run_id for trial in runs.trials)

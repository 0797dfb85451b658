"""A project whose experiment `quick` was really trained, evaluated and reported, with its database."""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contract_data import SETTINGS
from pipeline import cli
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.search_result import SearchResult
from pipeline.stages import report
from trained_examples import train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def reported(make_once: Callable[..., Path]) -> Path:
    """Return the root of the project; tests copy it."""
    return make_once("reported", _report)


def _report(root: Path) -> None:
    params = (ROOT / "params.yaml").read_text()
    (root / "params.yaml").write_text(params.replace("\n  digits: digits\n", "\n  quick: digits\n"))
    train(root)
    layout = Layout(root)
    searched = SearchResult.read(layout.search("quick"))
    curves = searched.curves.assign(val_sensitivity=np.nan, val_specificity=np.nan)  # as a search writes them
    replace(searched, curves=curves).write(layout.search("quick"))
    report.run(layout, "quick", SETTINGS)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that runs a command in a folder and returns its exit code."""

    def run(root: Path, *arguments: str) -> int:
        monkeypatch.chdir(root)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            cli.main(arguments)
        except SystemExit as end:
            return int(str(end.code))
        finally:
            signal.signal(signal.SIGTERM, handler)
        sys.exit("main returned")

    return run

"""What all tests share: the real digits, downloaded, prepared and split once, and an experiment on them."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two files are tested at a time

import pytest
from markdown_it import MarkdownIt

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.files import locked
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download, prepare, split

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return data/split/digits of a pipeline that ran on the real digits."""
    layout = Layout(tmp_path_factory.mktemp("digits"))
    (layout.root / "data").mkdir()
    shutil.copy(ROOT / "data/digits.yaml", layout.root / "data")
    download.run(layout, "digits", "data/digits.yaml", DownloadSettings(timeout_s=5, retries=0))
    prepare.run(layout, "digits")
    split.run(layout, "digits")
    return layout.split("digits")


@pytest.fixture(scope="session")
def make_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that fills a folder once although several processes test; each gets a copy of its own."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own  # basetemp of all processes

    def once(name: str, make: Callable[[Path], None]) -> Path:
        made = shared / f"once-{name}"
        with locked(shared / f"once-{name}.lock", name, wait=True):
            if not made.exists():
                part = tmp_path_factory.mktemp(f"{name}-part")
                make(part)
                part.rename(made)
        return Path(shutil.copytree(made, tmp_path_factory.mktemp(name), dirs_exist_ok=True))

    return once


@pytest.fixture(scope="session")
def empty_database(make_once: Callable[..., Path]) -> Path:
    """Return a new mlflow.db: creating its tables takes more than a second."""
    from pipeline.tracking.database import create_database

    def make(folder: Path) -> None:
        (folder / ".state").mkdir()
        create_database(folder)

    return make_once("database", make) / "mlflow.db"


@pytest.fixture
def with_database(empty_database: Path, tmp_path: Path) -> None:
    """Put a new mlflow.db into tmp_path."""
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")


@pytest.fixture(scope="session")
def development(digits_folder: Path) -> Samples:
    return Samples.read(digits_folder / "development")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start the chromium of the system."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs Playwright for Python")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


def markdown_html(text: str) -> str:
    """Return what a code host shows, except that bare links are not marked."""
    return str(MARKDOWN.render(text))


def markdown_rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, as a reader sees them."""
    rows: list[list[str]] = []
    inside = False
    for token in MARKDOWN.parse(text):
        if token.type in ("tr_open", "tr_close"):
            inside = token.type == "tr_open"
            rows += [[]] if inside else []
        elif token.type == "inline" and inside:
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


EXPERIMENT = """
question: Which network reads digits best?
dataset: digits
objective: accuracy
trials: 5
seed: 3
sampler: {name: tpe, startup_trials: 2}
pruner: {name: median, startup_trials: 1, warmup: 0.3}
fixed: {n_epochs: 3, optimizer: adamw, schedule: one_cycle}
baseline: {model: mlp, lr: 1e-3, batch_size: 64, mlp.width: 16}
space:
  model: [mlp, cnn]
  lr: {low: 1e-4, high: 1e-1, log: true}
  batch_size: [32, 64]
  mlp.width: {low: 8, high: 64}
  cnn.width: [4, 8]
"""


@pytest.fixture
def experiment_file(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT)
    return path

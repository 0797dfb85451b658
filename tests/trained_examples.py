"""A small data set of image files in class folders, with a model that was really trained on it."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

import contract_data
from described import describe
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.artifacts.search_result import SearchResult
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.stages import evaluate, prepare, split

N_PER_CLASS = 24
KINDS = (("JPEG", "L"), ("PNG", "RGB"), ("TIFF", "L"), ("PNG", "LA"))
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif"}


@dataclass(frozen=True)
class Trained:
    """A project with the evaluated experiment `quick`. files: the published ones, unpacked into two folders."""

    layout: Layout
    files: Path


def bars(k: int, kind: str, mode: str, *, upright: bool) -> bytes:
    """Draw bars on noise, a picture of its own for each k, 40 to 59 px wide and 40 px high."""
    rng = np.random.default_rng(k)
    width = 40 + k % 20
    pixels = rng.integers(0, 60, (40, width))
    index = np.arange(width)[None, :] if upright else np.arange(40)[:, None]
    pixels = pixels + np.where(index % 16 < 8, 120 + 2 * k, 20)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def published_files() -> dict[str, bytes]:
    files = {}
    for k in range(2 * N_PER_CLASS):
        kind, mode = KINDS[k // 2 % len(KINDS)]
        folder = "upright" if k % 2 else "level"
        files[f"{folder}/picture {k}{SUFFIXES[kind]}"] = bars(k, kind, mode, upright=bool(k % 2))
    return files


def train(root: Path) -> Trained:
    """Prepare, split and evaluate the data set `bars` under two seeds, with an MLflow database."""
    layout, files = Layout(root), published_files()
    for name, data in files.items():
        path = root / "published" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    describe(
        root,
        "bars",
        source={"folder": "published"},
        image={"px": 16, "channels": 1},
        duplicates={"max_bits": None},
        split={"seed": 1, "val": 0.25, "test": 0.25},
        positive={"classes": ["upright"], "meaning": "upright bars"},
    )
    prepare.run(layout, "bars")
    split.run(layout, "bars")
    contract_data.write_search(layout, "quick", Samples.read(layout.test("bars")).info)
    config = {"model": "cnn", "cnn.width": 8, "n_epochs": 1, "batch_size": 8, "lr": 0.002}
    result = replace(SearchResult.read(layout.search("quick")), winner=config, baseline={**config, "lr": 0.0005})
    result.write(layout.search("quick"))
    workspace = Workspace(root, SearchSettings(workers=1, threads=1))
    evaluate.run(layout, "quick", "bars", workspace, EvaluateSettings(n_seeds=3, min_sensitivity=0.9))
    return Trained(layout, root / "published")

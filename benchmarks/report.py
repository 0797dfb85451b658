"""How fast, how large, how soon: every promise of speed beside what it is measured against, as table and picture.

ratio: ours / reference, which is to be at least or at most the target.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import grid, memory, search_overhead, training_speed
from pipeline.core.files import write_json, writing
from pipeline.core.provenance import hardware
from pipeline.report.drawing import BLUE, ORANGE, canvas, png, styled

ROUNDS = 3
PANELS = {
    "at least": "More is better: ratio / target (orange: missed)",
    "at most": "Less is better: ratio / target (orange: missed)",
}


def run(root: Path) -> None:
    """Prints the table, and writes it and its picture to reports/. root: of the repository."""
    measured = chain(
        training_speed.rows(ROUNDS, root / "data/raw/brain_mri"),
        memory_rows(root),
        search_overhead.rows(ROUNDS),
        search_and_grid(root),
    )
    rows = [_shown(row, row["name"], row["ratio"]) for row in measured]
    scaling = [_shown(row, row["sampler"], row["workers"]) for row in search_overhead.scaling()]
    machine = hardware()
    content = {"machine": machine, "date": date.today().isoformat(), "rows": rows, "scaling": scaling}
    write_json(root / "reports/benchmark.json", content)
    write_chart(root / "reports/benchmark.png", rows)
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; median of {ROUNDS} rounds")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))
    print("\nOne coordinator whose trainings take no time (feeds: workers whose epochs take 1 s or 10 s)")
    print(pd.DataFrame(scaling).to_string(index=False, float_format="%.2f"))


def _shown(row: dict[str, Any], name: str, number: float) -> dict[str, Any]:
    """Says that a row is there: all of them take a while."""
    print(f"{name}: {number:.4g}", flush=True)
    return row


def memory_rows(root: Path) -> Iterator[dict[str, Any]]:
    for name, peak_gb in memory.peaks(root):
        target_gb = memory.TARGET_GB
        yield search_overhead.at_most(f"peak memory of training {name}", peak_gb, target_gb, "GB", 1)


def search_and_grid(root: Path) -> Iterator[dict[str, Any]]:
    """On MNIST; prints the reason where that is not there."""
    development, experiments = root / "data/split/mnist/development", root / "experiments"
    if development.is_dir():
        yield from grid.compare(experiments / "mnist_grid.yaml", experiments / "mnist.yaml", development)
    else:
        print(f"The search is not compared with a grid: {development} is missing; run: dvc repro split@mnist")


def write_chart(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with writing(path) as part:
        part.write_bytes(png(_chart(rows)))


@styled
def _chart(rows: Sequence[Mapping[str, Any]]) -> Any:
    """One panel for each aim; a bar per row, beside the line at 1 where the target lies."""
    panels = {aim: [row for row in rows if row["aim"] == aim] for aim in PANELS}
    panels = {aim: chosen for aim, chosen in panels.items() if chosen}
    n_rows = [len(chosen) for chosen in panels.values()]
    figure, axes = canvas(0.45 * len(rows) + 0.9 * len(panels), len(panels), height_ratios=[n + 1 for n in n_rows])
    for axis, (aim, chosen) in zip(axes[:, 0], panels.items(), strict=True):
        shares = [row["ratio"] / row["target"] for row in chosen]
        axis.barh(range(len(chosen)), shares, 0.35, color=[BLUE if row["met"] else ORANGE for row in chosen])
        for y, row in enumerate(chosen):
            above = {"xycoords": ("axes fraction", "data"), "va": "bottom", "fontsize": 8.5}
            axis.annotate(row["name"], (0.005, y - 0.2), **above)
            axis.annotate(f"{row['ratio']:.2f}, {aim} {row['target']:.3g}", (1, y - 0.2), ha="right", **above)
        axis.axvline(1, color="black", lw=1.2)
        axis.set(title=PANELS[aim], ylim=(len(chosen) - 0.6, -0.75), yticks=[], xlim=(0, max(1.3, *shares) * 1.02))
        axis.grid(axis="y", visible=False)
    return figure

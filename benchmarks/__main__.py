"""Measure every promise of speed and memory, print the table, and write it and its picture to reports/."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from itertools import chain
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks import grid, memory, search_overhead, training_speed
from benchmarks.measurement import Row
from pipeline.core.files import write_json, writing
from pipeline.core.provenance import hardware
from pipeline.report.drawing import BLUE, ORANGE, canvas, png, styled

ROUNDS = 3
TITLES = {
    "at least": "More is better: ratio / target (orange: missed)",
    "at most": "Less is better: ratio / target (orange: missed)",
}


def run(root: Path) -> None:
    """Run the benchmark. root: of the repository."""
    rows: list[Row] = []
    speed = training_speed.rows(ROUNDS, root / "data/raw/brain_mri")
    for row in chain(speed, memory.rows(root), search_overhead.rows(ROUNDS), grid.rows(root)):
        print(f"{row.name}: {row.ratio:.4g}", flush=True)  # each takes a while
        rows.append(row)
    scaling = []
    for ceiling in search_overhead.scaling():
        print(f"{ceiling.sampler}: {ceiling.workers}", flush=True)
        scaling.append(asdict(ceiling))
    records = [row.record() for row in rows]
    machine = hardware()
    content = {"machine": machine, "date": date.today().isoformat(), "rows": records, "scaling": scaling}
    write_json(root / "reports/benchmark.json", content)
    write_chart(root / "reports/benchmark.png", rows)
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; median of {ROUNDS} rounds")
    print(pd.DataFrame(records).to_string(index=False, float_format="%.2f"))
    print("\nOne coordinator whose trainings take no time (feeds: workers whose epochs take 1 s or 10 s)")
    print(pd.DataFrame(scaling).to_string(index=False, float_format="%.2f"))


def write_chart(path: Path, rows: Sequence[Row]) -> None:
    """Write a PNG."""
    with writing(path) as part:
        part.write_bytes(png(_chart(rows)))


@styled
def _chart(rows: Sequence[Row]) -> Figure:
    """Draw a panel per aim: a bar per row, and a line at 1, the target."""
    panels = {aim: chosen for aim in TITLES if (chosen := [row for row in rows if row.aim == aim])}
    ratios = [len(chosen) + 1 for chosen in panels.values()]
    figure, axes = canvas(0.45 * len(rows) + 0.9 * len(panels), len(panels), height_ratios=ratios)
    for axis, (aim, chosen) in zip(axes[:, 0], panels.items(), strict=True):
        shares = [row.ratio / row.target for row in chosen]
        axis.barh(range(len(chosen)), shares, 0.35, color=[BLUE if row.met else ORANGE for row in chosen])
        for y, row in enumerate(chosen):
            above_bar = {"xycoords": ("axes fraction", "data"), "va": "bottom", "fontsize": 8.5}
            axis.annotate(row.name, (0.005, y - 0.2), **above_bar)
            axis.annotate(f"{row.ratio:.2f}, {aim} {row.target:.3g}", (1, y - 0.2), ha="right", **above_bar)
        axis.axvline(1, color="black", lw=1.2)
        axis.set(title=TITLES[aim], ylim=(len(chosen) - 0.6, -0.75), yticks=[], xlim=(0, max(1.3, *shares) * 1.02))
        axis.grid(axis="y", visible=False)
    return figure


if __name__ == "__main__":
    run(Path())

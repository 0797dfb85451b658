from pathlib import Path

import numpy as np
import pytest

from pipeline.report.drawing import BLUE, GREY, ORANGE
from pipeline.report.sections.explanations import bars


def test_the_page_shows_examples_kernels_and_the_file_and_border_baseline(page: str, root: Path) -> None:
    section = page[page.index('id="explanations"') : page.index('id="reproduce"')]
    assert section.count("<img") == 5  # with the labels in doubt
    assert all(not figure.startswith(' class="drawn"') for figure in section.split("<figure")[1:])
    assert "seed 100: the best on val" in section
    assert "only width, border SD, fitted on train" in section
    assert "No notable shortcut of this kind" in section
    assert "2 layers, 160 parameters" in section
    size = sum(path.stat().st_size for path in (root / "reports/hostile/figures").iterdir())
    assert size < 1_500_000


def test_bars_show_the_likeliest_classes_and_always_the_truth() -> None:
    p = np.array([0.3, 0.25, 0.2, 0.15, 0.06, 0.04])
    shown = bars(p, 5, 0, ["a", "b", "c", "d", "e", "f"])
    assert [name for name, _, _ in shown] == ["a", "b", "c", "f", "2 others"]
    assert [value for _, value, _ in shown] == pytest.approx([0.3, 0.25, 0.2, 0.04, 0.21])
    assert [color for _, _, color in shown] == [ORANGE, GREY, GREY, BLUE, GREY]

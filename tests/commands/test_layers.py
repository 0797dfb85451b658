"""`pipeline layers` prints the layers of baseline and winner."""

from pathlib import Path

import pytest

import contract_data
from pipeline.artifacts.layout import Layout
from pipeline.commands import layers


def test_baseline_and_winner_are_printed(
    experiment_file: Path, digits_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(experiment_file.parent)
    given = experiment_file, digits_folder / "development", layout.search("quick")
    layers.run(*given)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "baseline: mlp, 1 x 8 x 8 to 10 classes"
    assert lines[-1] == f"{(64 + 1) * 16 + (16 + 1) * 16 + 17 * 10:,} parameters"
    assert not any(line.startswith("winner") for line in lines)
    contract_data.write_search(layout, "quick", contract_data.dataset_info("digits", list("0123456789"), []))
    best = layout.search("quick") / "best.yaml"
    winner = "{model: cnn, lr: 0.01, batch_size: 32, n_epochs: 1, cnn.width: 4}"
    best.write_text(f"winner: {winner}\nbaseline: {winner}\n")
    layers.run(*given)
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("winner: cnn, 1 x 8 x 8 to 10 classes")
    assert lines[at + 2].split() == ["0", "Conv2d", "4", "x", "8", "x", "8", "8", "x", "8", "40"]

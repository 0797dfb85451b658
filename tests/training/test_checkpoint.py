"""A training that dies resumes from its last epoch, and ends with the weights of its best one."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.artifacts.samples import Samples
from pipeline.core.errors import PipelineError
from pipeline.training.checkpoint import ResumableTraining
from pipeline.training.trainer import Trainer
from training_examples import MLP


def training(development: Samples, folder: Path, objective: str = "accuracy", seed: int = 1) -> ResumableTraining:
    trainer = Trainer(MLP, development, seed)
    return ResumableTraining(trainer, objective, weights=folder / "weights", checkpoint=folder / "checkpoint")


def test_a_resumed_training_repeats_its_epochs_and_ends_as_if_uninterrupted(
    development: Samples, tmp_path: Path
) -> None:
    first = list(islice(training(development, tmp_path).epochs(), 2))
    resumed = training(development, tmp_path)
    assert resumed.trainer.n_done == 2
    epochs = list(resumed.epochs())
    resumed.save_weights()
    (tmp_path / "whole").mkdir()
    whole = training(development, tmp_path / "whole")
    assert [epoch.val_loss for epoch in whole.epochs()] == [epoch.val_loss for epoch in epochs]
    whole.save_weights()
    assert epochs[:2] == first  # seconds included
    assert (tmp_path / "weights").read_bytes() == (tmp_path / "whole/weights").read_bytes()
    assert (resumed.best.epoch, resumed.best.score) == (whole.best.epoch, whole.best.score)


def test_the_weights_are_those_of_the_best_epoch(development: Samples, tmp_path: Path) -> None:
    resumable = training(development, tmp_path)
    states = []
    epochs = []
    for epoch in resumable.epochs():
        epochs.append(epoch)
        states.append({name: value.clone() for name, value in resumable.trainer.trained.state_dict().items()})
    resumable.save_weights()
    best = max(epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    assert resumable.best.epoch == best.epoch
    assert resumable.best.score == best.val_accuracy
    saved = load_file(tmp_path / "weights")
    assert all(torch.equal(saved[name], value) for name, value in states[best.epoch - 1].items())


def flip_a_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [flip_a_byte, lambda content: content[:-1], lambda content: b""])
def test_a_damaged_checkpoint_is_ignored(
    damage: Callable[[bytes], bytes], development: Samples, tmp_path: Path
) -> None:
    next(training(development, tmp_path).epochs())
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    assert training(development, tmp_path).trainer.n_done == 0


def test_a_checkpoint_of_another_training_is_ignored(development: Samples, tmp_path: Path) -> None:
    next(training(development, tmp_path).epochs())
    assert training(development, tmp_path, seed=2).trainer.n_done == 0
    assert training(development, tmp_path, objective="macro_f1").trainer.n_done == 0
    assert training(development, tmp_path).trainer.n_done == 1


def test_a_checkpoint_that_cannot_be_written_stops_the_run(development: Samples) -> None:
    resumable = ResumableTraining(Trainer(MLP, development, 1), "accuracy", checkpoint=Path("/proc/checkpoint"))
    with pytest.raises(PipelineError, match="checkpoints cannot be written in /proc"):
        next(resumable.epochs())

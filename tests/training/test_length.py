"""Trainings of a part of their steps: short schedules, starts of long ones, and how they continue."""

import math
from pathlib import Path

import pytest
import torch

from pipeline.artifacts.samples import Samples
from pipeline.training.checkpoint import ResumableTraining
from pipeline.training.length import Length
from pipeline.training.trainer import Trainer
from training_examples import AUGMENTED, MLP, RESUMABLE

LINEAR = {**MLP, "schedule": "linear", "n_epochs": 4}


def test_checks_are_counted_in_steps() -> None:
    assert Length().checks(7, 3) == [7, 14, 21]
    assert Length((1 / 9, 1 / 3)).checks(10, 9) == [10, 30]
    assert Length((0.15,)).checks(10, 1) == [2]
    assert Length((0.001,)).checks(10, 1) == [1]
    assert Length((1 / 3,)).scheduled(10, 9) == 30
    assert Length((1 / 3,), whole=False).scheduled(10, 9) == 90


@pytest.mark.parametrize("share", [0.1, 0.3, 0.75, 1.0])
def test_a_short_training_takes_its_share_of_the_steps_and_checks_val_once(share: float, development: Samples) -> None:
    trainer = Trainer(LINEAR, development, seed=1, length=Length((share,)))
    epochs = list(trainer.epochs())
    n_steps = round(share * 4 * trainer.batches.n_steps)
    assert (trainer.n_steps_done, trainer.is_done) == (n_steps, True)
    assert [epoch.epoch for epoch in epochs] == [math.ceil(n_steps / trainer.batches.n_steps)]
    assert trainer.slices[-1][0] == n_steps
    assert epochs[0].lr == pytest.approx(0, abs=1e-9)  # the schedule ends with the training


def test_the_start_of_a_full_schedule_keeps_its_rate(development: Samples) -> None:
    trainer = Trainer(LINEAR, development, seed=1, length=Length((0.25,), whole=False))
    (start,) = trainer.epochs()
    first = next(iter(Trainer(LINEAR, development, seed=1).epochs()))
    assert (start.lr, start.val_loss) == (first.lr, first.val_loss)  # a quarter is the first of four epochs
    assert not trainer.is_done


@pytest.mark.parametrize("config", [LINEAR, *RESUMABLE.values()])
def test_a_start_continues_where_it_stopped(config: dict, development: Samples, scans: Samples, tmp_path: Path) -> None:
    samples = scans if config["model"] == "whitened_cnn" else development

    def train(stops: tuple[float, ...], folder: Path) -> tuple[ResumableTraining, list]:
        trainer = Trainer({**config, "n_epochs": 4}, samples, seed=1, length=Length(stops, whole=False))
        training = ResumableTraining(trainer, "accuracy", checkpoint=folder / "checkpoint")
        return training, list(training.epochs())

    train((0.15,), tmp_path)
    _, [first, second] = train((0.15, 0.5), tmp_path)  # the first is that of the checkpoint
    continued, epochs = train((0.15, 0.5, 1.0), tmp_path)
    assert epochs[:2] == [first, second]  # seconds included: trained once
    (tmp_path / "at once").mkdir()
    at_once, others = train((0.15, 0.5, 1.0), tmp_path / "at once")
    assert [epoch.val_loss for epoch in epochs] == [epoch.val_loss for epoch in others]
    ours, theirs = (training.trainer.model.state_dict() for training in (continued, at_once))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_stops_at_the_ends_of_epochs_change_no_weights(development: Samples) -> None:
    whole, stopped = (Trainer(AUGMENTED, development, 1, length=Length(stops)) for stops in ((), (0.5, 1.0)))
    assert [epoch.val_loss for epoch in whole.epochs()] == [epoch.val_loss for epoch in stopped.epochs()]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), stopped.model.parameters(), strict=True))


def test_a_checkpoint_of_another_length_is_not_continued(development: Samples, tmp_path: Path) -> None:
    for share in (0.25, 0.5):
        trainer = Trainer(LINEAR, development, seed=1, length=Length((share,), whole=True))
        training = ResumableTraining(trainer, "accuracy", checkpoint=tmp_path / "checkpoint")
        assert trainer.n_steps_done == 0
        training._save()  # as if its last step had been the last one before a stop
        next(iter(training.epochs()))

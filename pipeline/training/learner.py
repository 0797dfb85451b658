"""A model in training, and everything that changes with it from step to step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.training.config import Training
from pipeline.training.optimizers import registry as optimizers
from pipeline.training.precision import TrainingPrecision
from pipeline.training.schedules import registry as schedules


class Learner:
    """A model with its loss, optimizer, learning-rate schedule, averaged weights and precision."""

    def __init__(
        self, model: nn.Module, config: Training, *, n_steps: int, class_weights: Tensor | None = None
    ) -> None:
        """n_steps: of the whole training. class_weights: (K,), or None to weight all images alike."""
        self.model = model
        self.criterion = nn.CrossEntropyLoss(class_weights, label_smoothing=config.label_smoothing)
        self.optimizer = optimizers()[config.optimizer](model, config)
        self.schedule = schedules()[config.schedule](self.optimizer, n_steps)
        self.average: AveragedModel | None = None
        if config.ema_decay:
            mean = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(model, multi_avg_fn=mean, use_buffers=True)
        self.clip_norm = config.clip_norm
        self.precision = TrainingPrecision("float32" if config.precision == "auto" else config.precision, self.device)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def trained(self) -> nn.Module:
        """The model, or the running average of its weights."""
        return self.average.module if self.average else self.model

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group."""
        return float(self.schedule.get_last_lr()[0])

    def use_precision(self, name: str) -> None:
        """Compute products in this format from now on."""
        self.precision = TrainingPrecision(name, self.device)

    def step(self, batch: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step; return the loss before it, a scalar, and the predicted classes (B,)."""
        with self.precision.forward_pass():
            logits = self.model(batch)  # (B, K)
        loss = self.criterion(logits.float(), labels)
        scaler = self.precision.scaler
        self.optimizer.zero_grad()
        scaler.scale(loss).backward()
        if self.clip_norm:
            scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        scaler.step(self.optimizer)
        scaler.update()
        self.schedule.step()
        if self.average:
            self.average.update_parameters(self.model)
        return loss.detach(), logits.argmax(1)

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        return {
            "precision": self.precision.name,
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.average else {},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the state of a learner made with the same arguments."""
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.use_precision(state["precision"])
        if state["scaler"]:
            self.precision.scaler.load_state_dict(state["scaler"])

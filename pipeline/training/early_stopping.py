"""Early stopping: a training ends once the validation loss has not improved for `patience` epochs."""

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """patience: epochs; 0: never stop."""

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = 0

    def update(self, epoch: int, val_loss: float) -> None:
        if val_loss < self.best_loss:
            self.best_loss = val_loss
            self.best_epoch = epoch

    def is_due(self, n_done: int) -> bool:
        """Return whether to stop after this many epochs."""
        return self.patience > 0 and n_done - self.best_epoch >= self.patience

"""One row of a learning curve."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over `train` and its check on `val`.

    Losses in nats per image, rates over images. The train values are means over the pass, in training mode and
    augmented, as the weights change; the val values are those of the weights after it. lr: at the end of the pass.
    """

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    train_macro_f1: float
    val_loss: float
    val_accuracy: float
    val_macro_f1: float
    val_sensitivity: float | None  # of calling the positive classes together; None without any
    val_specificity: float | None
    lr: float
    seconds: float

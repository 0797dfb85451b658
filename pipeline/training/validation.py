"""The score of a model on the validation images, after every epoch."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from pipeline.statistics.scores import confusion_matrix, log_loss
from pipeline.training.network import ModelDescription
from pipeline.training.prediction import predict


@dataclass(frozen=True)
class Validation:
    """The part `val`. images: (N, H, W, C) uint8; labels: (N,); positive: (K,) bool, the positive classes."""

    images: np.ndarray
    labels: np.ndarray
    positive: np.ndarray

    def measure(self, model: nn.Module, description: ModelDescription) -> tuple[float, np.ndarray]:
        """Return the mean log loss, nats per image, and the confusion matrix (K, K), rows are the truth."""
        probabilities = predict(model, description, self.images)
        confusion = confusion_matrix(self.labels, probabilities.argmax(1), len(self.positive))
        return float(log_loss(probabilities, self.labels)), confusion

    def rates(self, confusion: np.ndarray) -> tuple[float, float] | tuple[None, None]:
        """Return sensitivity and specificity, with all positive classes taken together; None without any."""
        if not self.positive.any():
            return None, None
        positive, negative = confusion[self.positive], confusion[~self.positive]
        sensitivity = positive[:, self.positive].sum() / positive.sum()
        specificity = negative[:, ~self.positive].sum() / negative.sum()
        return float(sensitivity), float(specificity)

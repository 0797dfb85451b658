"""Shared: a few generated scans."""

import numpy as np
import pytest

from pipeline.artifacts.samples import Samples
from training_examples import samples_of


@pytest.fixture(scope="module")
def scans() -> Samples:
    """24 grey images of 16 px in two classes, 8 of them to validate on."""
    images = np.random.default_rng(1).integers(0, 100, (24, 16, 16, 1))
    bright = 100 * (np.arange(24) % 2)
    return samples_of((images + bright[:, None, None, None]).astype(np.uint8), n_train=16)

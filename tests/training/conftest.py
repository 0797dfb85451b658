"""Shared: a few generated scans."""

import numpy as np
import pandas as pd
import pytest

from pipeline.artifacts.samples import Samples


@pytest.fixture(scope="module")
def scans() -> Samples:
    """24 grey images of 16 px in two classes, 8 of them to validate on."""
    rng = np.random.default_rng(1)
    label = np.arange(24) % 2
    images = (rng.integers(0, 100, (24, 16, 16, 1)) + 100 * label[:, None, None, None]).astype(np.uint8)
    table = pd.DataFrame({"part": ["train"] * 16 + ["val"] * 8, "label": label, "group": [f"g{i}" for i in range(24)]})
    return Samples(images, table, {"digest": "0", "classes": ["a", "b"], "positive": []})

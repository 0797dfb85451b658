"""TODO artifacts.report_numbers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.tables import write_csv

SHARED = ["sample", "group", "label"]  # equal where two test parts are the same; the other columns: one per seed


def write_test_predictions(
    path: Path,
    shared: tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.int64]],
    predicted: Mapping[int, NDArray[np.int64]],
) -> None:
    """One row per test image. shared: (N,) each, in the order of SHARED; predicted: seed -> (N,) class."""
    table = pd.DataFrame(dict(zip(SHARED, shared, strict=True)) | {f"seed {seed}": p for seed, p in predicted.items()})
    write_csv(path, table)


def read_test_predictions(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"sample": str})

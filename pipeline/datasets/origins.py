"""Where published images come from: their collection and, where known, their patient.

origins.csv holds, for each image found again in an older collection: `sample`, the first 12 digits of the sha256 of
the published file; `origin`, the collection; `slice`, its number there; `patient` and `family`, running numbers of the
patient and of the identifiers that differ in their last letter alone; `bits` and `correlation`, two measures of the
match. docs/derive_origins.py derives it from public files.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

ORIGINS = Path(__file__).with_suffix(".csv")


def origins_of(sha256s: Sequence[str]) -> pd.DataFrame:
    """Return origin and patient of published images, as N rows of text, empty where unknown."""
    known = _origins()
    rows = known.reindex([sha256[:12] for sha256 in sha256s])
    patient = (rows["origin"] + "-" + rows["patient"]).where(rows["patient"] != "")
    return pd.DataFrame({"origin": rows["origin"], "patient": patient}).fillna("").reset_index(drop=True)


def families_of(sha256s: Sequence[str]) -> list[str]:
    """Return the numbers of the identifiers of patients that differ in their last letter alone, empty where unknown."""
    return list(_origins()["family"].reindex([sha256[:12] for sha256 in sha256s]).fillna(""))


@cache
def _origins() -> pd.DataFrame:
    return pd.read_csv(ORIGINS, dtype=str, keep_default_na=False).set_index("sample")


def join_patients(copies: NDArray[np.int64], patients: Sequence[str]) -> NDArray[np.int64]:
    """Return (N,) group numbers: copies joined with copies of the same patient, transitively.

    copies: (N,) numbers of groups of copies. patients: (N,), empty where unknown; such an image joins its copies alone.
    """
    patient = pd.factorize(pd.Series(patients))[0]
    known = np.array([name != "" for name in patients], np.bool_)
    n_copies = int(copies.max()) + 1
    edges = (np.ones(known.sum(), np.bool_), (copies[known], n_copies + patient[known]))  # a node per group and patient
    n_nodes = n_copies + int(patient.max()) + 1
    joined = connected_components(coo_matrix(edges, shape=(n_nodes, n_nodes)), directed=False)[1]
    return np.asarray(joined[copies], np.int64)

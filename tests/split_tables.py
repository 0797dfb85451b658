"""Generated tables of samples for the tests of the split."""

import numpy as np
import pandas as pd


def table_of(groups: list[tuple[str, int, str]]) -> pd.DataFrame:
    """Return one row per (group, label, official part)."""
    table = pd.DataFrame(groups, columns=["group", "label", "official_part"])
    table["class"] = table["label"].map(lambda k: f"c{k}")
    table["copies"] = table["group"]
    return table


def random_table(n_groups: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = rng.geometric(0.4, n_groups)
    return table_of([(f"g{g:04d}", g % 3, "") for g in range(n_groups) for _ in range(sizes[g])])

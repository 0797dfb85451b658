"""The test images that explain a model: those it gets wrong with the most confidence, and some that it gets right."""

import numpy as np
import pandas as pd

N_ERRORS, N_HITS, N_SCANS = 6, 4, 2


def choose_examples(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the most confident errors of a seed, then confident hits of different classes; one image per group.

    scan: feature maps of the image are kept: those of the first hits, or of the first errors if there is no hit.
    n_wrong: seeds that err on the image. predictions: of the winner on test.
    """
    wrong = predictions["predicted"] != predictions["label"]
    n_wrong = wrong.groupby(predictions["sample"]).sum()
    table = predictions[predictions["seed"] == seed].drop(columns=["model", "seed", "part"])
    probabilities = table.filter(regex="^p_").to_numpy()
    table = table.assign(
        kind=np.where(table["predicted"] == table["label"], "hit", "error"),
        n_wrong=table["sample"].map(n_wrong),
        confidence=probabilities[np.arange(len(table)), table["predicted"]],
    )
    table = table.sort_values(["kind", "confidence", "sample"], ascending=[True, False, True])  # errors before hits
    table = table.drop_duplicates("group")
    table["rank"] = table.groupby(["kind", "label"]).cumcount()
    errors = table[table["kind"] == "error"]
    hits = table[table["kind"] == "hit"]
    # each class once before any class twice
    hits = hits.sort_values(["rank", "confidence", "sample"], ascending=[True, False, True])
    shown = pd.concat([errors.head(N_ERRORS), hits.head(N_HITS)], ignore_index=True)
    best = shown.index[shown["kind"] == "hit"] if len(hits) else shown.index
    shown["scan"] = shown.index.isin(best[:N_SCANS])
    names = ["kind", "scan", "sample", "group", "label", "predicted", "n_wrong"]
    return shown[[*names, *table.filter(regex="^p_")]]

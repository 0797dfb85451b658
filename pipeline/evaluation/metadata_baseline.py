"""What a classifier finds out from how a file was made, without looking at what the image shows."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from pipeline.artifacts.samples import Samples

FEATURES = ("width", "height", "format", "mode", "border mean", "border SD")
MOST_IMAGES = 10_000  # drawn per tree, so that large data sets take seconds


def features(samples: Samples, known: pd.DataFrame) -> pd.DataFrame:
    """(N, 6) numbers under FEATURES; format and mode as their rank among those of `known`, -1 for others.

    Sizes in pixels of the published file; border: the outermost ring of pixels of the prepared image, 0 to 255.
    """
    table, ring = samples.table, border(samples.images)
    kinds = {name: pd.Index(sorted(set(known[name]))).get_indexer(table[name]) for name in ("format", "mode")}
    columns = [table["width"], table["height"], kinds["format"], kinds["mode"], ring.mean(axis=1), ring.std(axis=1)]
    return pd.DataFrame(dict(zip(FEATURES, map(np.asarray, columns), strict=True)), dtype=float)


def border(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, P * C) values of the outermost ring of pixels, each once. images: (N, H, W, C)."""
    _, height, width, _ = images.shape
    at = np.ones((height, width), dtype=bool)
    at[1:-1, 1:-1] = False
    ring: NDArray[np.uint8] = np.asarray(images)[:, at].reshape(len(images), -1)
    return ring


def predict_from_files(development: Samples, test: Samples) -> tuple[NDArray[np.float64], list[str]]:
    """A random forest fitted on the train part.

    Returns its class probabilities on test (N, K), and the features that vary in train. Equal inputs give equal values.
    """
    train = (development.table["part"] == "train").to_numpy()
    known = development.table[train]
    seen, asked = features(development, known)[train], features(test, known)
    labels = known["label"].to_numpy(np.int64)
    forest = RandomForestClassifier(
        min_samples_leaf=5, max_samples=min(MOST_IMAGES, len(labels)), random_state=0, n_jobs=1
    )
    forest.fit(seen, labels)
    probabilities = np.zeros((len(asked), len(test.info.classes)))
    probabilities[:, forest.classes_] = forest.predict_proba(asked)
    return probabilities, [name for name in FEATURES if seen[name].nunique() > 1]

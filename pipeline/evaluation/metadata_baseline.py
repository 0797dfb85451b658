"""The file and border baseline: classifiers that see properties of the file, and at most the outermost pixels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from pipeline.artifacts.image_rows import chunks
from pipeline.artifacts.samples import Samples

FILE_FEATURES = ("width", "height", "format", "mode")
FEATURES = (*FILE_FEATURES, "border mean", "border SD")
MAX_IMAGES_PER_TREE = 10_000  # keeps large data sets within seconds


def features(samples: Samples, train: pd.DataFrame) -> pd.DataFrame:
    """Return (N, 6) numbers, one column for each of FEATURES.

    Width and height: of the published file, pixels. Format and mode: their rank among those of `train`, -1 for others.
    Border: the outermost ring of pixels of the prepared image, 0 to 255.
    """
    table, rings = samples.table, (border(chunk) for chunk in chunks(samples.images))
    means, deviations = np.concatenate([(ring.mean(axis=1), ring.std(axis=1)) for ring in rings], axis=1)
    ranks = {name: pd.Index(sorted(set(train[name]))).get_indexer(table[name]) for name in ("format", "mode")}
    columns = [table["width"], table["height"], ranks["format"], ranks["mode"], means, deviations]
    return pd.DataFrame(dict(zip(FEATURES, map(np.asarray, columns), strict=True)), dtype=float)


def border(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, P * C), the values of the outermost ring of pixels, each once. images: (N, H, W, C)."""
    _, height, width, _ = images.shape
    in_ring = np.ones((height, width), dtype=bool)
    in_ring[1:-1, 1:-1] = False
    return np.asarray(images)[:, in_ring].reshape(len(images), -1)


def predict_from_metadata(
    development: Samples, test: Samples, seen: Sequence[str] = FEATURES
) -> tuple[NDArray[np.float64], list[str]]:
    """Return class probabilities (N, K) for test, and the features that vary in train. seen: of FEATURES.

    A random forest is fitted on the train part. Equal inputs give equal values.
    """
    in_train = (development.table["part"] == "train").to_numpy()
    train = development.table[in_train]
    train_features = features(development, train).loc[in_train, list(seen)]
    labels = train["label"].to_numpy(np.int64)
    n_per_tree = min(MAX_IMAGES_PER_TREE, len(labels))
    forest = RandomForestClassifier(min_samples_leaf=5, max_samples=n_per_tree, random_state=0, n_jobs=1)
    forest.fit(train_features, labels)
    probabilities = np.zeros((len(test.table), len(test.info.classes)))
    probabilities[:, forest.classes_] = forest.predict_proba(features(test, train)[list(seen)])
    return probabilities, [name for name in seen if train_features[name].nunique() > 1]

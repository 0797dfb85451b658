"""Find the pictures that two data sets share, as copies are found within one."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import Samples
from pipeline.datasets.duplicates import equal_pixels, near_pairs, perceptual_hashes

Hashes = list[NDArray[np.bool_]]  # of the pictures as they are, and mirrored


def shared_pictures(data: Mapping[str, Samples]) -> dict[tuple[str, str], pd.DataFrame | str]:
    """Return for each pair of data sets its pairs of copies (row in the first, row in the second, bits that differ).

    In place of the pairs, the reason why the data sets cannot be compared.
    """
    hashes: dict[str, Hashes] = {
        name: perceptual_hashes(samples.images, samples.info.hash_size)
        for name, samples in data.items()
        if samples.info.near_duplicate_bits is not None
    }
    return {
        (a, b): _near(data[a], data[b], hashes[a], hashes[b]) if {a, b} <= hashes.keys() else _equal(data[a], data[b])
        for a, b in combinations(data, 2)
    }


def _near(a: Samples, b: Samples, of_a: Hashes, of_b: Hashes) -> pd.DataFrame | str:
    """Return the pairs within the smaller of the two thresholds, the nearer mirror image of each."""
    if a.info.hash_size != b.info.hash_size:
        return f"hashes of {a.info.hash_size}² and {b.info.hash_size}² bits cannot be compared"
    max_bits = min(bits for bits in (a.info.near_duplicate_bits, b.info.near_duplicate_bits) if bits is not None)
    tables = [pd.DataFrame({"a": [], "b": [], "bits": []}, dtype=np.int64)]
    for mirrored in of_b:
        for i, j in near_pairs(of_a[0], mirrored, max_bits, of_one_set=False):
            tables.append(pd.DataFrame({"a": i, "b": j, "bits": (of_a[0][i] != mirrored[j]).sum(axis=1)}))
    pairs = pd.concat(tables).sort_values(["a", "b", "bits"])
    return pairs.drop_duplicates(["a", "b"], ignore_index=True)


def _equal(a: Samples, b: Samples) -> pd.DataFrame | str:
    if a.info.image_shape != b.info.image_shape:
        shapes = " and ".join(" × ".join(map(str, of.info.image_shape)) for of in (a, b))
        return f"pictures of {shapes} cannot have equal pixels"
    picture = equal_pixels(a.images, b.images)
    tables = (pd.DataFrame({"picture": part}) for part in np.split(picture, [len(a.images)]))
    of_a, of_b = (table.rename_axis(name).reset_index() for table, name in zip(tables, "ab", strict=True))
    return of_a.merge(of_b, on="picture")[["a", "b"]].assign(bits=0)

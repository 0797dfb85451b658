"""Pictures that data sets share: equal, near-equal and mirrored ones, and what cannot be compared."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import contract_data
from pipeline.artifacts.samples import Samples
from pipeline.datasets.overlap import shared_pictures


def samples(images: NDArray[np.uint8], near_duplicate_bits: int | None, hash_size: int = 16) -> Samples:
    values = {"near_duplicate_bits": near_duplicate_bits, "hash_size": hash_size, "image_shape": images.shape[1:]}
    return Samples(images, pd.DataFrame(), contract_data.MRI.model_copy(update=values))


def smooth(n: int, px: int, seed: int) -> NDArray[np.uint8]:
    """Return pictures whose low frequencies differ, (n, px, px, 1)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 8, 8))
    return np.kron(coarse, np.ones((px // 8, px // 8))).astype(np.uint8)[..., None]


def test_copies_are_recognised_at_another_size_mirrored_and_among_others() -> None:
    first, others = smooth(5, 64, seed=1), smooth(4, 32, seed=2)
    smaller = first[:, ::2, ::2]
    second = np.concatenate([others, smaller[2:3], smaller[3:4, :, ::-1], smaller[3:4, ::-1]])
    result = shared_pictures({"first": samples(first, 32), "second": samples(second, 40)})
    pairs = result["first", "second"]
    assert isinstance(pairs, pd.DataFrame)
    assert pairs[["a", "b"]].to_numpy().tolist() == [[2, 4], [3, 5], [3, 6]]
    assert pairs["bits"].max() <= 32


def test_the_smaller_threshold_counts() -> None:
    first = smooth(1, 64, seed=1)
    noisy = np.clip(first + np.random.default_rng(0).normal(0, 60, first.shape), 0, 255).astype(np.uint8)
    far = shared_pictures({"a": samples(first, 128), "b": samples(noisy, 128)})["a", "b"]
    assert isinstance(far, pd.DataFrame)
    assert far["bits"].item() > 0
    near = shared_pictures({"a": samples(first, 128), "b": samples(noisy, 0)})["a", "b"]
    assert isinstance(near, pd.DataFrame)
    assert near.empty


def test_without_a_threshold_pixels_must_be_equal() -> None:
    first = smooth(3, 8, seed=1)
    second = np.concatenate([first[1:2], first[1:2], first[2:3] ^ 1])
    result = shared_pictures({"a": samples(first, None), "b": samples(second, None), "c": samples(second, 32)})
    for pair in (("a", "b"), ("a", "c")):
        pairs = result[pair]
        assert isinstance(pairs, pd.DataFrame)
        assert pairs.to_numpy().tolist() == [[1, 0, 0], [1, 1, 0]]


def test_what_cannot_be_compared_has_a_reason() -> None:
    small, large = samples(smooth(2, 8, seed=1), None), samples(smooth(2, 16, seed=1), 32)
    other = samples(smooth(2, 16, seed=1), 32, hash_size=8)
    result = shared_pictures({"small": small, "large": large, "other": other})
    assert "8 × 8 × 1 and 16 × 16 × 1" in str(result["small", "large"])
    assert "hashes" in str(result["large", "other"])

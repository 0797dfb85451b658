"""Perceptual hashes against imagehash, pairs against an exhaustive search, groups of changed copies."""

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pipeline.datasets import duplicates
from pipeline.datasets.duplicates import equal_pixels, group_names, group_rows, near_pairs, perceptual_hashes


def smooth(n: int, seed: int = 0, px: int = 64) -> np.ndarray:
    """(n, px, px, 1) pictures of random blobs."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.asarray(Image.fromarray(x).resize((px, px), Image.Resampling.BICUBIC))
            for x in rng.integers(0, 256, (n, 12, 12), np.uint8)
        ]
    )[..., None]


def changed(images: np.ndarray, how) -> np.ndarray:
    return np.stack([np.asarray(how(Image.fromarray(x[..., 0]))) for x in images])[..., None]


def same_partition(a, b) -> bool:
    return all(len({(x, y) for x, y in zip(a, b, strict=True)}) == len(set(c)) for c in (a, b))


def test_equal_pixels_gives_the_first_row():
    images = smooth(3)[[0, 1, 0, 2, 1, 0]]
    assert equal_pixels(images).tolist() == [0, 1, 0, 3, 1, 0]


@pytest.mark.parametrize("hash_size", [8, 16])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_hashes_are_those_of_imagehash(hash_size, n_channels):
    images = np.concatenate([smooth(20, seed) for seed in range(n_channels)], axis=-1)
    hashes = perceptual_hashes(images, hash_size)
    flips = (images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1])
    for ours, flipped in zip(hashes, flips, strict=True):
        pictures = [Image.fromarray(x[..., 0] if n_channels == 1 else x) for x in np.ascontiguousarray(flipped)]
        expected = np.stack([imagehash.phash(p, hash_size).hash.ravel() for p in pictures])
        # resizing rounds a mirrored picture as its original, so that only a tie with the median could differ
        assert (ours != expected).sum(axis=1).max() <= 1
        assert (ours != expected).mean() < 1e-3


@pytest.mark.parametrize("max_bits", [0, 3, 20])
def test_near_pairs_are_those_of_an_exhaustive_search(monkeypatch, max_bits):
    monkeypatch.setattr(duplicates, "BLOCK_ROWS", 7)
    rng = np.random.default_rng(0)
    a = rng.random((40, 64)) < 0.5
    a[20:] = a[:20] ^ (rng.random((20, 64)) < 0.05)
    b = a[rng.permutation(40)]
    for other in (a, b):
        pairs = np.concatenate(list(near_pairs(a, other, max_bits)), axis=1)
        expected = {(i, j) for i in range(40) for j in range(i + 1, 40) if (a[i] != other[j]).sum() <= max_bits}
        assert set(zip(*pairs.tolist(), strict=True)) == expected
        assert pairs.shape[1] == len(expected)
    assert max_bits < 3 or expected


def test_changed_copies_join_and_other_pictures_do_not():
    originals = smooth(12)
    brighter = changed(originals[:4], lambda im: ImageEnhance.Brightness(im).enhance(1.1))
    resized = changed(originals[4:8], lambda im: im.resize((40, 40)).resize((64, 64)))
    mirrored = np.concatenate([originals[8:10, :, ::-1], originals[10:11, ::-1], originals[11:12, ::-1, ::-1]])
    images = np.concatenate([originals, brighter, resized, mirrored])
    assert same_partition(group_rows(images, equal_pixels(images), 32, 16).tolist(), list(range(12)) * 2)
    # without a distance only equal pixels count
    assert len(set(group_rows(images, equal_pixels(images), None, 16))) == 24


def test_groups_join_transitively(monkeypatch):
    hashes = np.zeros((4, 64), bool)
    hashes[1, :3] = hashes[2, :6] = True  # 0 - 1 - 2 in steps of 3 bits, 3 far away
    hashes[3, 30:] = True
    monkeypatch.setattr(duplicates, "perceptual_hashes", lambda images, hash_size: [hashes])
    assert same_partition(group_rows(smooth(4), equal_pixels(smooth(4)), 3, 8).tolist(), [0, 0, 0, 1])
    assert same_partition(group_rows(smooth(4), equal_pixels(smooth(4)), 2, 8).tolist(), [0, 1, 2, 3])


def test_equal_pixels_join_however_far_their_hashes(monkeypatch):
    """Hashes are taken of distinct pictures only; their copies must follow them."""
    images = smooth(3)[[2, 0, 1, 0, 2]]
    assert same_partition(group_rows(images, equal_pixels(images), 0, 8).tolist(), [0, 1, 2, 1, 0])


def test_group_names_are_the_smallest_hash():
    sha256s = ["c" * 64, "a" * 64, "b" * 64]
    assert group_names(np.array([5, 9, 5]), sha256s) == ["b" * 12, "a" * 12, "b" * 12]

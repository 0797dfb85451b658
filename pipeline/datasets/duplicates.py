"""Find copies of a picture: equal pixels, then near-equal or mirrored ones, joined transitively into groups.

The threshold of near-duplicates is `duplicates.max_bits` in the file of each data set.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dct
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.artifacts.image_rows import ImageRows, Images, chunks
from pipeline.core.progress import track
from pipeline.datasets.description import OVERSAMPLING

BLOCK_ROWS = 2048  # rows and columns of a tile of the all-pairs product: 16 MB of float32


def equal_pixels(*parts: Images) -> NDArray[np.int64]:
    """Return (N,): the first row with the same pixels; rows are numbered across the parts. parts: (n, H, W, C)."""
    first: dict[bytes, int] = {}
    rows: list[int] = []
    for images in parts:
        for chunk in chunks(images):
            for image in chunk:
                rows.append(first.setdefault(hashlib.sha256(image.tobytes()).digest(), len(rows)))
    return np.array(rows, np.int64)


def group_rows(
    images: Images, first: NDArray[np.int64], near_duplicate_bits: int | None, hash_size: int
) -> NDArray[np.int64]:
    """Return (N,) group numbers. images: (N, H, W, C); first: (N,), see equal_pixels.

    near_duplicate_bits: largest Hamming distance of perceptual hashes that joins; None joins only equal pixels.
    """
    edges = [np.stack([np.arange(len(images)), first])]  # (2, E)
    if near_duplicate_bits is not None:
        distinct = np.unique(first)
        hashes, *mirrored = perceptual_hashes(ImageRows(images, distinct), hash_size)
        # brain_mri holds most slices a second time as a mirror image, left to right or top to bottom
        for other in (hashes, *mirrored):
            edges += [distinct[pairs] for pairs in near_pairs(hashes, other, near_duplicate_bits)]
    a, b = np.concatenate(edges, axis=1)
    graph = coo_matrix((np.ones(len(a), np.bool_), (a, b)), shape=(len(images), len(images)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def perceptual_hashes(images: Images, hash_size: int) -> list[NDArray[np.bool_]]:
    """Compute imagehash.phash of many pictures: which of the lowest cosine frequencies exceed their median.

    images: (N, H, W, C) of 1 or 3 channels. Returns four arrays (N, hash_size**2): of the pictures as they are,
    mirrored left to right, mirrored top to bottom, and mirrored both ways.
    """
    side = hash_size * OVERSAMPLING
    # mirroring turns the sign of the odd frequencies along its axis
    odd = np.where(np.arange(hash_size) % 2, -1, 1)
    mirrors = (1, odd[None, :], odd[:, None], odd[:, None] * odd[None, :])
    hashes: list[list[NDArray[np.bool_]]] = [[], [], [], []]
    for start in track(range(0, len(images), BLOCK_ROWS), "perceptual hash", unit="blocks"):
        block = images[start : start + BLOCK_ROWS]
        grey = (Image.fromarray(x).convert("L") for x in (block[..., 0] if block.shape[-1] == 1 else block))
        small = np.stack([np.asarray(x.resize((side, side), Image.Resampling.LANCZOS), np.float64) for x in grey])
        low = dct(dct(small, axis=1)[:, :hash_size], axis=2)[:, :, :hash_size]
        for blocks, mirror in zip(hashes, mirrors, strict=True):
            flat = (low * mirror).reshape(len(low), -1)
            blocks.append(flat > np.median(flat, axis=1, keepdims=True))
    return [np.concatenate(blocks) for blocks in hashes]


def near_pairs(
    a: NDArray[np.bool_], b: NDArray[np.bool_], max_bits: int, *, of_one_set: bool = True
) -> Iterator[NDArray[np.int64]]:
    """Yield (2, pairs), tile by tile: all i, j where a[i] and b[j] differ in at most max_bits bits. a, b: (N, B).

    of_one_set: i and j number the same pictures, so i < j suffices.
    """
    least = a.shape[1] - 2 * max_bits
    for top in range(0, len(a), BLOCK_ROWS):
        signs_a = signs(a[top : top + BLOCK_ROWS])
        for left in range(top if of_one_set else 0, len(b), BLOCK_ROWS):
            products = signs_a @ signs(b[left : left + BLOCK_ROWS]).T  # signs of all rows would take 1 KiB per image
            if products.max() < least:  # most tiles hold no pair, and this is cheaper than looking for one
                continue
            i, j = np.nonzero(products >= least)
            pairs = np.stack([i + top, j + left]).astype(np.int64)
            yield pairs[:, pairs[0] < pairs[1]] if of_one_set else pairs


def signs(bits: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return 1 and -1 for the bits: the product of two rows of B signs is B - 2 x differing bits."""
    return np.where(bits, np.float32(1), np.float32(-1))


def group_names(groups: NDArray[np.int64], sha256s: Sequence[str]) -> list[str]:
    """Return (N,) names: the first 12 hex digits of the smallest sha256 in each row's group."""
    smallest: dict[int, str] = {}
    for group, sha256 in zip(groups.tolist(), sha256s, strict=True):
        smallest[group] = min(sha256, smallest.get(group, sha256))
    return [smallest[group][:12] for group in groups.tolist()]

"""Which rows show the same picture: equal pixels, then near-equal or mirrored ones, joined transitively."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dct
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

BLOCK_ROWS = 1024  # of the all-pairs product: 1024 x 60,000 float32 are 245 MB
OVERSAMPLING = 4  # side of the picture that is transformed, in hash sides; as imagehash.phash has it


def equal_pixels(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """images: (N, H, W, C). Returns (N,) the first row with the same pixels, itself if it is the first."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(hashlib.sha256(x.tobytes()).digest(), i) for i, x in enumerate(images)], np.int64)


def group_rows(images: NDArray[np.uint8], near_duplicate_bits: int | None, hash_size: int) -> NDArray[np.int64]:
    """images: (N, H, W, C). Returns (N,) group numbers; near_duplicate_bits None joins only equal pixels."""
    first = equal_pixels(images)
    edges = [np.stack([np.arange(len(images)), first])]  # (2, E)
    if near_duplicate_bits is not None:
        distinct = np.unique(first)
        hashes, mirrored = perceptual_hashes(images[distinct], hash_size)
        edges += [distinct[pairs] for pairs in near_pairs(hashes, hashes, near_duplicate_bits)]
        # most healthy slices of brain_mri were published a second time as their mirror image
        edges += [distinct[pairs] for pairs in near_pairs(hashes, mirrored, near_duplicate_bits)]
    a, b = np.concatenate(edges, axis=1)
    graph = coo_matrix((np.ones(len(a), np.bool_), (a, b)), shape=(len(images), len(images)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def perceptual_hashes(images: NDArray[np.uint8], hash_size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The hash of imagehash.phash, many pictures at a time.

    images: (N, H, W, C) of 1 or 3 channels. Returns (N, hash_size**2) of the pictures and of their mirror images:
    which of the lowest cosine frequencies lie above their median.
    """
    side = hash_size * OVERSAMPLING
    squeezed = images[..., 0] if images.shape[-1] == 1 else images
    hashes, mirrored = [], []
    for start in tqdm(range(0, len(images), BLOCK_ROWS), desc="perceptual hash", disable=None):
        small = np.stack(
            [
                np.asarray(Image.fromarray(x).convert("L").resize((side, side), Image.Resampling.LANCZOS))
                for x in squeezed[start : start + BLOCK_ROWS]
            ]
        ).astype(np.float64)  # (block, side, side)
        low = dct(dct(small, axis=1)[:, :hash_size], axis=2)[:, :, :hash_size]
        hashes.append(_above_median(low))
        low[:, :, 1::2] *= -1  # mirroring turns the sign of the odd horizontal frequencies
        mirrored.append(_above_median(low))
    return np.concatenate(hashes), np.concatenate(mirrored)


def _above_median(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """values: (N, h, h). Returns (N, h * h)."""
    flat = values.reshape(len(values), -1)
    return flat > np.median(flat, axis=1, keepdims=True)


def near_pairs(a: NDArray[np.bool_], b: NDArray[np.bool_], max_bits: int) -> Iterator[NDArray[np.int64]]:
    """a, b: (N, B). Yields (2, pairs) of i < j where a[i] and b[j] differ in at most max_bits bits, block by block."""
    n_bits = a.shape[1]
    signs_a, signs_b = (np.where(x, np.float32(1), np.float32(-1)) for x in (a, b))
    for start in range(0, len(a), BLOCK_ROWS):
        # the product of two rows of signs is B - 2 x differing bits
        products = signs_a[start : start + BLOCK_ROWS] @ signs_b[start:].T  # (block, N - start)
        i, j = np.nonzero(products >= n_bits - 2 * max_bits)
        later = i < j
        yield np.stack([i[later], j[later]]).astype(np.int64) + start


def group_names(groups: NDArray[np.int64], sha256s: Sequence[str]) -> list[str]:
    """(N,) names: the first 12 hex digits of the smallest sha256 in each row's group."""
    smallest: dict[int, str] = {}
    for group, sha256 in zip(groups.tolist(), sha256s, strict=True):
        smallest[group] = min(sha256, smallest.get(group, sha256))
    return [smallest[group][:12] for group in groups.tolist()]

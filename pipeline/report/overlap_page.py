"""The page of all data sets: the images and patients they share, and where their images come from."""

from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import DEVELOPMENT, Samples
from pipeline.report.dataset_page import draw_mosaic, origin_rows
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import percent
from pipeline.report.pages import Table, write_page

N_EXAMPLES = 8
Shared = Mapping[tuple[str, str], pd.DataFrame | str]  # rows of the copies in both, or why they cannot be compared


class Overlap(NamedTuple):
    """What two data sets share, as a page shows it."""

    names: tuple[str, str]
    classes: Table
    example: Picture | None


def write_overlap_page(data: Mapping[str, Samples], shared: Shared, folder: Path) -> None:
    """Write index.html, its Markdown twin and the figures. data: prepared samples by name, with their parts."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)  # DVC expects it, also where nothing is shared
    copies = {names: pairs for names, pairs in shared.items() if isinstance(pairs, pd.DataFrame) and len(pairs)}
    overlaps = [
        Overlap(names, class_table(names, data, pairs), _example(names, data, pairs)) for names, pairs in copies.items()
    ]
    write_page(
        folder,
        "overlap_page.jinja",
        [overlap.example for overlap in overlaps if overlap.example],
        infos={name: samples.info for name, samples in data.items()},
        medical=any(samples.info.medical for samples in data.values()),
        pairs=[
            _pair_row(names, data, shared[names]) for names in sorted(shared, key=lambda names: names not in copies)
        ],
        overlaps=overlaps,
        leaks=leak_rows(data, copies),
        sources=[[name, *row] for name, samples in data.items() for row in _sources(samples)],
    )


def _pair_row(names: tuple[str, str], data: Mapping[str, Samples], pairs: pd.DataFrame | str) -> list[str]:
    """Return names, numbers of images with a copy in the other, agreement of labels, and patients in both."""
    of_both = _patients(data[names[0]]) & _patients(data[names[1]])
    if isinstance(pairs, str):
        return [" and ".join(names), f"not compared: {pairs}", "–", "–", f"{len(of_both):,}"]
    counts = (f"{pairs[key].nunique():,} of {len(data[name].table):,}" for key, name in zip("ab", names, strict=True))
    return [" and ".join(names), *counts, agreement(names, data, pairs), f"{len(of_both):,}"]


def _patients(samples: Samples) -> set[str]:
    return set(samples.table["patient"]) - {""}


def _labels(names: tuple[str, str], data: Mapping[str, Samples]) -> list[NDArray[np.str_]] | None:
    """Return the labels of both data sets in common words: their classes if equal, else positive and negative."""
    infos = [data[name].info for name in names]
    if infos[0].classes == infos[1].classes:
        return [data[name].table["class"].to_numpy(str) for name in names]
    if not all(info.positive for info in infos):
        return None
    positive = [info.is_positive[data[info.name].table["label"]] for info in infos]
    return [np.where(of, "positive", "negative") for of in positive]


def _agree(names: tuple[str, str], data: Mapping[str, Samples], pairs: pd.DataFrame) -> NDArray[np.bool_] | None:
    labels = _labels(names, data)
    return None if labels is None else np.asarray(labels[0][pairs["a"]] == labels[1][pairs["b"]])


def agreement(names: tuple[str, str], data: Mapping[str, Samples], pairs: pd.DataFrame) -> str:
    """Return in how many pairs of copies both data sets give the same label."""
    agree = _agree(names, data, pairs)
    if agree is None or not len(agree):
        return "–"
    return f"{agree.sum():,} of {len(agree):,} pairs"


def class_table(names: tuple[str, str], data: Mapping[str, Samples], pairs: pd.DataFrame) -> Table:
    """Return the shared images by class in both: images of the first / images of the second."""
    of_pair = [
        pd.Series(data[name].table["class"].to_numpy()[pairs[key]]) for key, name in zip("ab", names, strict=True)
    ]
    counts = pairs.reset_index(drop=True).groupby(of_pair)[["a", "b"]].nunique()
    cells = {key: f"{n_a:,} / {n_b:,}" for key, (n_a, n_b) in zip(counts.index, counts.to_numpy(), strict=True)}
    classes = [data[name].info.classes for name in names]
    rows = [[own, *(cells.get((own, other), "–") for other in classes[1])] for own in classes[0]]
    n = f"{pairs['a'].nunique():,} images of {names[0]} and {pairs['b'].nunique():,} of {names[1]}"
    return Table(
        f"Shared images by class in {names[0]} (rows) and {names[1]} (columns); n: {n}",
        [f"{names[0]} / {names[1]}", *classes[1]],
        rows,
        note=f"Each cell: images of {names[0]} / images of {names[1]} that are copies of each other.",
    )


def leak_rows(data: Mapping[str, Samples], copies: Mapping[tuple[str, str], pd.DataFrame]) -> list[list[str]]:
    """Return what would leak if a model trained on one data set was judged on another, for pairs that share anything.

    Images judged: all with a copy in the other, of a patient in the other, and of a group with either.
    """
    rows = []
    for trained, judged in permutations(data, 2):
        table = data[judged].table
        has_copy = np.zeros(len(table), np.bool_)
        if (trained, judged) in copies:
            has_copy[copies[trained, judged]["b"]] = True
        elif (judged, trained) in copies:
            has_copy[copies[judged, trained]["a"]] = True
        has_patient = table["patient"].isin(_patients(data[trained])).to_numpy()
        leaking = table["group"].isin(table.loc[has_copy | has_patient, "group"])
        if not leaking.any():
            continue
        patients = len(_patients(data[trained]) & _patients(data[judged]))
        counts = (len(table), has_copy.sum(), has_patient.sum(), patients, leaking.sum())
        rows.append([trained, judged, *(f"{n:,}" for n in counts), percent(float(leaking.mean()))])
    return rows


def _sources(samples: Samples) -> list[list[str]]:
    table = samples.table
    return origin_rows(table) or [["all", "as published", f"{len(table):,}", f"{table['copies'].nunique():,}", "0"]]


def example_pairs(names: tuple[str, str], data: Mapping[str, Samples], pairs: pd.DataFrame) -> pd.DataFrame:
    """Return pairs outside all test parts, each image once: those whose labels differ first, then the most doubtful."""
    agree = _agree(names, data, pairs)
    pairs = pairs.assign(agree=True if agree is None else agree)
    for key, name in zip("ab", names, strict=True):
        is_development = data[name].table["part"].isin(DEVELOPMENT).to_numpy()
        pairs = pairs[is_development[pairs[key]]]
    pairs = pairs.sort_values(["agree", "bits"], ascending=[True, False], kind="stable")
    return pairs.drop_duplicates("a").drop_duplicates("b").head(N_EXAMPLES)


def _example(names: tuple[str, str], data: Mapping[str, Samples], pairs: pd.DataFrame) -> Picture | None:
    """Draw one picture above the other; None if each pair has an image of a test part."""
    chosen = example_pairs(names, data, pairs)
    if chosen.empty:
        return None
    px = max(data[name].images.shape[1] for name in names)
    images = {
        name: _enlarged(np.asarray(data[name].images[chosen[key].to_numpy()]), px)
        for key, name in zip("ab", names, strict=True)
    }
    classes = [data[name].table["class"].iloc[chosen[key]] for key, name in zip("ab", names, strict=True)]
    labels = ", ".join("/".join(pair) for pair in zip(*classes, strict=True))
    return Picture(
        f"{names[0]}-{names[1]}",
        png(draw_mosaic(images, N_EXAMPLES)),
        drawn=False,
        alt=f"Grid of {len(chosen)} images of {names[0]} above their copies in {names[1]}, labelled {labels}.",
        caption=f"Copies in both, as they are or mirrored, those whose hashes differ most (n = {len(chosen)}, none of "
        f"a test part); labels from left to right: {labels}.",
    )


def _enlarged(images: NDArray[np.uint8], px: int) -> NDArray[np.uint8]:
    """Return images (n, px, px, C), by the nearest pixel."""
    nearest = np.arange(px) * images.shape[1] // px
    return images[:, nearest][:, :, nearest]

"""Prepare a data set: decode its published images, put them into canonical order, and describe each in a table."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline.artifacts.samples import DatasetInfo, label_conflicts
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.progress import track
from pipeline.core.yaml_document import Integer, Strict
from pipeline.datasets.decoding import COMPARED_PX, DecodedImage, decode_image
from pipeline.datasets.duplicates import OVERSAMPLING, equal_pixels, group_names
from pipeline.datasets.registry import DatasetSpec, RawImage

N_DECODERS = 2  # threads; Pillow decodes without the interpreter lock
N_AHEAD = 64  # records in flight, so that a packed file is never whole in memory


class PrepareSettings(Strict):
    """`datasets.<name>.prepare` of params.yaml."""

    image_px: Annotated[Integer, Field(ge=4, le=1024, description="side of the prepared square image, pixels")]
    near_duplicate_bits: Annotated[Integer, Field(ge=0)] | None = Field(
        description="largest Hamming distance of two perceptual hashes in one group; null: equal pixels only"
    )
    hash_size: Annotated[
        Integer, Field(ge=4, le=COMPARED_PX // OVERSAMPLING, description="perceptual hash of hash_size**2 bits")
    ]


def check_image_px(spec: DatasetSpec, image_px: int) -> None:
    """Raise ConfigError if published pixels would be resized."""
    if spec.native_shape and (side := spec.native_shape[0]) != image_px:
        raise ConfigError(f"datasets.{spec.name}.prepare.image_px: must be {side}, the published size, got {image_px}")


def read_pictures(spec: DatasetSpec, raw: Path, image_px: int) -> tuple[list[RawImage], list[DecodedImage]]:
    """Return all images, without their data, and their pictures, in the canonical order that no mirror changes.

    Raises DataError that lists every unusable file.
    """
    published = spec.published
    records: list[RawImage] = []
    pictures: list[DecodedImage] = []
    problems: list[str] = []
    decoded = decode_records(published.read(raw), image_px)
    for record, picture in track(decoded, spec.name, total=sum(published.n_images.values()), unit="images"):
        records.append(replace(record, data=b""))
        if isinstance(picture, DataError):
            problems.append(f"{record.source}: {picture}")
        elif record.label is None:
            problems.append(f"{record.source}: is not inside a class folder")
        else:
            pictures.append(picture)
    if problems:
        problems += published.wrong_digests(published.digests_of(records))
        raise DataError(f"{spec.name}: {raw} holds files that cannot be used", problems)
    if not pictures:
        raise DataError(f"{spec.name}: {raw} holds no images")
    order = sorted(range(len(records)), key=lambda i: (records[i].sha256, records[i].source))
    return [records[i] for i in order], [pictures[i] for i in order]


def decode_records(records: Iterable[RawImage], image_px: int) -> Iterator[tuple[RawImage, DecodedImage | DataError]]:
    """Yield each record with its picture, or with the reason why it has none, in order."""
    with ThreadPoolExecutor(N_DECODERS) as pool:
        ahead: deque[tuple[RawImage, Future[DecodedImage | DataError]]] = deque()
        for record in records:
            ahead.append((record, pool.submit(_decode, record.data, image_px)))
            if len(ahead) == N_AHEAD:
                done, future = ahead.popleft()
                yield done, future.result()
        for done, future in ahead:
            yield done, future.result()


def _decode(data: bytes | NDArray[np.uint8], image_px: int) -> DecodedImage | DataError:
    if not isinstance(data, bytes):
        height, width, n_channels = data.shape
        mode = "L" if n_channels == 1 else "RGB"
        return DecodedImage(data, data, "raw", mode, width=width, height=height)
    try:
        return decode_image(data, image_px)
    except DataError as error:
        return error


def sample_table(
    spec: DatasetSpec, records: list[RawImage], pictures: list[DecodedImage], *, groups: NDArray[np.int64]
) -> pd.DataFrame:
    """Return samples.csv. groups: (N,) group numbers."""
    table = pd.DataFrame(
        {
            "sample": [r.sha256[:12] for r in records],
            "label": [r.label for r in records],
            "class": [spec.classes[r.label] for r in records if r.label is not None],
            "group": group_names(groups, [r.sha256 for r in records]),
            "official_part": [r.official_part for r in records],
            "source": [r.source for r in records],
            "format": [p.format for p in pictures],
            "mode": [p.mode for p in pictures],
            "width": [p.width for p in pictures],
            "height": [p.height for p in pictures],
            "sha256": [r.sha256 for r in records],
        }
    )
    copy = table.groupby("sample").cumcount()  # 0 for the first of equal files, then 1, 2, ...
    table["sample"] = table["sample"].where(copy == 0, table["sample"] + "-" + (copy + 1).astype(str))
    return table


def dataset_info(
    spec: DatasetSpec, settings: PrepareSettings, *, digests: dict[str, str], counts: dict[str, int]
) -> DatasetInfo:
    """Return dataset.json."""
    positive = spec.positive
    return DatasetInfo(
        name=spec.name,
        classes=list(spec.classes),
        positive=list(positive.names) if positive else [],
        positive_meaning=positive.meaning if positive else None,
        medical=bool(positive and positive.medical),
        keeps_official_test=spec.keeps_official_test,
        image_shape=spec.native_shape or (settings.image_px, settings.image_px, 1),
        counts=counts,
        digests=digests,
        terms=spec.reference.terms,
        citation=spec.reference.citation,
        source_url=spec.reference.url,
        image_px=settings.image_px,
        near_duplicate_bits=settings.near_duplicate_bits,
        hash_size=settings.hash_size,
    )


def count_samples(table: pd.DataFrame, compared: NDArray[np.uint8]) -> dict[str, int]:
    """Count images, groups and label conflicts. compared: (N, h, w, C) by which copies were found."""
    conflict = label_conflicts(table)
    n_groups = int(table["group"].nunique())
    return {
        "images": len(table),
        "distinct_files": int(table["sha256"].nunique()),
        "distinct_pictures": len(np.unique(equal_pixels(compared))),
        "groups": n_groups,
        "largest_group": int(table["group"].value_counts().iloc[0]),
        "duplicates": len(table) - n_groups,
        "label_conflict_groups": int(table.loc[conflict, "group"].nunique()),
        "label_conflict_images": int(conflict.sum()),
        "kept_images": int((~conflict).sum()),
    }

"""TODO datasets.preparation."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline.artifacts.samples import DatasetInfo, Samples, label_conflicts
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.progress import track
from pipeline.core.yaml_document import Integer, Strict
from pipeline.datasets.decoding import DecodedImage, decode_image
from pipeline.datasets.duplicates import equal_pixels, group_names, group_rows
from pipeline.datasets.registry import DatasetSpec, RawImage, check_digests, file_digests, find_spec


class PrepareSettings(Strict):
    image_px: Annotated[Integer, Field(ge=4, le=1024, description="side of the prepared square image, pixels")]
    near_duplicate_bits: Annotated[Integer, Field(ge=0)] | None = Field(
        description="largest Hamming distance of two perceptual hashes in one group; null: equal pixels only"
    )
    hash_size: Annotated[Integer, Field(ge=4, le=32, description="perceptual hash of hash_size**2 bits")]


N_DECODERS = 2  # threads; Pillow decodes without the interpreter lock
N_AHEAD = 64  # records in flight, so that a packed file is never whole in memory


def prepare_dataset(
    dataset: str, raw: Path, out: Path, image_px: int, near_duplicate_bits: int | None, hash_size: int
) -> None:
    """near_duplicate_bits: largest Hamming distance of perceptual hashes that joins; None joins only equal pixels."""
    spec = find_spec(dataset)
    if spec.native_px not in (None, image_px):
        raise ConfigError(f"prepare.{dataset}.image_px: must be {spec.native_px}, the published size, got {image_px}")
    digests = file_digests(spec, raw)
    if problems := check_digests(spec, digests):
        raise DataError(f"{dataset}: raw files changed; run the download stage again", problems)
    records, pictures = _read_all(spec, raw, image_px)
    digests |= spec.content_digests(records)
    if problems := check_digests(spec, digests):
        raise DataError(f"{dataset}: {raw} does not hold the published images; run the download stage again", problems)

    order = sorted(range(len(records)), key=lambda i: (records[i].sha256, records[i].source))
    records, pictures = [records[i] for i in order], [pictures[i] for i in order]
    images = np.stack([p.pixels for p in pictures])  # (N, H, W, C)
    groups = group_rows(images, near_duplicate_bits, hash_size)
    table = _table(spec, records, pictures, groups)
    info = DatasetInfo(
        name=spec.name,
        classes=list(spec.classes),
        positive=list(spec.positive),
        positive_meaning=spec.positive_meaning,
        medical=spec.medical,
        keeps_official_test=spec.keeps_official_test,
        image_shape=images.shape[1:],
        counts=_counts(table, images),
        digests=digests,
        terms=spec.terms,
        citation=spec.citation,
        source_url=spec.source_url,
        image_px=image_px,
        near_duplicate_bits=near_duplicate_bits,
        hash_size=hash_size,
    )
    Samples(images, table, info).write(out)


def _read_all(spec: DatasetSpec, raw: Path, image_px: int) -> tuple[list[RawImage], list[DecodedImage]]:
    """All records, without their data, and their pictures. Raises DataError that lists every unusable file."""
    records: list[RawImage] = []
    pictures: list[DecodedImage] = []
    problems: list[str] = []
    for record, picture in track(decoded(spec.read(raw), image_px), spec.name, unit="images"):
        if isinstance(picture, DataError):
            problems.append(f"{record.source}: {picture}")
        elif record.label is None:
            problems.append(f"{record.source}: stands in no class folder")
        else:
            pictures.append(picture)
        records.append(replace(record, data=b""))
    if problems:
        problems += check_digests(spec, spec.content_digests(records))
        raise DataError(f"{spec.name}: {raw} holds files that cannot be used", problems)
    if not pictures:
        raise DataError(f"{spec.name}: {raw} holds no images")
    return records, pictures


def decoded(records: Iterable[RawImage], image_px: int) -> Iterator[tuple[RawImage, DecodedImage | DataError]]:
    """Each record with its picture, or with what is wrong with it; in order."""
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
        return DecodedImage(data, "raw", "L" if n_channels == 1 else "RGB", width, height)
    try:
        return decode_image(data, image_px)
    except DataError as error:
        return error


def _table(
    spec: DatasetSpec, records: list[RawImage], pictures: list[DecodedImage], groups: NDArray[np.int64]
) -> pd.DataFrame:
    """samples.csv; records in canonical order."""
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


def _counts(table: pd.DataFrame, images: NDArray[np.uint8]) -> dict[str, Any]:
    conflict = label_conflicts(table)
    return {
        "images": len(table),
        "distinct_files": int(table["sha256"].nunique()),
        "distinct_pictures": len(np.unique(equal_pixels(images))),
        "groups": int(table["group"].nunique()),
        "largest_group": int(table["group"].value_counts().iloc[0]),
        "duplicates": len(table) - int(table["group"].nunique()),
        "label_conflict_groups": int(table.loc[conflict, "group"].nunique()),
        "label_conflict_images": int(conflict.sum()),
        "kept_images": int((~conflict).sum()),
    }

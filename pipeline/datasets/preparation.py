"""Prepare a data set: decode its published images, put them into canonical order, and describe each in a table."""

import io
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field

from pipeline.artifacts.samples import DatasetInfo, label_conflicts
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.progress import track
from pipeline.core.yaml_document import Integer, Strict
from pipeline.datasets.duplicates import OVERSAMPLING, equal_pixels, group_names
from pipeline.datasets.origins import families_of, join_patients, origins_of
from pipeline.datasets.registry import DatasetSpec, RawImage

FORMATS = ("JPEG", "PNG", "TIFF")
MAX_PIXELS = 50_000_000  # the largest published slice has 3.6 million; a small PNG can claim 20,000 x 20,000
COMPARED_PX = 64  # copies are sought at this fixed size, so that groups and parts do not depend on image_px
N_DECODERS = 2  # threads; Pillow decodes without the interpreter lock
N_AHEAD = 64  # records in flight, so that a packed file is never whole in memory

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


class PrepareSettings(Strict):
    """`datasets.<name>.prepare` of params.yaml."""

    image_px: Annotated[Integer, Field(ge=4, le=1024, description="side of the prepared square image, pixels")]
    near_duplicate_bits: Annotated[Integer, Field(ge=0)] | None = Field(
        description="largest Hamming distance of two perceptual hashes in one group; null: equal pixels only"
    )
    hash_size: Annotated[
        Integer, Field(ge=4, le=COMPARED_PX // OVERSAMPLING, description="perceptual hash of hash_size**2 bits")
    ]


@dataclass(frozen=True)
class DecodedImage:
    """A decoded picture at two sizes, and what its file looked like before conversion and resizing."""

    pixels: NDArray[np.uint8]  # (image_px, image_px, 1), or the published pixels (H, W, C)
    compared: NDArray[np.uint8]  # (COMPARED_PX, COMPARED_PX, 1) by which copies are found, or the published pixels
    format: str
    mode: str
    width: int
    height: int


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
        return DecodedImage(data, data, "raw", "L" if n_channels == 1 else "RGB", width=width, height=height)
    try:
        return decode_image(data, image_px)
    except DataError as error:
        return error


def decode_image(data: bytes, image_px: int) -> DecodedImage:
    """Decode an image file to one grey channel of image_px x image_px; the aspect ratio is not kept.

    Raises DataError with the reason if the file is unreadable, or its mode does not define grey values.
    """
    if not data:
        raise DataError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            stored = (str(image.format), image.mode, image.width, image.height)
            pixels = compared = _grey_pixels(image, image_px)
        if image_px != COMPARED_PX:  # decode again, since the pixels of a JPEG depend on the size it is decoded for
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                compared = _grey_pixels(image, COMPARED_PX)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"not a {', '.join(FORMATS)} file") from error
    except Exception as error:  # a damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error
    return DecodedImage(pixels, compared, *stored)


def _grey_pixels(image: Image.Image, px: int) -> NDArray[np.uint8]:
    """Return (px, px, 1)."""
    # Pillow opens what a JPEG container holds, e.g. the several pictures of an MPO
    if (n_frames := getattr(image, "n_frames", 1)) != 1:
        raise DataError(f"must hold one picture, got {n_frames}")
    # lets a JPEG decode at the smallest scale that still has twice the target's side; other formats ignore it
    image.draft("L", (2 * px, 2 * px))
    grey = _one_channel(ImageOps.exif_transpose(image))
    resized = grey.resize((px, px), Image.Resampling.BILINEAR)  # Pillow widens the filter when it shrinks: no aliasing
    return np.asarray(resized, np.uint8)[:, :, None]


def _one_channel(image: Image.Image) -> Image.Image:
    """Convert to mode L. Transparent pixels are composited over black, the background of a slice."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, np.uint16) // 257).astype(np.uint8))  # 65535 -> 255
    if image.mode in ("I", "F"):
        raise DataError(f"mode {image.mode}: 32-bit values do not define white")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert("L")


def sample_table(
    spec: DatasetSpec, records: list[RawImage], pictures: list[DecodedImage], *, copies: NDArray[np.int64]
) -> pd.DataFrame:
    """Return samples.csv. copies: (N,) numbers of groups of copies."""
    labels = [r.label for r in records]
    sha256s = [r.sha256 for r in records]
    sample = pd.Series([sha256[:12] for sha256 in sha256s], dtype=str)
    copy = sample.groupby(sample).cumcount()  # 0 for the first of equal files, then 1, 2, ...
    origins = origins_of(sha256s)
    return pd.DataFrame(
        {
            "sample": sample.where(copy == 0, sample + "-" + (copy + 1).astype(str)),
            "label": labels,
            "class": [spec.classes[label] for label in labels if label is not None],
            "copies": group_names(copies, sha256s),
            "group": group_names(join_patients(copies, list(origins["patient"])), sha256s),
            "origin": origins["origin"],
            "patient": origins["patient"],
            "official_part": [r.official_part for r in records],
            "source": [r.source for r in records],
            **{key: [getattr(p, key) for p in pictures] for key in ("format", "mode", "width", "height")},
            "sha256": sha256s,
        }
    )


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
        **settings.model_dump(),
    )


def count_samples(table: pd.DataFrame, compared: NDArray[np.uint8]) -> dict[str, int]:
    """Count images, groups and label conflicts. compared: (N, h, w, C) by which copies were found."""
    conflict = label_conflicts(table)
    patient = table["patient"][table["patient"] != ""]
    families = families_of(list(table["sha256"]))
    joined = join_patients(pd.factorize(table["copies"])[0], families)
    sensitivity = {"groups_if_similar_identifiers_are_one_patient": len(np.unique(joined))} if any(families) else {}
    return {
        "images": len(table),
        "distinct_files": int(table["sha256"].nunique()),
        "distinct_pictures": len(np.unique(equal_pixels(compared))),
        "groups_of_copies": int(table["copies"].nunique()),
        "duplicates": len(table) - int(table["copies"].nunique()),
        "images_of_known_patients": len(patient),
        "known_patients": int(patient.nunique()),
        "groups": int(table["group"].nunique()),
        **sensitivity,
        "largest_group": int(table["group"].value_counts().iloc[0]),
        "label_conflict_groups": int(table.loc[conflict, "copies"].nunique()),
        "label_conflict_images": int(conflict.sum()),
        "kept_images": int((~conflict).sum()),
    }

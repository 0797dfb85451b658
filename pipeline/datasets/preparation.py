"""Prepare a data set: decode its images, put them into canonical order, and describe each in a table."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import DatasetInfo, SplitPlan, label_conflicts
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.progress import track
from pipeline.datasets.decoding import DecodedImage, Target, decode, white_of
from pipeline.datasets.description import Dataset, ImageSettings
from pipeline.datasets.duplicates import group_names
from pipeline.datasets.grouping import Grouping
from pipeline.datasets.origins import families_of, join_patients, origins_of
from pipeline.datasets.picture_store import PictureStore, StoredImages
from pipeline.datasets.records import RawImage

DEFAULT_PX = 64  # of image files
N_DECODERS = 2  # threads; Pillow decodes without the interpreter lock
N_AHEAD = 64  # records in flight, so that a packed file is never whole in memory


@dataclass(frozen=True)
class Pictures:
    """The images of a data set in canonical order, which no mirror changes: by sha256, then by path."""

    records: list[RawImage]  # without their data
    decoded: list[DecodedImage]  # without their pixels
    labels: list[str]  # names of the classes
    left_out: dict[str, str]  # path -> why it cannot be used
    white: int
    read: list[RawImage]  # all images of the source, in its order, without their data
    store: PictureStore
    numbers: list[int]  # of the pictures in the store

    @property
    def is_deep(self) -> bool:
        """Return whether any picture has more than 8 bits, or another white."""
        return any(picture.peak for picture in self.decoded)

    def images(self, channels: int | None) -> StoredImages:
        """Return (N, H, W, C). channels: None for three where any picture has colour, else one."""
        is_grey = channels is None and not any(picture.coloured for picture in self.decoded)
        return self._stored("pixels", to_grey=is_grey and self.store.shape("pixels")[2] == 3)

    def compared(self) -> StoredImages:
        """Return (N, h, w, C) by which copies are found: the published pixels, or pictures of a fixed size."""
        return self._stored("compared", to_grey=False)

    def _stored(self, kind: str, *, to_grey: bool) -> StoredImages:
        return StoredImages(self.store, kind, self.numbers, white=self.white, to_grey=to_grey)


def read_pictures(  # noqa: C901  one pass over all images
    dataset: Dataset, root: Path, store: PictureStore
) -> Pictures:
    """Decode all images into an empty store. root: of the repository.

    Prints what this takes, at once if the data set states its number of images, else after decoding. Raises DataError
    that lists every unusable file, unless the data set skips them; InputError if the disk lacks space.
    """
    grouping = Grouping.of(dataset)
    records: list[RawImage] = []
    decoded: list[DecodedImage] = []
    labels: list[str] = []
    problems: dict[str, str] = {}
    strangers: Counter[str] = Counter()
    seen: list[RawImage] = []
    total = sum(dataset.n_images.values()) or None
    for record, picture in track(
        decode_all(dataset.read(root), dataset.about.image), dataset.name, total=total, unit="images"
    ):
        group = ""
        if not isinstance(picture, DataError):
            try:
                group = grouping.group(record)
            except DataError as error:
                picture = error
        bare = replace(record, data=b"", group=group)
        seen.append(bare)
        label = dataset.class_of(record.label)
        if isinstance(picture, DataError):
            problems[record.source] = str(picture)
        elif record.label is None:
            problems[record.source] = "is not inside a class folder" if dataset.source.has_files else "has no label"
        elif label is None:
            strangers[str(record.label)] += 1
        else:
            try:
                decoded.append(store.add(picture))
            except DataError as error:
                problems[record.source] = str(error)
                continue
            records.append(bare)
            labels.append(label)
            if total and len(records) == 1:
                store.announce(dataset.name, total)
    _check(dataset, problems, strangers, seen)
    if not records:
        raise DataError(f"{dataset.name}: the source of {dataset.file} holds no images")
    if not total:
        store.announce(dataset.name, len(records))
    order = sorted(range(len(records)), key=lambda i: (records[i].sha256, records[i].source))
    peak = max(picture.peak for picture in decoded)
    white = dataset.about.image.white or white_of(peak)
    if peak and not dataset.about.image.white:
        print(
            f"{dataset.name}: the largest value of its 16-bit images is {peak:,}, so {white:,} is white (image.white)"
        )
    return Pictures(
        grouping.pseudonymised([records[i] for i in order], problems),
        [decoded[i] for i in order],
        [labels[i] for i in order],
        left_out=problems,
        white=white,
        read=seen,
        store=store,
        numbers=order,
    )


def _check(dataset: Dataset, problems: dict[str, str], strangers: Counter[str], seen: list[RawImage]) -> None:
    """Raise DataError if the labels do not fit, or files cannot be used and are not skipped."""
    if strangers:
        known = ", ".join(dataset.class_names(Counter()))
        lines = [f"{label!r}: {n:,} images; not among the classes {known}" for label, n in strangers.items()]
        raise DataError(f"{dataset.name}: {dataset.file} does not name all classes", lines)
    if problems and dataset.about.bad_files == "stop":
        lines = [f"{path}: {problem}" for path, problem in problems.items()]
        if dataset.source.content:
            lines += dataset.wrong_digests(dataset.source.digests(seen))
        how = f"repair them, or write `bad_files: skip` into {dataset.file} to leave them out"
        raise DataError(f"{dataset.name}: {len(problems):,} of {len(seen):,} files cannot be used; {how}", lines)


def target_of(image: ImageSettings, shape: tuple[int, ...] | None = None) -> Target:
    """Return what images are decoded to. shape: (H, W, C) of published pixels; None for image files."""
    px = image.px or (shape[:2] if shape else DEFAULT_PX)
    height, width = (px, px) if isinstance(px, int) else px
    own: Literal[1, 3] | None = None if shape is None else 3 if shape[2] == 3 else 1
    return Target(height, width, image.channels or own, image.fit, image.standardise, image.white, image.window)


def decode_all(
    records: Iterable[RawImage], settings: ImageSettings
) -> Iterator[tuple[RawImage, DecodedImage | DataError]]:
    """Yield each of the records with its picture, or with the reason why it has none, in order."""
    with ThreadPoolExecutor(N_DECODERS) as pool:
        ahead: deque[tuple[RawImage, Future[DecodedImage | DataError]]] = deque()
        for record in records:
            shape = None if isinstance(record.data, bytes) else record.data.shape
            ahead.append((record, pool.submit(_decoded, record, target_of(settings, shape))))
            if len(ahead) == N_AHEAD:
                done, future = ahead.popleft()
                yield done, future.result()
        for done, future in ahead:
            yield done, future.result()


def _decoded(record: RawImage, target: Target) -> DecodedImage | DataError:
    if record.problem:
        return DataError(record.problem)
    try:
        return decode(record.data, target)
    except DataError as error:
        return error


def sample_table(pictures: Pictures, classes: Sequence[str], *, copies: NDArray[np.int64]) -> pd.DataFrame:
    """Return samples.csv. copies: (N,) numbers of groups of copies."""
    records = pictures.records
    sha256s = [r.sha256 for r in records]
    sample = pd.Series([sha256[:12] for sha256 in sha256s], dtype=str)
    copy = sample.groupby(sample).cumcount()  # 0 for the first of equal files, then 1, 2, ...
    origins = origins_of(sha256s)
    stated = pd.Series([r.group for r in records], dtype=str)
    named = pd.Series([r.origin for r in records], dtype=str)
    patient = stated.where(stated != "", origins["patient"])
    numbers = {name: i for i, name in enumerate(classes)}
    return pd.DataFrame(
        {
            "sample": sample.where(copy == 0, sample + "-" + (copy + 1).astype(str)),
            "label": [numbers[name] for name in pictures.labels],
            "class": pictures.labels,
            "copies": group_names(copies, sha256s),
            "group": group_names(join_patients(copies, list(patient)), sha256s),
            "origin": named.where(named != "", origins["origin"]),
            "patient": patient,
            "official_part": [r.official_part for r in records],
            "source": [r.source for r in records],
            **{key: [getattr(p, key) for p in pictures.decoded] for key in ("format", "mode", "width", "height")},
            "sha256": sha256s,
        }
    )


def dataset_info(
    dataset: Dataset,
    pictures: Pictures,
    *,
    classes: list[str],
    shape: tuple[int, int, int],
    digests: dict[str, str],
    counts: dict[str, int],
) -> DatasetInfo:
    """Return dataset.json. shape: (H, W, C) of the prepared images."""
    about, positive = dataset.about, dataset.about.positive
    if positive and (unknown := set(positive.classes) - set(classes)):
        names = ", ".join(sorted(unknown))
        raise ConfigError(f"{dataset.file}: positive.classes: {names}: not among the classes {', '.join(classes)}")
    parts = {record.official_part for record in pictures.records}
    return DatasetInfo(
        name=dataset.name,
        classes=classes,
        positive=positive.classes if positive else [],
        positive_meaning=positive.meaning if positive else None,
        medical=bool(positive and positive.medical),
        keeps_official_test="test" in parts and about.split.test is None,
        image_shape=shape,
        fit=about.image.fit,
        standardise=about.image.standardise,
        white=pictures.white if dataset.source.has_files and (pictures.is_deep or about.image.white) else None,
        window=about.image.window,
        counts=counts,
        left_out=pictures.left_out,
        digests=digests,
        terms=about.reference.terms,
        citation=about.reference.citation,
        source_url=about.reference.url,
        near_duplicate_bits=dataset.duplicates.max_bits,
        hash_size=dataset.duplicates.hash_size,
        split=SplitPlan(**about.split.model_dump()),
    )


def count_samples(table: pd.DataFrame, first: NDArray[np.int64]) -> dict[str, int]:
    """Count images, groups and label conflicts. first: (N,), the first row with the same pixels."""
    conflict = label_conflicts(table)
    patient = table["patient"][table["patient"] != ""]
    families = families_of(list(table["sha256"]))
    joined = join_patients(pd.factorize(table["copies"])[0], families)
    sensitivity = {"groups_if_similar_identifiers_are_one_patient": len(np.unique(joined))} if any(families) else {}
    return {
        "images": len(table),
        "distinct_files": int(table["sha256"].nunique()),
        "distinct_pictures": len(np.unique(first)),
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

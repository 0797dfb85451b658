"""The language of data/<name>.yaml: where the images of a data set come from, and how they are prepared and split."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.artifacts.layout import Layout
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.files import sha256_file
from pipeline.core.yaml_document import Document, Integer, Number, Strict, read_yaml, validate
from pipeline.datasets.class_folders import by_number
from pipeline.datasets.medical import in_slices
from pipeline.datasets.recorded_digests import read_recorded
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import RawFile, Source, Where
from pipeline.datasets.sources.reader import read_source

COMPARED_PX = 64  # copies of image files are sought at this fixed size, so that groups do not depend on `image`
OVERSAMPLING = 4  # side of the transformed picture, in hash sides, as in imagehash.phash
Px = Annotated[Integer, Field(ge=4, le=1024)]


class ImageSettings(Strict):
    """Section `image`: what the prepared images look like."""

    px: Px | tuple[Px, Px] | None = Field(
        None, description="side, or [height, width]; null: 64 for image files, the published size for arrays"
    )
    channels: Literal[1, 3] | None = Field(None, description="1: grey, 3: colour; null: colour if any image has it")
    fit: Literal["squash", "pad", "crop"] = Field(
        "squash", description="how another aspect ratio becomes that of `px`: stretched, with black margins, or cut"
    )
    white: Annotated[Integer, Field(ge=1)] | None = Field(
        None,
        description="value that becomes white, in arrays and in files of more than 8 bits; null: 255, or for 16 bits "
        "the least power of two, less one, that holds all",
    )
    standardise: bool = Field(
        False, description="of grey slices of heads: cut off the margins, and even out grey values"
    )

    window: tuple[Number, Annotated[Number, Field(gt=0)]] | None = Field(
        None,
        description="[center, width] of the grey values of DICOM and NIfTI files; null: that of the DICOM header, "
        "else `white`",
    )
    slices: Literal["middle", "all"] = Field("middle", description="slices of a NIfTI volume, along its last axis")

    @model_validator(mode="after")
    def _of_grey(self) -> "ImageSettings":
        if self.standardise and self.channels != 1:
            raise ValueError("standardise is for grey images; set channels: 1 too")
        return self


class DuplicateSettings(Strict):
    """Section `duplicates`: which images are copies of one another."""

    max_bits: Annotated[Integer, Field(ge=0)] | None = Field(
        description="largest Hamming distance of two perceptual hashes in one group; null: equal pixels only"
    )
    hash_size: Annotated[
        Integer, Field(ge=4, le=COMPARED_PX // OVERSAMPLING, description="perceptual hash of hash_size**2 bits")
    ] = 16

    @model_validator(mode="after")
    def _tells_apart(self) -> "DuplicateSettings":
        if self.max_bits is not None and self.max_bits >= self.hash_size**2 // 2:
            raise ValueError(f"max_bits must be below {self.hash_size**2 // 2}, by which unlike pictures differ")
        return self


class SplitSettings(Strict):
    """Section `split`: shares of the images, taken as whole groups."""

    seed: Annotated[Integer, Field(ge=0)] = 1
    val: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        None, description="share of val; null: the published val part if there is one, else 0.15"
    )
    test: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        None, description="share of test, all images pooled; null: the published test part if there is one, else 0.15"
    )

    @model_validator(mode="after")
    def _leaves_some(self) -> "SplitSettings":
        if (self.val or 0) + (self.test or 0) >= 1:
            raise ValueError("val and test must be less than 1 together, so that train has images")
        return self


class GroupSettings(Strict):
    """Section `group`: what belongs together in addition to copies, such as the images of a patient."""

    pattern: str | None = Field(
        None, description="regular expression; what its first group finds in the path of an image names it"
    )
    dicom: Literal["PatientID", "StudyInstanceUID"] | None = Field(
        None, description="identifier of the DICOM header, of which a running number is kept"
    )

    @model_validator(mode="after")
    def _has_one_key(self) -> "GroupSettings":
        if (self.pattern is None) == (self.dicom is None):
            raise ValueError("must be either `pattern` or `dicom`")
        return self

    @field_validator("pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            n_groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"must be a regular expression: {error}") from None
        if not n_groups:
            raise ValueError("must hold a group in brackets, such as (patient\\d+)_")
        return pattern


class Positive(Strict):
    """Section `positive`: the classes that a screening looks for."""

    classes: list[str] = Field(min_length=1)
    meaning: str = ""
    medical: bool = False


class Reference(Strict):
    """Section `reference`: whom to cite, and on which terms the data may be used."""

    citation: str = ""
    url: str = ""
    terms: str = ""


class Description(Strict):
    """data/<name>.yaml."""

    source: dict[str, object] | None = Field(None, description="where the images come from")
    sources: list[dict[str, object]] | None = Field(
        None, description="instead of `source`: several, each with a `name`, which becomes the origin of its images"
    )
    classes: list[str] | dict[str, str] | None = Field(
        None, description="names in their order, or folder or value -> name; null: as found, sorted"
    )
    group: GroupSettings | None = None
    image: ImageSettings = ImageSettings()
    duplicates: DuplicateSettings | None = Field(
        None, description="null: max_bits 32 for image files, equal pixels for arrays"
    )
    split: SplitSettings = SplitSettings()
    bad_files: Literal["stop", "skip"] = Field("stop", description="what happens to files that cannot be used")
    images: Annotated[Integer, Field(ge=1)] | dict[str, Annotated[Integer, Field(ge=1)]] | None = Field(
        None, description="number of images, or part -> number, checked"
    )
    positive: Positive | None = None
    reference: Reference = Reference()


@dataclass(frozen=True)
class Dataset:
    """A data set: everything that is known before it is read."""

    name: str
    file: Path
    about: Description
    source: Source
    recorded: Mapping[str, str] = field(default_factory=dict)  # name of a file -> sha256 of what the first download got

    @property
    def digest_file(self) -> Path:
        """Return data/<name>.sha256."""
        return self.file.with_suffix(".sha256")

    @property
    def duplicates(self) -> DuplicateSettings:
        """Return which images are copies."""
        default = DuplicateSettings(max_bits=32 if self.source.has_files else None)
        return self.about.duplicates or default

    @property
    def n_images(self) -> dict[str, int]:
        """Return the number of images per part as the file states it, "" where it names no parts; empty if unknown."""
        stated = self.about.images
        return {"": stated} if isinstance(stated, int) else stated or {}

    @property
    def spelled(self) -> Collection[str] | None:
        """Return the classes as image files spell them, where the file names them."""
        return self.about.classes if self.source.has_files else None

    def read(self, root: Path) -> Iterator[RawImage]:
        """Stream the images. root: of the repository. Raises DataError if the source cannot be read."""
        records = self.source.read(Where(root, Layout(root).raw(self.name)), self.spelled)
        return in_slices(records) if self.about.image.slices == "all" else records

    def class_of(self, label: str | int | None) -> str | None:
        """Return the name of the class that a source spells like this; None if it has none."""
        classes = self.about.classes
        if label is None or classes is None:
            return None if label is None else str(label)
        if isinstance(label, int) and isinstance(classes, list):
            return classes[label] if 0 <= label < len(classes) else None
        known = classes if isinstance(classes, dict) else {name: name for name in classes}
        return known.get(str(label))

    def class_names(self, labels: Counter[str]) -> list[str]:
        """Return the classes in their order: that of the file, else sorted, numbers by value."""
        classes = self.about.classes
        if classes is None:
            return sorted(labels, key=by_number)
        return list(dict.fromkeys(classes.values() if isinstance(classes, dict) else classes))

    def expected_digests(self) -> Mapping[str, str]:
        """Return name -> sha256 of the files published byte for byte or recorded, and of the content."""
        files = {file.name: file.sha256 for file in self.files() if file.sha256}
        return {**files, **self.source.sha256, **self.source.content}

    def files(self) -> list[RawFile]:
        """Return the files to download, with the digests that are stated or recorded."""
        return [replace(f, sha256=self.recorded.get(f.name)) if f.is_recorded else f for f in self.source.files()]

    def wrong_digests(self, digests: Mapping[str, str]) -> list[str]:
        """Return one line per digest that differs from the published one."""
        expected = self.expected_digests()
        wrong = {name: got for name, got in digests.items() if got != expected.get(name, got)}
        accept = f", as recorded at the first download; to accept the new file, delete its line in {self.digest_file}"
        how = {name: accept for name in self.recorded if name not in self.source.sha256}
        return [f"{name}: sha256 must be {expected[name]}, got {got}{how.get(name, '')}" for name, got in wrong.items()]

    def check_files(self, raw: Path) -> dict[str, str]:
        """Return the sha256 of the files published byte for byte. Raises DataError if one changed or any is missing."""
        files = self.files()
        if missing := [f"{raw / f.name}: no such file" for f in files if not (raw / f.name).is_file()]:
            raise DataError(f"{self.name}: raw files are missing; run: dvc repro download@{self.name}", missing)
        digests = {f.name: sha256_file(raw / f.name) for f in files if f.sha256}
        if problems := self.wrong_digests(digests):
            raise DataError(f"{self.name}: raw files have changed; run: dvc repro download@{self.name}", problems)
        return digests

    def check_content(self, records: list[RawImage]) -> dict[str, str]:
        """Return the content digests. Raises DataError if the records are not the images that the file describes."""
        digests = self.source.digests(records)
        problems = self.wrong_digests(digests)
        if unknown := self.source.content.keys() - digests.keys():
            problems.append(
                f"source.content: {', '.join(sorted(unknown))}: no such digest; known are {', '.join(digests)}"
            )
        counts = Counter(record.official_part for record in records)
        if self.n_images and (counts if "" not in self.n_images else {"": len(records)}) != self.n_images:
            problems.append(f"images per part: must be {self.n_images}, got {dict(counts)}")
        if problems:
            raise DataError(f"{self.name}: the source does not hold the images that {self.file} describes", problems)
        return digests


def read_dataset(root: Path, name: str) -> Dataset:
    """Read data/<name>.yaml. root: of the repository. Raises ConfigError with every problem of the file."""
    file = Layout(root).dataset_file(name)
    document = read_yaml(file)
    about = validate(document, Description, document.values)
    source = read_source(document)
    if about and about.positive and about.classes:
        names = about.classes if isinstance(about.classes, list) else list(about.classes.values())
        for i, positive in enumerate(about.positive.classes):
            if positive not in names:
                key = ("positive", "classes", i)
                document.problem(key, f"must be one of `classes`, got {positive!r}", names, positive)
    if about and source:
        _check_source(document, source)
        if source.content and about.image.slices == "all":
            document.problem(("image", "slices"), "digests of `content` are of whole files; state `sha256`, or none")
    document.check()
    assert about
    assert source
    return Dataset(name, file, about, source=source, recorded=read_recorded(file.with_suffix(".sha256")))


def _check_source(document: Document, source: Source) -> None:
    """Note what would be read without its check, or not be noticed."""
    names = [file.name for file in source.files()]
    if "" in names or len(set(names)) < len(names):
        document.problem(("source",), f"must name files with different names, got {', '.join(names)}; rename them")
    for name in source.sha256.keys() - set(names):
        document.problem(("source", "sha256", name), "is no file that is downloaded", names, name)
    is_whole = type(source).digests_of_file is Source.digests_of_file  # each file is checked with all others
    if source.content and len(names) > 1 and is_whole:
        document.problem(("source", "content"), "must be left out with several files; give the sha256 of each")
    if document.values.get("image", {}).get("standardise") and not source.has_files:
        document.problem(("image", "standardise"), "is for image files; arrays are kept as they are")


def watched(dataset: Dataset) -> str:
    """Return what DVC watches for changes: a path on this machine, or the file of the data set.

    Raises ConfigError if the path holds the project: its own outputs would count as changed images.
    """
    local = dataset.source.watched()
    if not local:
        return Layout().dataset_file(dataset.name).as_posix()
    root, path = dataset.file.absolute().parents[1], Path(local).expanduser()
    if root.resolve().is_relative_to((root / path).resolve()):
        rule = (
            f"the images must be in a folder of their own, but all that they share is {path}, which holds the project"
        )
        raise ConfigError(f"{dataset.file}: {rule}; move them below one folder, such as ../{dataset.name}")
    return str(path)


def check_watched(dataset: Dataset, value: str) -> None:
    """Raise ConfigError if params.yaml watches something else, so that changed images would not be noticed."""
    if Path(value) != Path(needed := watched(dataset)):
        why = "so that a change of the images is noticed"
        raise ConfigError(f"params.yaml: datasets.{dataset.name}: must be {needed}, {why}, got {value}")

"""A data set of torchvision with images of one size, which torchvision downloads and checks."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.artifacts.layout import rebuild
from pipeline.core.errors import DataError, DownloadError, first_line
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Source, Where

Name = Literal["CIFAR10", "CIFAR100", "EuroSAT", "FashionMNIST", "KMNIST", "MNIST", "SVHN", "STL10", "USPS"]
BY_SPLIT = {"SVHN", "STL10"}  # name their parts by `split`, others by `train`
WITHOUT_PARTS = {"EuroSAT"}


class TorchvisionSource(Source):
    """`source: {torchvision: FashionMNIST}`."""

    kind: ClassVar = "torchvision"

    torchvision: Name = Field(description="class of torchvision.datasets")

    def addresses(self) -> list[str]:
        """Return nothing: torchvision knows the addresses."""
        return []

    def fetch(self, where: Where) -> None:
        """Let torchvision download what is missing."""
        where.raw.mkdir(parents=True, exist_ok=True)
        try:
            for part in self._parts():
                self._open(where.raw, part, download=True)
        except Exception as error:  # torchvision raises URLError, RuntimeError, OSError, ModuleNotFoundError, ...
            how = f"put the files that torchvision keeps elsewhere into {where.raw}, or name a URL or path in `source`"
            reason = [f"torchvision: {first_line(error)}"]
            raise DownloadError(f"{self.torchvision} cannot be downloaded; {how}", reason) from error

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the images of all parts; no network is needed."""
        for part in self._parts():
            try:
                dataset = self._open(where.raw, part, download=False)
            except (RuntimeError, OSError) as error:
                reason = f"not complete in {where.raw}: {first_line(error)}"
                raise DataError(f"{self.torchvision}: {reason}; run: {rebuild(where.raw)}") from error
            for i in range(len(dataset)):
                image, label = dataset[i]
                pixels = np.asarray(image).reshape(image.height, image.width, -1)
                digest = hashlib.sha256(str(int(label)).encode() + pixels.tobytes()).hexdigest()
                yield RawImage(f"{self.torchvision}/{part or 'all'}#{i}", part, int(label), digest, pixels)

    def _parts(self) -> tuple[str, ...]:
        return ("",) if self.torchvision in WITHOUT_PARTS else ("train", "test")

    def _open(self, root: Path, part: str, *, download: bool) -> Any:
        from torchvision import datasets

        named = {"split": part} if self.torchvision in BY_SPLIT else {"train": part == "train"} if part else {}
        return getattr(datasets, self.torchvision)(root, download=download, **named)

"""A data set of MedMNIST: one .npz, whose address and MD5 the package knows. Source: Yang et al., arXiv:2110.14795."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.artifacts.layout import rebuild
from pipeline.core.errors import DataError, DownloadError, InputError, did_you_mean, first_line
from pipeline.datasets.records import RawImage
from pipeline.datasets.sources import Source, Where
from pipeline.datasets.sources.npz import read_npz


class MedmnistSource(Source):
    """`source: {medmnist: pneumoniamnist}`."""

    kind: ClassVar = "medmnist"

    medmnist: str = Field(description="name of a data set of two-dimensional images with one label each")
    size: Literal[28, 64, 128, 224] = Field(28, description="side of the published images, pixels")

    def addresses(self) -> list[str]:
        """Return nothing: the package knows the address."""
        return []

    def fetch(self, where: Where) -> None:
        """Download the .npz, if it is missing or damaged."""
        from torchvision.datasets.utils import download_url

        try:
            import medmnist
        except ImportError:
            how = 'run: pip install ".[medmnist]", or download the .npz and write `source: {npz: <path>}`'
            raise InputError(f"{self.medmnist} needs the package medmnist; {how}") from None
        if self.medmnist not in medmnist.INFO:
            known = ", ".join(medmnist.INFO)
            hint = did_you_mean(self.medmnist, medmnist.INFO)
            raise InputError(f"medmnist: must be one of {known}, got {self.medmnist!r}{hint}")
        about, size = medmnist.INFO[self.medmnist], self._size
        if f"url{size}" not in about:
            raise InputError(f"{self.medmnist}: is not published with {self.size} px; choose another `size`")
        url, path = about[f"url{size}"], self._path(where)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url(url, path.parent, path.name, about[f"MD5{size}"])
        except (OSError, RuntimeError) as error:
            how = f"download {url} elsewhere and put it at {path}, or write `source: {{npz: <path>}}`"
            reason = [f"medmnist: {first_line(error)}"]
            raise DownloadError(f"{self.medmnist} cannot be downloaded; {how}", reason) from error

    def read(self, where: Where, classes: Collection[str] | None) -> Iterator[RawImage]:
        """Stream the images of all parts; neither the package nor a network is needed."""
        path = self._path(where)
        if not path.is_file():
            raise DataError(f"{path}: no such file; run: {rebuild(where.raw)}")
        return read_npz(path)

    @property
    def _size(self) -> str:
        """Return how names of files and of the package's keys end."""
        return "" if self.size == 28 else f"_{self.size}"

    def _path(self, where: Where) -> Path:
        return where.raw / f"{self.medmnist}{self._size}.npz"

"""download: the published files, from a mirror or their public address, checked before they get their final name."""

from pipeline.artifacts.layout import Layout
from pipeline.core.errors import DownloadError
from pipeline.core.files import write_text
from pipeline.datasets.description import check_watched, read_dataset
from pipeline.datasets.fetch import DownloadSettings, Fetcher
from pipeline.datasets.sources import Where


def run(layout: Layout, name: str, watched: str, settings: DownloadSettings) -> None:
    """Fetch every file that is missing; images on this machine are read where they are.

    watched: what DVC watches for changes. Raises DownloadError with the reason of every source.
    """
    dataset = read_dataset(layout.root, name)
    check_watched(dataset, watched)
    if not dataset.source.files() and dataset.source.watched():
        write_text(layout.raw(name) / "source.txt", f"read where it is: {watched}\n")
    dataset.source.fetch(Where(layout.root, layout.raw(name)))
    fetcher = Fetcher(dataset, settings, layout.root, scratch=layout.root / ".state/download" / name)
    problems = [problem for file in fetcher.missing() for problem in fetcher.fetch(file)]
    if problems:
        raise DownloadError(f"{name}: no source delivered every file", problems)
    if recorded := fetcher.record():
        print(f"{name}: recorded the sha256 of {', '.join(recorded)} in data/{name}.sha256; commit it to git")

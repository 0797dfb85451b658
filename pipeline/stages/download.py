"""download: the published files, from a mirror or their public address, checked before they get their final name."""

from pipeline.artifacts.layout import Layout
from pipeline.core.errors import DownloadError
from pipeline.datasets.fetch import DownloadSettings, Fetcher
from pipeline.datasets.registry import find_spec


def run(layout: Layout, dataset: str, settings: DownloadSettings) -> None:
    """Fetch every file that is missing. Raises DownloadError with the reason of every source."""
    scratch = layout.root / ".state/download" / dataset
    fetcher = Fetcher(find_spec(dataset), settings, out=layout.raw(dataset), scratch=scratch)
    problems = [problem for file in fetcher.missing() for problem in fetcher.fetch(file)]
    if problems:
        raise DownloadError(f"{dataset}: no source delivered every file", problems)

"""download: the published files, from a mirror or their public address, checked before they get their final name."""

from pipeline.datasets.fetch import fetch_dataset as run

__all__ = ["run"]

"""overlap: which images and patients the data sets share with each other, and where each set comes from."""

from collections.abc import Sequence

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.datasets.overlap import shared_pictures
from pipeline.datasets.splitting import split_groups
from pipeline.report.overlap_page import write_overlap_page


def run(layout: Layout, names: Sequence[str]) -> None:
    """Write reports/data/index.html. names: of the data sets; pictures of a test part are not shown."""
    data = {name: _comparable(layout, name) for name in names}
    for samples in data.values():
        split_groups(samples.table, samples.info.split, keeps_official_test=samples.info.keeps_official_test)
    write_overlap_page(data, shared_pictures(data), layout.reports() / "data")


def _comparable(layout: Layout, name: str) -> Samples:
    """Return image files at the size at which copies are sought, arrays as they are."""
    folder = layout.compared(name)
    return Samples.read(folder if folder.is_dir() else layout.prepared(name))

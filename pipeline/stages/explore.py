"""explore: the page of one data set, with pictures of its development part alone."""

from pipeline.artifacts.layout import Layout
from pipeline.report.dataset_page.page import write_dataset_page


def run(layout: Layout, dataset: str) -> None:
    """Write reports/data/<dataset>."""
    out = layout.reports() / "data" / dataset
    write_dataset_page(layout.prepared(dataset), layout.development(dataset), out)

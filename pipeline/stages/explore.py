"""explore: the page of one data set, with pictures of its development part alone."""

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.report.dataset_page import write_dataset_page


def run(layout: Layout, dataset: str) -> None:
    """Write reports/data/<dataset>/."""
    everything, development = Samples.read(layout.prepared(dataset)), Samples.read(layout.development(dataset))
    write_dataset_page(everything, development, layout.reports() / "data" / dataset)

"""The page of one data set: what is in it, how it was cut, and what went into one group. Pictures: development only."""

from pipeline.report.dataset_page.page import write_dataset_page as run

__all__ = ["run"]

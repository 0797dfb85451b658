"""The page of one experiment: what won, by how much, how sure that is, and what it would mean in a screening."""

from pipeline.report.experiment_page import write_experiment_page as run

__all__ = ["run"]

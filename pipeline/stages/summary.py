"""All experiments side by side: the leaderboard, pairs on one data set, and the metrics that `dvc metrics` compares."""

from pipeline.report.summary.page import write_summary as run

__all__ = ["run"]

"""The files between the stages: one class each, which alone reads and writes it. May import core and statistics."""

__all__ = [
    "configuration", "cross_validation", "epoch", "evaluation", "explanations", "image_rows", "json_file", "layout",
    "predictions", "registration", "report_numbers", "robustness", "rungs", "runs", "samples", "search_result",
]  # fmt: skip

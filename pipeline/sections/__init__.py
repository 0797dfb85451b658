"""The sections of a report, one module each: what stands in the words and tables, and the pictures beside them."""

LABELS = {
    "accuracy": "accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
}
FEW_GROUPS = 30  # of a class in the test part; below, the page warns

"""What reporting guidelines ask of a study of diagnostic accuracy: where it is on the page, or why it is missing.

Numbers: STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527), which STARD-AI (Sounderajah et al., Nat Med 2025) extends, and
TRIPOD+AI (Collins et al., BMJ 2024;385:e078378). CLAIM 2024 (Tejani et al., Radiol Artif Intell 2024) by topic.
"""

from typing import NamedTuple

UNNAMED = "the published files name no person, site or device"
UNKNOWN = "not recorded with the published files"


class Item(NamedTuple):
    """One item of the guidelines."""

    asked: str
    source: str
    anchor: str  # of the section; empty: missing
    note: str


ITEMS = [
    Item("Question", "STARD 4, TRIPOD+AI 4", "verdict", ""),
    Item("Structured summary", "STARD 2, TRIPOD+AI 2", "", "the verdict is a sentence, not an abstract"),
    Item("Intended use", "STARD 3, TRIPOD+AI 3a–3b, CLAIM: intended use", "verdict", "research only"),
    Item("Known inequalities in care", "TRIPOD+AI 3c", "", UNNAMED),
    Item("Planned before or after the data were collected", "STARD 5, CLAIM: study design", "",
         f"after; how the scans were collected is {UNKNOWN}"),
    Item("Source of the data", "TRIPOD+AI 5a, CLAIM: data sources", "data", ""),
    Item("Setting and dates", "STARD 8, TRIPOD+AI 5b, 6a", "", UNKNOWN),
    Item("Who was eligible", "STARD 6–7, TRIPOD+AI 6b, CLAIM: inclusion", "", UNKNOWN),
    Item("Kind of series", "STARD 9", "verdict", "selected cases"),
    Item("Preparation of the images", "TRIPOD+AI 7, CLAIM: preprocessing", "reproduce", "size; augmentation: Search"),
    Item("Reference standard", "STARD 10b–11, TRIPOD+AI 8a, CLAIM: reference standard", "",
         f"the published labels; how they were made is {UNKNOWN}"),
    Item("Who labelled", "TRIPOD+AI 8b, CLAIM: annotators", "", UNKNOWN),
    Item("Blinding", "STARD 13a–13b, TRIPOD+AI 8c", "", UNKNOWN),
    Item("Model and training", "STARD 10a, TRIPOD+AI 12c, CLAIM: model, training", "search", "configurations"),
    Item("How the model was chosen", "TRIPOD+AI 12c, CLAIM: selection of the model", "search", ""),
    Item("Parts of the data", "TRIPOD+AI 12a, CLAIM: data partitions", "data", "no group is in two"),
    Item("Missing and undecided cases", "STARD 15–16, TRIPOD+AI 11", "data", "label conflicts; else none"),
    Item("Sample size", "STARD 18, TRIPOD+AI 10, CLAIM: sample size", "", "no calculation beforehand: all there was"),
    Item("Cut-off, set beforehand", "STARD 12a, TRIPOD+AI 15", "screening", "frozen on validation"),
    Item("Measures and their uncertainty", "STARD 14, TRIPOD+AI 12e, CLAIM: metrics", "performance", ""),
    Item("Fairness", "TRIPOD+AI 14, STARD-AI: bias and fairness", "", UNNAMED),
    Item("Flow and numbers per analysis", "STARD 19, TRIPOD+AI 20a, 21, CLAIM: flow", "data", ""),
    Item("Age, sex and other traits", "STARD 20, TRIPOD+AI 20b, CLAIM: demographics", "", UNNAMED),
    Item("Severity, other diagnoses", "STARD 21a–21b", "", "only the class is known"),
    Item("Time between scan and reference", "STARD 22", "", UNKNOWN),
    Item("Test against reference, counts", "STARD 23", "performance", "and, at the frozen threshold, Screening"),
    Item("Accuracy with intervals", "STARD 24, TRIPOD+AI 23a, CLAIM: performance", "performance", ""),
    Item("Calibration", "TRIPOD+AI 12e, 23a", "probabilities", ""),
    Item("Results by site or device", "TRIPOD+AI 12d, 23b", "", UNNAMED),
    Item("Failures looked at", "CLAIM: failure analysis", "explanations", "the most confident errors"),
    Item("External test", "TRIPOD+AI 16, CLAIM: external testing", "", "one collection; no second one was tested"),
    Item("Harm by the test", "STARD 25", "", "nobody was examined for this study"),
    Item("Limits", "STARD 26, TRIPOD+AI 26", "screening", "spectrum; what the sample can show"),
    Item("Meaning in practice", "STARD 27, TRIPOD+AI 25", "screening", "at several prevalences"),
    Item("Registration, protocol", "STARD 28–29, TRIPOD+AI 18c–18d", "", "none but the file of the experiment"),
    Item("Funding, interests", "STARD 30, TRIPOD+AI 18a–18b", "", "not recorded in the project"),
    Item("Ethics", "TRIPOD+AI 17", "", f"public data; an approval is {UNKNOWN}"),
    Item("Patients involved", "TRIPOD+AI 19", "", "no patient was"),
    Item("Data available", "TRIPOD+AI 18e", "data", "source and terms"),
    Item("Code available", "TRIPOD+AI 18f, CLAIM: software", "reproduce", "commit and versions"),
    Item("The whole model", "TRIPOD+AI 22", "reproduce", "weights and model card"),
]  # fmt: skip


def items(*, screening: bool) -> list[Item]:
    """Return all items. screening: the page has that section."""
    none = "the data set names no positive class"
    return [item if item.anchor != "screening" or screening else item._replace(anchor="", note=none) for item in ITEMS]

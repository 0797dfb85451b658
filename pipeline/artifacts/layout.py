"""Where every file between stages lies; dvc.yaml declares the same paths, and a test compares them."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of all artifacts below the root of a repository, each with what it holds."""

    root: Path = Path()

    def dataset_file(self, dataset: str) -> Path:
        """File that describes a data set."""
        return self.root / "data" / f"{dataset}.yaml"

    def raw(self, dataset: str) -> Path:
        """Folder of the published files."""
        return self.root / "data/raw" / dataset

    def prepared(self, dataset: str) -> Path:
        """Folder of all images with their groups: Samples."""
        return self.root / "data/prepared" / dataset

    def compared(self, dataset: str) -> Path:
        """Folder of the pictures in which copies are sought, of image files: Samples."""
        return self.prepared(dataset) / "compared"

    def split(self, dataset: str) -> Path:
        """Folder of the parts."""
        return self.root / "data/split" / dataset

    def development(self, dataset: str) -> Path:
        """Folder of `train` and `val`: Samples."""
        return self.split(dataset) / "development"

    def test(self, dataset: str) -> Path:
        """Folder of the sealed test part: Samples."""
        return self.split(dataset) / "test"

    def experiment_file(self, experiment: str) -> Path:
        """File that a researcher writes."""
        return self.root / "experiments" / f"{experiment}.yaml"

    def search(self, experiment: str) -> Path:
        """Folder of a SearchResult."""
        return self.root / "data/search" / experiment

    def search_runs(self, experiment: str) -> Path:
        """SearchRuns, new with every search."""
        return self.root / "data/runs/search" / f"{experiment}.json"

    def evaluate(self, experiment: str) -> Path:
        """Folder of an Evaluation, its models and its Explanations."""
        return self.root / "data/evaluate" / experiment

    def evaluation_runs(self, experiment: str) -> Path:
        """EvaluationRuns, new with every evaluation."""
        return self.root / "data/runs/evaluate" / f"{experiment}.json"

    def report_numbers(self, experiment: str) -> Path:
        """Folder of the ReportNumbers."""
        return self.root / "data/report" / experiment

    def reports(self) -> Path:
        """Folder of all pages."""
        return self.root / "reports"


def rebuild(path: Path) -> str:
    """Return the command that writes the artifact which a path belongs to."""
    stage_of = {"raw": "download", "prepared": "prepare"}  # other folders are called like their stage
    folders = "raw|prepared|split|search|evaluate|report"
    if parts := re.search(rf"(?:^|/)data/(?:runs/)?({folders})/([^/.]+)", path.as_posix()):
        return f"dvc repro {stage_of.get(parts[1], parts[1])}@{parts[2]}"
    return "dvc repro"

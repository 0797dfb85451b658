"""Where every file between stages lies; dvc.yaml declares the same paths, and a test compares them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of all artifacts below the root of a repository, each with what it holds."""

    root: Path = Path()

    def raw(self, dataset: str) -> Path:
        return self.root / "data/raw" / dataset  # folder of the published files

    def prepared(self, dataset: str) -> Path:
        return self.root / "data/prepared" / dataset  # folder of all images with their groups: Samples

    def split(self, dataset: str) -> Path:
        return self.root / "data/split" / dataset  # folder of the parts

    def development(self, dataset: str) -> Path:
        return self.split(dataset) / "development"  # folder of `train` and `val`: Samples

    def test(self, dataset: str) -> Path:
        return self.split(dataset) / "test"  # folder of the sealed test part: Samples

    def experiment_file(self, experiment: str) -> Path:
        return self.root / "experiments" / f"{experiment}.yaml"  # file that a researcher writes

    def search(self, experiment: str) -> Path:
        return self.root / "data/search" / experiment  # folder of a SearchResult

    def search_runs(self, experiment: str) -> Path:
        return self.root / "data/runs/search" / f"{experiment}.json"  # SearchRuns, new with every search

    def evaluate(self, experiment: str) -> Path:
        return self.root / "data/evaluate" / experiment  # folder of an Evaluation, its models and its Explanations

    def evaluation_runs(self, experiment: str) -> Path:
        return self.root / "data/runs/evaluate" / f"{experiment}.json"  # EvaluationRuns, new with every evaluation

    def report_numbers(self, experiment: str) -> Path:
        return self.root / "data/report" / experiment  # folder of the ReportNumbers

    def reports(self) -> Path:
        return self.root / "reports"  # folder of all pages

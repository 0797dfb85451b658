"""What there is: data sets, experiments and models, how far each has come, and the best score."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import ReportNumbers
from pipeline.artifacts.samples import DatasetInfo
from pipeline.models.registry import registry
from pipeline.params import Params


def listing(root: Path, params: Params) -> Iterator[str]:
    """Yield the lines of `pipeline list`. root: of the repository."""
    layout = Layout(root)
    yield from _table("data set", {name: _dataset(layout, name) for name in params.datasets})
    own = {path.stem for path in layout.dataset_file("*").parent.glob("*.yaml")} - set(params.datasets)
    yield from (f"  {name}: not in params.yaml" for name in sorted(own))
    yield from _table("experiment", {name: _experiment(layout, name) for name in params.experiments})
    other = {path.stem for path in (root / "experiments").glob("*.yaml")} - set(params.experiments)
    yield from (f"  {name}: not in params.yaml" for name in sorted(other))
    yield f"models: {', '.join(sorted(registry()))}"


def _table(kind: str, rows: Mapping[str, str]) -> Iterator[str]:
    yield f"{kind}s:"
    width = max(map(len, rows), default=0)
    yield from (f"  {name:{width}}  {status}" for name, status in rows.items())


def _dataset(layout: Layout, name: str) -> str:
    file = layout.development(name) / "dataset.json"
    if not file.is_file():
        done = "prepared" if (layout.prepared(name) / "dataset.json").is_file() else "not there"
        return f"{done}; next: dvc repro split@{name}"
    info = DatasetInfo.read(file)
    shape = " x ".join(map(str, info.image_shape))
    return f"{info.counts['images']:,} images of {shape}, {len(info.classes)} classes"


def _experiment(layout: Layout, name: str) -> str:
    if not layout.experiment_file(name).is_file():
        return f"{layout.experiment_file(name)} is missing"
    if (layout.report_numbers(name) / "numbers.json").is_file():
        score = ReportNumbers.read(layout.report_numbers(name)).info.metrics.test["macro_f1"] or 0.0
        return f"test macro F1 {100 * score:.1f} %; {layout.reports() / name / 'index.html'}"
    stages = {"evaluated": layout.evaluate(name) / "metrics.json", "searched": layout.search(name) / "study.json"}
    done = next((stage for stage, file in stages.items() if file.is_file()), "not run")
    return f"{done}; next: dvc repro report@{name}"

"""The ledger of a test part and the commit of a registration, from the history of a real repository."""

from pathlib import Path
from typing import Any

import pytest

import contract_data
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.registration import Registration
from pipeline.artifacts.runs import Version
from pipeline.artifacts.samples import DatasetInfo
from pipeline.artifacts.search_result import SearchResult, StudyInfo
from pipeline.evaluation.ledger import ledger, registered
from repository import Repository

LOCK = """schema: '2.0'
stages:
  split@{dataset}:
    cmd: python -m pipeline split {dataset}
    deps:
    - path: data/prepared/{dataset}
      md5: {md5}
    params:
      params.yaml:
        {key}:
          seed: {seed}
          val: 0.15
    outs:
    - path: data/split/{dataset}/test
      md5: {md5}
  evaluate@{experiment}:
    cmd: python -m pipeline evaluate {experiment}
    deps:
    - path: data/split/{dataset}/test
      hash: md5
      md5: {md5}
"""


def publish(repository: Repository, experiment: str, dataset: str, seed: int, number: int, **key: str) -> str:
    """Commit new scores of an experiment, and return the commit."""
    values: dict[str, Any] = {"key": f"datasets.{dataset}.split", **key}
    lock = LOCK.format(experiment=experiment, dataset=dataset, seed=seed, md5=f"{number:032}", **values)
    return repository.commit({f"reports/{experiment}/metrics.json": str(number), "dvc.lock": lock})


def of_seed(seed: int | None) -> DatasetInfo:
    return contract_data.MRI.model_copy(update={"split_seed": seed, "keeps_official_test": seed is None})


def test_versions_are_counted_by_the_seed_that_drew_the_test_part(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    first = publish(repository, "one", "mri", seed=1, number=1, key="split.mri")  # the layout of older versions
    publish(repository, "elsewhere", "mri_types", seed=1, number=2)
    repository.commit({"README.md": "no new scores"})
    second = publish(repository, "two", "mri", seed=1, number=3)  # another experiment, and other groups
    third = publish(repository, "one", "mri", seed=2, number=4)
    of_one, of_two, of_three = (ledger(tmp_path, of_seed(seed)) for seed in (1, 2, 3))
    assert of_one
    assert [version.commit for version in of_one.earlier] == [first, second]
    assert of_two
    assert [version.commit for version in of_two.earlier] == [third]
    assert of_three
    assert (of_three.earlier, of_three.n_parts, of_three.split_seed) == ([], 2, 3)


def test_every_version_scored_an_official_test_part(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    versions = [publish(repository, "one", "mri", seed=seed, number=seed) for seed in (1, 2, 2 + 1)]
    of_official = ledger(tmp_path, of_seed(None))
    assert of_official
    assert [version.commit for version in of_official.earlier] == versions
    assert of_official.n_parts == 1


def test_the_history_of_this_project_is_readable() -> None:
    """The versions that the first layouts of params.yaml and dvc.lock published are recognised."""
    root = Path(__file__).parents[2]
    of_digits = ledger(root, of_seed(1).model_copy(update={"name": "digits"}))
    if of_digits is None:
        pytest.skip("the clone is shallow, or no repository")
    assert len(of_digits.earlier) >= 12
    assert of_digits.n_parts == 1


def study(tmp_path: Path, **values: Any) -> StudyInfo:
    layout = Layout(tmp_path / "artifacts")
    contract_data.write_search(layout, "mine", contract_data.MRI)
    info = SearchResult.read(layout.search("mine")).study
    return info.model_copy(update={"registration": Registration(**values) if values else None})


def test_a_registration_has_the_commit_since_which_it_is_unchanged(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    block = "question: q\nregistration: {primary: macro_f1, smallest_difference: 0.01}\n"
    wider = block.replace("0.01", "0.02")
    file = "experiments/mine.yaml"
    repository.commit({file: "question: q\n"})
    repository.commit({file: block})
    repository.commit({file: wider})
    again = repository.commit({file: block}, date="2024-05-06")
    repository.commit({file: f"# a comment\n{block}".replace("0.01", "1e-2")})
    of_mine = {"primary": "macro_f1", "smallest_difference": 0.01}
    assert registered(tmp_path, study(tmp_path, **of_mine)) == Version(commit=again, date="2024-05-06")
    assert registered(tmp_path, study(tmp_path, **{**of_mine, "smallest_difference": 0.02})) is None  # replaced
    assert registered(tmp_path, study(tmp_path, **of_mine, min_sensitivity=0.9)) is None  # not committed
    assert registered(tmp_path, study(tmp_path)) is None
    repository.commit({file: "question: [\n"})
    assert registered(tmp_path, study(tmp_path, **of_mine)) is None


def test_without_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert ledger(tmp_path, of_seed(1)) is None
    assert registered(tmp_path, study(tmp_path, primary="accuracy", smallest_difference=0.01)) is None

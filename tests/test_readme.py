"""README and the recipes for clusters show what works."""

import re
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from docs.architecture import ROOMS, ROOT
from pipeline.experiment.reader import read_experiment
from pipeline.params import read_params

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_dvc_is_called_in_an_active_environment() -> None:
    """dvc.yaml says `python`, so calling .venv/bin/dvc without its environment would run another one."""
    assert "bin/dvc" not in README
    assert "source .venv/bin/activate" in README
    branch = re.search(r"`dvc repro report@(\w+)`", README)
    assert branch
    assert branch[1] in read_params(ROOT / "params.yaml").experiments


def test_ci_runs_what_readme_names() -> None:
    ci = (ROOT / ".ci/run").read_text()
    assert all(f"make {target}" in ci for target in ("check", "test-all", "demo"))


def test_the_example_of_a_search_space_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block
    file = tmp_path / "mine.yaml"
    file.write_text(block[1])
    experiment = read_experiment(file)
    assert {leaf.key for leaf in experiment.space} == {"lr", "batch_size", "n_epochs", "cnn.width"}


def test_the_tree_shows_the_rooms_in_their_order() -> None:
    block = next(block for block in re.findall(r"```text\n(.*?)```", README, re.DOTALL) if "pipeline/" in block)
    assert tuple(re.findall(r"^    (\w+)/", block, re.MULTILINE)) == ROOMS
    folders = re.findall(r"^([\w.]+)/? ", block, re.MULTILINE)
    assert not [name for name in folders if name not in ("data", ".state") and not (ROOT / name).exists()]


def test_the_recipes_for_a_cluster_are_valid(tmp_path: Path) -> None:
    text = (ROOT / "experiments/CLUSTER.md").read_text(encoding="utf-8")
    yaml = YAML(typ="safe", pure=True)
    search, job = (yaml.load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    params = yaml.load(ROOT / "params.yaml")
    params["search"] |= search["search"]
    with (tmp_path / "params.yaml").open("w") as f:
        yaml.dump(params, f)
    assert read_params(tmp_path / "params.yaml").search.executor == "ray"
    cluster = job["spec"]["rayClusterSpec"]
    pinned = re.search(r"^ray==(.*)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned
    assert cluster["rayVersion"] == pinned[1]
    assert f"rayproject/ray:{pinned[1]}-py3" in text
    script = re.search(r"```bash\n(.*?)```", text, re.DOTALL)
    assert script
    subprocess.run(["bash", "-n"], input=script[1], text=True, check=True)

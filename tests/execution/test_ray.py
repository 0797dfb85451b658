"""A real Ray cluster of two nodes on this machine: losing a node costs its trial the current epoch, no more."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster

from conftest import EXPERIMENT
from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.epoch import Epoch
from pipeline.core.errors import InputError
from pipeline.execution.job import Failed, Finished, Job, Stopped
from pipeline.execution.ray import RayExecutor
from pipeline.execution.settings import SearchSettings, Workspace
from pipeline.search import search

pytestmark = pytest.mark.slow

MLP: Configuration = {"model": "mlp", "mlp.width": 16, "lr": 0.01, "batch_size": 32, "n_epochs": 3}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def lose(cluster: Cluster, node: Any, root: Path) -> None:
    """Kill the node once each of the two nodes trains and has written a checkpoint."""
    deadline = time.monotonic() + 120
    while len(list(root.glob(".state/search/*/*.checkpoint"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.timeout(1200)
def test_a_lost_node_costs_no_trial(digits_folder: Path, tmp_path: Path, cluster: Cluster) -> None:
    second = cluster.add_node(num_cpus=1)
    text = EXPERIMENT.replace("n_epochs: 3", "n_epochs: 200")
    text = text.replace("{name: median, startup_trials: 1, warmup: 0.3}", "{name: none}")
    tables = {}
    for name in ("calm", "stormy"):
        root = tmp_path / name
        root.mkdir()
        (root / "quick.yaml").write_text(text)
        setup = Workspace(root, SearchSettings(workers=2))
        storm = None
        if name == "stormy":
            setup = Workspace(root, SearchSettings(workers=2, executor="ray", ray_address=cluster.address))
            storm = threading.Thread(target=lose, args=(cluster, second, root))
            storm.start()
        result, _ = search.search(root / "quick.yaml", digits_folder / "development", root / "out", setup)
        if storm:
            storm.join()
        tables[name] = result.trials
    lost = tables["stormy"][tables["stormy"]["state"] == "failed"]
    assert len(lost) == 1
    columns = ["number"]
    kept = tables["stormy"][tables["stormy"]["state"] != "failed"]
    pd.testing.assert_frame_equal(
        kept.drop(columns=columns).reset_index(drop=True), tables["calm"].drop(columns=columns)
    )


def test_failures_and_limits_are_reported(digits_folder: Path, cluster: Cluster) -> None:
    endless = Job({**MLP, "n_epochs": 10_000}, digits_folder / "development", 1, "macro_f1")
    deep = Job({**MLP, "model": "cnn", "cnn.depth": 6}, digits_folder / "development", 1, "macro_f1")
    heard: list[Epoch] = []

    def answer(i: int, epoch: Epoch) -> bool:
        heard.append(epoch)
        return epoch.epoch < 2

    with RayExecutor(SearchSettings(workers=1, ray_address=cluster.address)) as executor:
        results = dict(executor.run([deep, endless], answer))
    assert isinstance(results[0], Failed)
    assert "cnn: block 4 of 6 leaves no pixel" in results[0].reason
    assert results[1] == Stopped()
    assert [epoch.epoch for epoch in heard] == [1, 2]
    with RayExecutor(SearchSettings(workers=1, ray_address=cluster.address, limit_s=3)) as executor:
        slow = dict(executor.run([endless], lambda i, epoch: True))[0]
    assert slow == Failed("took longer than the 3 s of search.limit_s")
    with RayExecutor(SearchSettings(workers=1, ray_address=cluster.address, limit_gb=0.01)) as executor:
        large = dict(executor.run([endless], lambda i, epoch: True))[0]
    assert isinstance(large, Failed)
    assert "more than the 0.01 of search.limit_gb" in large.reason


def test_without_an_address_a_running_cluster_is_not_joined(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, digits_folder: Path
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    job = Job(MLP, digits_folder / "development", 1, "macro_f1")
    with RayExecutor(SearchSettings()) as executor:
        assert ray.get_runtime_context().gcs_address != cluster.address
        assert isinstance(dict(executor.run([job], lambda i, epoch: True))[0], Finished)


def test_auto_trains_as_many_as_fit(cluster: Cluster) -> None:
    cluster.add_node(num_cpus=4)
    with RayExecutor(SearchSettings(workers="auto", threads=2, ray_address=cluster.address)) as executor:
        assert executor.n_workers == 2


def test_an_address_without_a_cluster_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"no Ray cluster can be used at 127\.0\.0\.1:9.*correct search.ray_address"):
        RayExecutor(SearchSettings(ray_address="127.0.0.1:9"))

"""Campaigns in blocks, on engines that lose workers: the answer is that of one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import certus
import pytest
from certus import distributed
from certus._result import files_of

NET, DATA = "models/mnist/mlp_cert.onnx", "models/mnist/test.npz"
OPTIONS: dict[str, Any] = {"eps": "0.1", "limit": 24}


@pytest.fixture(scope="module")
def whole() -> certus.Result:
    os.chdir(Path(__file__).resolve().parents[2])
    return certus.certify(NET, DATA, **OPTIONS, proofs=True)


def comparable(result: certus.Result) -> Any:
    report = json.loads(json.dumps(result.report))
    for field in list(report["varies_between_runs"]):
        name, _, inner = field.partition("[].")
        if not inner:
            report.pop(name)
        for row in report["rows"] if inner else []:
            row.pop(inner)
    evidence = {name: content for name, content in files_of(result.folder) if name.startswith(("counterexamples", "proofs"))}
    return report, {name: content for name, content in evidence.items() if not name.endswith("index.csv")}


def test_shards_are_the_whole(whole: certus.Result, tmp_path: Path, program: Callable[..., Any]) -> None:
    for number in (1, 2, 3):
        certus.certify(NET, DATA, **OPTIONS, proofs=True, shard=(number, 3), out=tmp_path / str(number))
    merged = distributed.merge([tmp_path / "3", tmp_path / "1", tmp_path / "2"])
    assert comparable(merged) == comparable(whole)
    with pytest.raises(certus.MissingFileError, match="shards are missing: 2/3"):
        distributed.merge([tmp_path / "1", tmp_path / "3"])
    with pytest.raises(certus.DataError, match="both shard 1/3"):
        distributed.merge([tmp_path / "1", tmp_path / "1", tmp_path / "2", tmp_path / "3"])


def test_joblib(whole: certus.Result, mnist: Any) -> None:
    pytest.importorskip("joblib")
    found = distributed.certify(certus.load(NET), DATA, **OPTIONS, proofs=True, engine="joblib", n_jobs=2, blocks=5)
    report, evidence = comparable(found)
    # The network was sent: it lies elsewhere, and is the same.
    report["model"]["file"] = NET
    assert (report, evidence) == comparable(whole)
    seen = []
    X, y = mnist
    arrays = distributed.certify(
        NET, X[:8], y[:8], "0.1", scale="1/255", bounds=(0, 1), engine="joblib", n_jobs=2, blocks=3, progress=lambda *told: seen.append(told)
    )
    assert [row["margin_bound"] for row in arrays.rows] == [row["margin_bound"] for row in whole.rows[:8]]
    assert seen[-1] == (3, 3, "blocks")


def test_joblib_with_a_worker_that_dies(whole: certus.Result, tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    # The first worker that takes a block ends without a word; the block is begun again.
    script = f"""
import os, certus
from certus import distributed
from pathlib import Path

def block(question, shard, _block=distributed._block):
    mark = Path({str(tmp_path)!r}) / "died"
    if shard[0] == 2 and not mark.exists():
        mark.touch()
        os._exit(1)
    return _block(question, shard)

distributed._block = block
result = distributed.certify({NET!r}, {DATA!r}, eps="0.1", limit=24, proofs=True, engine="joblib", n_jobs=2, blocks=4)
result.save({str(tmp_path / "out")!r})
"""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "died").exists()
    found = certus.load_result(tmp_path / "out")
    assert isinstance(found, certus.Result)
    report, evidence = comparable(found)
    report["model"]["file"] = NET
    assert (report, evidence) == comparable(whole)


def test_errors_come_back_as_they_are() -> None:
    pytest.importorskip("joblib")
    with pytest.raises(certus.DataError, match='accept="large-eps"'):
        distributed.certify(NET, DATA, eps=8, engine="joblib", n_jobs=1, blocks=2)
    with pytest.raises(certus.UsageError, match="'ray', 'dask' and 'joblib'"):
        distributed.certify(NET, DATA, eps=0.1, engine="spark")
    with pytest.raises(certus.UsageError, match="shards"):
        distributed.certify(NET, DATA, eps=0.1, engine="joblib", shard=(1, 2))


def test_dask(whole: certus.Result) -> None:
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        found = distributed.certify(NET, DATA, **OPTIONS, proofs=True, engine="dask", client=client, blocks=4)
    report, evidence = comparable(found)
    report["model"]["file"] = NET
    assert (report, evidence) == comparable(whole)


def test_ray_with_a_node_that_is_killed(whole: certus.Result, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        killed = []

        def told(done: int, total: int, words: str) -> None:
            if done == 2 and not killed:
                killed.append(done)
                cluster.remove_node(nodes[0], allow_graceful=False)

        found = distributed.certify(NET, DATA, **OPTIONS, proofs=True, engine="ray", blocks=8, progress=told)
        assert killed and len(cluster.list_all_nodes()) == 2
    finally:
        ray.shutdown()
        cluster.shutdown()
    report, evidence = comparable(found)
    report["model"]["file"] = NET
    assert (report, evidence) == comparable(whole)

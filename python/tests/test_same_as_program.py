"""The package and the program give one answer: verdicts, margins, counterexamples and proofs, bit for bit."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable

import certus
import numpy as np
import pytest

SIDECAR = ["mean", "std", "eps_per_feature"]


def rows(report: Any) -> list[dict[str, Any]]:
    # Exact arithmetic is given time and not work, so that the level of a proof may vary.
    return [{key: value for key, value in row.items() if key not in ("seconds", "assurance")} for row in report["rows"]]


def evidence(folder: str) -> dict[str, bytes]:
    from certus._result import files_of

    kept = {}
    for name, content in files_of(folder):
        if name.startswith(("counterexamples", "proofs")) and not name.endswith("index.csv"):
            # A property's comments name the data, which lie in a file or in an array.
            lines = content.splitlines() if name.endswith(".vnnlib") else [content]
            kept[name] = b"\n".join(line for line in lines if not line.startswith(b";"))
    return kept


@pytest.mark.parametrize("model", ["cnn_cert", "mlp_cert"])
def test_mnist_from_arrays_as_from_the_file(model: str, mnist: Any, program: Callable[..., Any], tmp_path: Path) -> None:
    X, y = mnist
    path = f"models/mnist/{model}.onnx"
    options = ["--proofs"] if model == "mlp_cert" else []
    ran = program("certify", path, "--data", "models/mnist/test.npz", "--eps", "0.1", "--limit", 20, "--out", tmp_path / "out", "--quiet", *options)
    assert ran.returncode == 0, ran.stderr
    with open(tmp_path / "out" / "report.json", encoding="utf-8") as file:
        report = json.load(file)
    result = certus.certify(
        certus.load(path), X, y, eps=0.1, scale="1/255", bounds=(0, 1), limit=20, jobs=1, proofs=bool(options), labels=[str(digit) for digit in range(10)]
    )
    assert rows(result.report) == rows(report)
    assert result.report["summary"] == report["summary"]
    assert evidence(result.folder) == evidence(str(tmp_path / "out"))
    assert bool(evidence(result.folder)) == bool(options)
    for key in ("settings", "model", "as_read", "varies_between_runs"):
        assert result.report[key] == report[key]


@pytest.mark.parametrize("model", ["mlp_cert"])
def test_a_table_from_arrays_as_from_a_file(model: str, cancer: Any, program: Callable[..., Any], tmp_path: Path) -> None:
    tomllib = pytest.importorskip("tomllib")

    with open("models/breast_cancer/test.toml", "rb") as file:
        settings = tomllib.load(file)
    X, names = cancer.drop(columns="diagnosis"), cancer["diagnosis"]
    y = names.map({name: at for at, name in enumerate(settings["labels"])}) if names.dtype.kind not in "iu" else names
    np.savez(tmp_path / "data.npz", x=X.to_numpy(), y=y.to_numpy())
    lists = {key: ",".join(map(str, settings[key])) for key in SIDECAR}
    path = f"models/breast_cancer/{model}.onnx"
    options = [f"--{key.replace('_', '-')}={text}" for key, text in lists.items()]
    options += ["--domain=none", f"--labels={','.join(settings['labels'])}"]
    ran = program("certify", path, "--data", tmp_path / "data.npz", "--eps", "0.3", "--out", tmp_path / "out", "--quiet", *options)
    assert ran.returncode == 0, ran.stderr
    with open(tmp_path / "out" / "report.json", encoding="utf-8") as file:
        report = json.load(file)
    result = certus.certify(path, X, names, eps="0.3", bounds="none", labels=settings["labels"], **{key: settings[key] for key in SIDECAR})
    assert rows(result.report) == rows(report)
    assert evidence(result.folder) == evidence(str(tmp_path / "out"))
    # The file, with the settings beside it, is read as the program reads it.
    direct = certus.certify(path, "models/breast_cancer/test.csv", eps="0.3")
    assert direct.report["summary"] == report["summary"]


def test_radii_attacks_and_properties_are_the_programs(program: Callable[..., Any], tmp_path: Path) -> None:
    path, data = "models/breast_cancer/mlp_cert.onnx", "models/breast_cancer/test.csv"
    ran = program("radius", path, "--data", data, "--max-eps", "0.5", "--limit", 10, "--json", "--quiet")
    radii = certus.radius(path, data, max_eps=0.5, limit=10)
    assert rows(radii.report) == rows(json.loads(ran.stdout))
    assert (radii.certified < radii.attacked).all() or (radii.certified <= radii.attacked).all()
    ran = program("attack", path, "--data", data, "--eps", "0.5", "--norm", "l2", "--attack", "pgd,fab", "--json", "--quiet")
    attacked = certus.attack(path, data, eps="1/2", norm=2, attack=["pgd", "fab"])
    assert rows(attacked.report) == rows(json.loads(ran.stdout))
    assert attacked.certified_accuracy is None
    files = ["models/control/mlp_plain.onnx", "models/control/torque_stays_small.vnnlib"]
    ran = program("verify", *files, "--json")
    verdict = certus.verify(*files)
    report = json.loads(ran.stdout)
    assert {key: value for key, value in verdict.report.items() if key not in ("seconds", "peak_mb")} == {
        key: value for key, value in report.items() if key not in ("seconds", "peak_mb")
    }
    assert verdict.falsified and verdict.counterexample is not None
    assert verdict.counterexample.shape == certus.load(files[0]).input_shape


def test_proofs_are_checked_and_bounds_hold(tmp_path: Path, program: Callable[..., Any], mnist: Any) -> None:
    result = certus.certify("models/mnist/mlp_cert.onnx", "models/mnist/test.npz", eps="0.05", limit=6, proofs=True, out=tmp_path / "out")
    assert [proof.index for proof in result.proofs] == [row["index"] for row in result.rows if (row["assurance"] or "").startswith("proved")]
    assert result.proofs and all(os.path.exists(proof.proof) and os.path.exists(proof.property) for proof in result.proofs)
    assert program("check", tmp_path / "out", "--quiet").returncode == 0
    verdict = certus.verify("models/control/mlp_plain.onnx", "models/control/leaning_right_pushes_left.vnnlib", proof=tmp_path / "a.proof", jobs=1)
    assert verdict.certified and verdict.proof == str(tmp_path / "a.proof")
    net = certus.load("models/mnist/mlp_plain.onnx")
    x = mnist[0][:3].reshape(3, -1) / 255.0
    low, high = certus.bounds(net, x - 0.01, x + 0.01)
    wide_low, wide_high = certus.bounds(net, x - 0.01, x + 0.01, method="ibp")
    y = net.evaluate(x)
    assert low.shape == (3, 10) and (wide_low <= low).all() and (low <= y).all() and (y <= high).all() and (high <= wide_high).all()
    assert certus.bounds(net, x[0], x[0])[0].shape == (10,)


def test_the_interpreter_is_free_while_it_works() -> None:
    ticks = []
    done = threading.Event()

    def count() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.002)

    thread = threading.Thread(target=count)
    thread.start()
    certus.certify("models/mnist/mlp_cert.onnx", "models/mnist/test.npz", eps="0.1", limit=60, jobs=1)
    done.set()
    thread.join()
    pauses = np.diff(ticks)
    assert len(pauses) > 10 and float(pauses.max()) < 0.5

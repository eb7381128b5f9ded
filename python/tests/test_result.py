"""Figures, tables, pictures and files."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import certus
import numpy as np
import pytest


@pytest.fixture(scope="module")
def result() -> certus.Result:
    os.chdir(Path(__file__).resolve().parents[2])
    return certus.certify("models/mnist/mlp_cert.onnx", "models/mnist/test.npz", eps="0.1", limit=30)


def test_figures(result: certus.Result) -> None:
    certified, clean = result.certified_accuracy, result.clean_accuracy
    assert certified is not None and certified <= result.adversarial_accuracy <= clean
    assert certified == certified.numerator / 30 and certified.denominator == 30
    assert certified.numerator == int((result.verdicts == "certified").sum())
    low, high = certified.interval()
    assert low < certified < high and certified.interval(0.99)[0] < low
    assert result.attack_success_rate.denominator == clean.numerator
    assert len(result.margins) == 30 and (result.margins[result.verdicts == "certified"] >= 0).all()
    assert str(certus.Figure(0, 0)) == "0 of 0" and np.isnan(certus.Figure(0, 0).interval()[0])


def test_counterexamples_break_the_network(result: certus.Result, mnist: Any) -> None:
    found = certus.attack("models/mnist/mlp_plain.onnx", "models/mnist/test.npz", eps="0.1", limit=10)
    assert found.counterexamples
    net = certus.load("models/mnist/mlp_plain.onnx")
    for index, broken in found.counterexamples.items():
        assert broken.input.shape == (1, 28, 28)
        assert np.abs(broken.input - mnist[0][index] / 255).max() <= 0.1 + 1e-12
        assert net.evaluate(broken.input[None])[0].argmax() != mnist[1][index]
        np.testing.assert_allclose(net.evaluate(broken.input[None])[0], broken.output, rtol=1e-4, atol=1e-4)


def test_tables_pictures_and_notebooks(result: certus.Result, tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    frame = result.to_pandas()
    assert list(frame.index) == list(range(30)) and (frame["verdict"] == result.verdicts).all()
    result.plot().figure.savefig(tmp_path / "bar.png")
    assert (tmp_path / "bar.png").stat().st_size > 5000
    radii = certus.radius("models/breast_cancer/mlp_cert.onnx", "models/breast_cancer/test.csv", max_eps="1/2", limit=10)
    radii.plot().figure.savefig(tmp_path / "curve.png")
    assert radii.certified_accuracy(0) >= radii.certified_accuracy(0.2)
    assert len(radii.to_pandas()) == 10
    page = result._repr_html_()
    assert "95 % interval" in page and "30" in page and page.count("<tr>") == 6


def test_saving_sending_and_reading_again(result: certus.Result, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "out")
    again = certus.load_result(folder)
    assert isinstance(again, certus.Result) and again.report == result.report
    sent = pickle.loads(pickle.dumps(result))
    assert sent.report == result.report and set(sent.counterexamples) == set(result.counterexamples)
    with pytest.raises(certus.CannotCreateError, match="another"):
        result.save(folder)
    with pytest.raises(certus.MissingFileError, match="no finished campaign"):
        certus.load_result(tmp_path)
    # The program goes on with what the package wrote, and the other way round.
    same = certus.certify("models/mnist/mlp_cert.onnx", "models/mnist/test.npz", eps="0.1", limit=30, out=folder, resume=True)
    assert same.report["timing"]["resumed_rows"] == 30
    with pytest.raises(certus.CannotCreateError, match="overwrite=True"):
        certus.certify("models/mnist/mlp_cert.onnx", "models/mnist/test.npz", eps="0.1", limit=30, out=folder)
    certus.certify("models/mnist/mlp_cert.onnx", "models/mnist/test.npz", eps="0.1", limit=3, out=folder, overwrite=True)


def test_networks_can_be_sent(mnist: Any) -> None:
    net = certus.load("models/mnist/mlp_cert.onnx")
    sent = pickle.loads(pickle.dumps(net))
    assert sent.sha256 == net.sha256 and sent.input_shape == net.input_shape
    assert (sent.evaluate(mnist[0][:2] / 255) == net.evaluate(mnist[0][:2] / 255)).all()


def test_progress_and_what_it_raises() -> None:
    seen: list[tuple[int, int, str]] = []
    ask: dict[str, Any] = {"net": "models/breast_cancer/mlp_cert.onnx", "X": "models/breast_cancer/test.csv", "eps": "0.3"}
    certus.certify(**ask, progress=lambda done, total, words: seen.append((done, total, words)), limit=20)
    assert seen[0][:2] == (0, 20) and seen[-1][:2] == (20, 20) and "certified" in seen[-1][2]

    def stop(done: int, total: int, words: str) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        certus.certify(**ask, progress=stop)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_ends_it_and_keeps_what_is_finished(tmp_path: Path) -> None:
    script = (
        "import certus, os, signal, threading\n"
        "def told(done, total, words):\n"
        "    if done == 3: os.kill(os.getpid(), signal.SIGINT)\n"
        "try:\n"
        "    certus.certify('models/mnist/mlp_cert.onnx', 'models/mnist/test.npz', eps='0.1', jobs=1, out=OUT, progress=told)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
        "result = certus.certify('models/breast_cancer/mlp_cert.onnx', 'models/breast_cancer/test.csv', eps='0.3', limit=3)\n"
        "print(len(result.rows))\n"
    )
    script = script.replace("OUT", repr(str(tmp_path / "out")))
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=120)
    assert ran.stdout.split() == ["interrupted", "3"], ran.stderr
    journal = (tmp_path / "out" / "journal.jsonl").read_text().splitlines()
    assert 4 <= len(journal) < 400 and not (tmp_path / "out" / "report.json").exists()


def test_an_audit(tmp_path: Path) -> None:
    model, data = os.path.abspath("models/breast_cancer/mlp_cert.onnx"), os.path.abspath("models/breast_cancer/test.csv")
    plan = tmp_path / "audit.toml"
    init = subprocess.run([sys.executable, "-m", "certus", "audit", "--init", str(plan), model, data], capture_output=True, text=True)
    assert init.returncode == 0, init.stderr
    text = plan.read_text().replace("limit = 0", "limit = 5")
    plan.write_text(text)
    audit = certus.audit(plan, tmp_path / "out", jobs=1)
    assert os.path.exists(audit.page) and audit.report["criteria"] is not None
    assert len(audit.to_pandas()) > 0 and audit.page in audit._repr_html_()
    with pytest.raises(certus.MissingFileError):
        certus.audit(tmp_path / "nowhere.toml", tmp_path / "other")

"""Examples run: doctests, the README's lines, what is typed; and the measures that the package keeps."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import certus
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["", "._campaign", "._numbers", "._network", "._query", "._result", "._errors", ".metrics", ".testing", ".distributed"]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.filterwarnings("ignore::certus.CertusWarning")
def test_doctests(name: str) -> None:
    module = importlib.import_module(f"certus{name}")
    results = doctest.testmod(module)
    assert results.failed == 0
    if name in ("", "._campaign", "._query"):
        assert results.attempted > 0


@pytest.mark.parametrize("file", ["README.md", "python/README.md", "docs/python.md"])
@pytest.mark.filterwarnings("ignore::certus.CertusWarning")
def test_the_documents_python_runs_as_printed(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "# not run" not in block]
    assert blocks, file
    for block in blocks:
        exec(compile(block, file, "exec"), {})


def test_examples_are_typed_and_run() -> None:
    pytest.importorskip("mypy")
    example = "python/tests/examples/quick_start.py"
    checked = subprocess.run([sys.executable, "-m", "mypy", "--strict", example], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    ran = subprocess.run([sys.executable, "-W", "ignore", example], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_documented() -> None:
    for name in certus.__all__:
        documented = getattr(certus, name)
        assert name == "__version__" or (documented.__doc__ or "").strip(), name


def test_importing_is_quick() -> None:
    code = "import time; begun = time.process_time(); import certus; print(time.process_time() - begun)"
    seconds = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout) for _ in range(5)]
    # 0.03 s on an idle machine (docs/performance.md); of a busy one the best of five, in processor time, with room.
    assert min(seconds) < 0.15, seconds


def test_the_program_is_there(program: Callable[..., Any], tmp_path: Path) -> None:
    assert program("--version").stdout.strip() == f"certus {certus.__version__}"
    assert program("certify").returncode == 64
    begun = time.monotonic()
    script = Path(sys.executable).with_name("certus")
    if script.exists():
        ran = subprocess.run([script, "inspect", "models/mnist/mlp_cert.onnx"], capture_output=True, text=True)
        assert ran.returncode == 0 and "MatMul" in ran.stdout + ran.stderr or "Gemm" in ran.stdout, ran
    # What starts the program again starts it here, too.
    instances = tmp_path / "instances.csv"
    control = ROOT / "models/control"
    instances.write_text(f"{control}/mlp_plain.onnx,{control}/torque_stays_small.vnnlib,30\n")
    ran = program("bench", instances, "--out", tmp_path / "results.csv")
    assert ran.returncode == 0 and "sat" in (tmp_path / "results.csv").read_text(), ran.stderr
    assert time.monotonic() - begun < 60

"""The repository's models and data, and the program that the package brings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def mnist() -> Any:
    """Images in bytes and labels."""
    data = np.load(ROOT / "models/mnist/test.npz")
    names = {name.lower(): name for name in data.files}
    return data[names.get("x", data.files[0])], data[names.get("y", data.files[1])]


@pytest.fixture(scope="session")
def cancer() -> Any:
    """A table of floats and labels, and the settings beside it."""
    import pandas as pd

    frame = pd.read_csv(ROOT / "models/breast_cancer/test.csv")
    return frame


@pytest.fixture
def program() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    def run(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "certus", *map(str, arguments)]
        return subprocess.run(line, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, **options)

    return run

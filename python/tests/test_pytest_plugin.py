"""The plugin for pytest, in runs of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SUITE = f"""
import pytest

NET = {str(ROOT / "models/breast_cancer/mlp_cert.onnx")!r}
DATA = {str(ROOT / "models/breast_cancer/test.csv")!r}

@pytest.mark.certus(eps="0.3", at_least=0.75, limit=50)
def test_holds(assert_certified):
    assert assert_certified(NET, DATA).certified_accuracy >= 0.75

@pytest.mark.certus(eps="0.3", limit=50)
def test_fails(assert_certified):
    assert_certified(NET, DATA, at_least=0.99)

def test_plain():
    from certus.testing import assert_certified
    assert_certified(NET, DATA, eps="0.3", at_least="1/2", limit=10)
"""


def test_a_suite(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    ran = pytester.runpytest_subprocess("--strict-markers", "-W", "ignore", f"--junitxml={pytester.path / 'out.xml'}")
    ran.assert_outcomes(passed=2, failed=1)
    text = ran.stdout.str()
    assert "99 % are asked for" in text and re.search(r"input \d+ of label [01]: (falsified|unknown|misclassified)", text)
    xml = (pytester.path / "out.xml").read_text()
    assert 'name="certified_accuracy"' in xml and "at eps = 3/10" in xml
    only = pytester.runpytest_subprocess("-m", "certus", "-W", "ignore")
    only.assert_outcomes(passed=1, failed=1, deselected=1)

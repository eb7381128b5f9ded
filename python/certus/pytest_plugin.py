"""A plugin for pytest: the fixture ``assert_certified`` and the marker ``certus``."""

from __future__ import annotations

from typing import Any, Callable

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line("markers", "certus(eps=..., at_least=..., **options): a test of certified robustness; the options are defaults of assert_certified")


@pytest.fixture
def assert_certified(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[..., Any]:
    """``certus.testing.assert_certified`` with the defaults of the marker; what it found is in the JUnit report.

    Examples
    --------
    ::

        @pytest.mark.certus(eps="8/255", at_least=0.9)
        def test_model_is_robust(assert_certified):
            assert_certified("model.onnx", X, y, bounds=(0, 1))
    """
    from .testing import assert_certified as check

    marker = request.node.get_closest_marker("certus")
    defaults = {} if marker is None else dict(marker.kwargs)

    def checked(model: Any, X: Any, y: Any = None, eps: Any = None, **options: Any) -> Any:
        __tracebackhide__ = True
        merged = {**defaults, **options}
        asked = eps if eps is not None else merged.pop("eps", None)
        merged.pop("eps", None)
        result = check(model, X, y, asked, **merged)
        for name in ("certified_accuracy", "adversarial_accuracy", "clean_accuracy"):
            record_property(name, str(getattr(result, name)))
        return result

    return checked

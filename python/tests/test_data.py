"""Whatever a user of NumPy hands over works, or ends in one sentence that says what to do."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import certus
import numpy as np
import pytest

NET = "models/mnist/mlp_cert.onnx"
UNITS = {"scale": "1/255", "bounds": (0, 1)}


def refused(kind: "type[certus.CertusError]", *words: str, **question: Any) -> certus.CertusError:
    with pytest.raises(kind) as caught:
        certus.certify(**question)
    text = str(caught.value)
    assert "\n" not in text and "--" not in text, text
    for word in words:
        assert word in text, text
    return caught.value


def test_images(mnist: Any) -> None:
    X, y = mnist[0][:12], mnist[1][:12]
    ask = {"net": NET, "eps": "0.05", "y": y}
    # Bytes without a scale, and floats that hold bytes.
    refused(certus.DataError, 'scale="1/255"', X=X, **ask)
    refused(certus.DataError, 'scale="1/255"', X=X.astype(np.float32), **ask)
    # Bytes with a domain of 0 to 1 and no scale.
    refused(certus.DataError, 'scale="1/255"', X=X, bounds=(0, 1), **ask)
    # Scaled by the caller: as if by the scale, up to rounding.
    whole = certus.certify(X=X, **UNITS, **ask)
    floats = certus.certify(X=X.astype(np.float64) / 255, bounds=(0, 1), **ask)
    assert list(whole.verdicts) == list(floats.verdicts)
    # Without the axis of the channel, as rows, and in other orders in memory.
    for same in (X[:, 0], X.reshape(12, 784), np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist()):
        assert certus.certify(X=same, **UNITS, **ask).report["rows"][0]["margin_bound"] == whole.report["rows"][0]["margin_bound"]
    convolution = {**ask, "net": "models/mnist/cnn_cert.onnx"}
    refused(certus.DataError, "colour", X=np.repeat(X, 3, axis=1), **UNITS, **convolution)
    refused(certus.UsageError, "X[None]", X=X[0], y=y[0], **UNITS, eps="0.05", net=NET)
    refused(certus.DataError, "X[None]", X=X[0].reshape(784), y=y[:1], **UNITS, eps="0.05", net=NET)
    refused(certus.UsageError, "one label", X=X[:1], y=y[0], **UNITS, eps="0.05", net=NET)


def test_height_width_channels() -> None:
    import onnx
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 3, 5, 4], np.linspace(-1, 1, 120, dtype=np.float32))
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Flatten", ["c"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 5, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [weights],
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/nhwc.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
        X = np.random.default_rng(0).random((4, 5, 4, 3))
        error = refused(certus.DataError, "X.transpose(0, 3, 1, 2)", net=path, X=X, y=[0, 1, 0, 1], eps=0.01, bounds=(0, 1))
        assert error.file == "X"
        certus.certify(path, X.transpose(0, 3, 1, 2), [0, 1, 0, 1], eps=0.01, bounds=(0, 1))


def test_numbers_that_are_none(mnist: Any) -> None:
    X, y = mnist[0][:4].reshape(4, 784) / 255, mnist[1][:4]
    ask = {"net": NET, "eps": 0.05, "bounds": (0, 1)}
    for bad in (np.nan, np.inf):
        broken = X.copy()
        broken[2, 7] = bad
        error = refused(certus.DataError, "X: row 2, column 7: NaN or infinite", X=broken, y=y, **ask)
        assert (error.file, error.place, error.code) == ("X", "row 2, column 7", 65)
    refused(certus.DataError, "complex", X=X.astype(complex), y=y, **ask)
    refused(certus.DataError, "elements of type", X=[["a"] * 784] * 4, y=y, **ask)
    refused(certus.DataError, "different lengths", X=[[0.0] * 784, [0.0]], y=y[:2], **ask)
    refused(certus.DataError, "masked", X=np.ma.masked_less(X, 0.5), y=y, **ask)
    refused(certus.DataError, "outside of the domain", X=X * 3 - 1, y=y, **ask)
    refused(certus.DataError, "4 inputs but 3 labels", X=X, y=y[:3], **ask)
    refused(certus.DataError, "empty", X=np.zeros((0, 784)), y=[], **ask)
    for dtype in (np.float16, np.float32, ">f4", ">f8"):
        assert len(certus.certify(X=X.astype(dtype), y=y, **ask).rows) == 4


def test_labels(mnist: Any) -> None:
    import pandas as pd

    X, y = mnist[0][:6].reshape(6, 784) / 255, mnist[1][:6]
    ask = {"net": NET, "eps": 0.02, "bounds": (0, 1)}
    first = certus.certify(X=X, y=y, **ask).report["rows"]
    for same in (y.astype(float), y.tolist(), pd.Series(y), y.reshape(-1, 1), y.astype(object), y.astype(np.uint64)):
        again = certus.certify(X=X, y=same, **ask).report["rows"]
        assert [row["margin_bound"] for row in again] == [row["margin_bound"] for row in first]
    error = refused(certus.DataError, "label '0.5'", X=X, y=[0.5] * 6, **ask)
    assert (error.file, error.place) == ("y", "row 0")
    refused(certus.DataError, "label '-1'", X=X, y=[-1] * 6, **ask)
    refused(certus.DataError, "10 classes", X=X, y=[10] * 6, **ask)
    refused(certus.DataError, "argmax", X=X, y=np.eye(10)[y], **ask)
    refused(certus.DataError, "labels=[", X=X, y=[f"digit {label}" for label in y], **ask)
    names = [f"digit {label}" for label in range(10)]
    named = certus.certify(X=X, y=[names[label] for label in y], labels=names, **ask)
    assert [row["label"] for row in named.rows] == y.tolist()
    refused(certus.DataError, "none of the classes", X=X, y=["digit 11"] * 6, labels=names, **ask)


def test_frames(cancer: Any) -> None:
    X, y = cancer.drop(columns="diagnosis"), cancer["diagnosis"]
    ask = {"net": "models/breast_cancer/mlp_cert.onnx", "eps": "1/1000", "y": y, "bounds": "none", "labels": ["malignant", "benign"]}
    assert len(certus.certify(X=X, **ask).rows) == len(X)
    error = refused(certus.DataError, "column 'mean_area'", X=X.assign(mean_area=X["mean_area"].astype(str)), **ask)
    assert error.place == "column 'mean_area'"
    holes = X.copy()
    holes.iloc[3, 2] = None
    refused(certus.DataError, "row 3, column 'mean_perimeter': there is no value", X=holes, **ask)
    refused(certus.DataError, "no feature", X=X.assign(number=1.0), **ask)


@pytest.mark.parametrize("eps", ["8/255", Fraction(8, 255), np.str_("8/255")])
def test_eps_is_exact(eps: Any, mnist: Any) -> None:
    result = certus.certify(NET, mnist[0][:2], mnist[1][:2], eps, **UNITS)
    assert result.report["settings"]["epsilon"]["exact"] == "8/255"


@pytest.mark.parametrize("eps", [0.1, "0.1", Fraction(1, 10), Decimal("0.1"), np.float32(0.1), np.float64(0.1), "1e-1"])
def test_a_float_means_its_decimal_text(eps: Any, mnist: Any) -> None:
    result = certus.certify(NET, mnist[0][:2], mnist[1][:2], eps, **UNITS)
    assert result.report["settings"]["epsilon"]["exact"] == "1/10"


def test_questions_that_make_no_sense(mnist: Any) -> None:
    X, y = mnist[0][:2], mnist[1][:2]
    ask = {"net": NET, "X": X, "y": y, **UNITS}
    refused(certus.UsageError, "eps is needed", **ask)
    refused(certus.UsageError, "must not be negative", **ask, eps=-0.1)
    refused(certus.UsageError, "no finite number", **ask, eps=float("nan"))
    refused(certus.UsageError, "no number", **ask, eps=[0.1])
    refused(certus.UsageError, "max norm", **ask, eps=0.1, norm=2)
    refused(certus.UsageError, "crwn", **ask, eps=0.1, method="crwn")
    refused(certus.UsageError, "y is needed", net=NET, X=X, eps=0.1)
    refused(certus.DataError, 'accept="large-eps"', **ask, eps=8)
    refused(certus.UsageError, "K/N", **ask, eps=0.1, shard=(3, 2))
    refused(certus.UsageError, "is no network", **{**ask, "net": 3}, eps=0.1)
    with pytest.raises(FileNotFoundError) as caught:
        certus.load("nowhere.onnx")
    assert isinstance(caught.value, certus.MissingFileError) and caught.value.file == "nowhere.onnx"
    with pytest.raises(certus.DataError) as damaged:
        certus.load("models/mnist/test.npz")
    assert damaged.value.file == "models/mnist/test.npz"
    with pytest.warns(certus.CertusWarning, match="no domain"):
        certus.certify(NET, X[:, 0] / 255, y, eps=0.01)


def test_bounds_are_checked() -> None:
    net = certus.load(NET)
    for lower, upper, words in (
        (np.ones(784), np.zeros(784), "the box is empty"),
        (np.ones(784), np.ones(783), "its shape"),
        (np.ones(700), np.ones(700), "takes 784"),
        (np.full(784, np.nan), np.ones(784), "NaN"),
    ):
        with pytest.raises(certus.DataError, match=words):
            certus.bounds(net, lower, upper)
    with pytest.raises(certus.UsageError, match="crown"):
        certus.bounds(net, np.zeros(784), np.ones(784), method="magic")
    with pytest.raises(certus.DataError) as caught:
        certus.verify(net, "(declare-const X_0 Real)")
    assert caught.value.place or "property.vnnlib" in str(caught.value)

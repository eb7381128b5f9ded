"""Networks of scikit-learn, torch and Keras; those that are not installed are skipped, and say so."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import certus
import numpy as np
import pytest


@pytest.fixture(scope="module")
def iris() -> Any:
    from sklearn.datasets import load_iris

    data = load_iris()
    return data.data, data.target


def test_a_pipeline_of_scikit_learn(iris: Any) -> None:
    pytest.importorskip("skl2onnx")
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = make_pipeline(StandardScaler(), MLPClassifier([16], max_iter=400, random_state=0)).fit(X, names)
    net = certus.from_sklearn(model)
    assert net.classes == ["setosa", "versicolor", "virginica"] and net.inputs == 4
    result = certus.certify(net, X, names, eps="0.05", bounds="none")
    assert result.clean_accuracy == pytest.approx(model.score(X, names), abs=0.01)
    assert result.certified_accuracy is not None and result.certified_accuracy > 0.8
    # eps is in the units of the pipeline's input.
    for broken in certus.attack(net, X, names, eps="0.5", bounds="none").counterexamples.values():
        assert model.predict(broken.input[None])[0] != names[broken.index]
        assert np.abs(broken.input - X[broken.index]).max() <= 0.5 + 1e-9


def test_two_classes_and_linear_models(iris: Any) -> None:
    pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    X, y = iris
    X, y = X[y > 0], y[y > 0]
    for model in (MLPClassifier([8], max_iter=800, random_state=0), LogisticRegression(max_iter=1000)):
        model.fit(X, y)
        # The labels are 1 and 2, and the outputs 0 and 1.
        result = certus.certify(model, X, y, eps="0.01", bounds="none")
        assert result.clean_accuracy == pytest.approx(model.score(X, y), abs=0.021)
        assert result.certified_accuracy is not None and result.certified_accuracy > 0.5


def test_scores(iris: Any) -> None:
    pytest.importorskip("skl2onnx")
    from certus.metrics import certified_accuracy_score, make_certified_scorer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    X, y = iris
    model = LogisticRegression(max_iter=1000).fit(X, y)
    small, large = (certified_accuracy_score(model, X, y, eps=eps, bounds="none") for eps in ("0.01", "0.5"))
    assert small > large and small.denominator == 150
    order = np.random.default_rng(0).permutation(len(X))
    scores = cross_val_score(model, X[order], y[order], scoring=make_certified_scorer(eps="0.01", bounds="none"), cv=3, n_jobs=2)
    assert len(scores) == 3 and (scores > 0.5).all()


def test_what_is_no_classifier_of_ours(iris: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    X, y = iris
    with pytest.raises(certus.UsageError, match="fit it first"):
        certus.from_sklearn(LogisticRegression())
    pytest.importorskip("skl2onnx")
    with pytest.raises(certus.DataError):
        certus.from_sklearn(RandomForestClassifier(3).fit(X, y))


def test_nothing_is_imported_that_is_not_needed() -> None:
    code = "import sys, certus; print([name for name in ('numpy', 'torch', 'sklearn', 'pandas', 'matplotlib', 'keras', 'tqdm') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    code = "import sys, numpy, certus; certus.certify('models/mnist/mlp_cert.onnx', numpy.full((2, 784), 0.5), [0, 1], 0.1, bounds=(0, 1)); print([name for name in ('torch', 'sklearn', 'pandas', 'matplotlib', 'keras', 'tqdm') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_module_of_torch() -> None:
    torch = pytest.importorskip("torch")
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 3 * 3, 3))
    model[1].running_mean.normal_()
    model.train()
    net = certus.from_torch(model, (1, 8, 8))
    assert model.training and net.input_shape == (1, 8, 8) and net.outputs == 3
    X = np.random.default_rng(0).random((6, 1, 8, 8))
    model.eval()
    with torch.no_grad():
        outputs = np.array(model(torch.tensor(X.tolist())).tolist())
    np.testing.assert_allclose(net.evaluate(X), outputs, atol=1e-4)
    y = outputs.argmax(axis=1)
    result = certus.certify(model, torch.tensor(X.tolist()), torch.tensor(y.tolist()), eps="0.001", bounds=(0, 1))
    assert result.clean_accuracy == 1.0
    with pytest.raises(certus.DataError, match="takes no input of shape"):
        certus.from_torch(model, (3, 8, 8))

    class Noisy(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.flatten(1)[:, :3] + torch.rand(1)

    with pytest.raises(certus.DataError):
        certus.from_torch(Noisy(), (1, 8, 8))


def test_a_model_of_keras() -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    layers = keras.layers
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3, activation="softmax")])
    net = certus.from_keras(model)
    X = np.random.default_rng(0).random((6, 8, 8, 1)).astype(np.float32)
    y = model.predict(X, verbose=0).argmax(axis=1)
    result = certus.certify(net, X, y, eps="0.001", bounds=(0, 1))
    assert result.clean_accuracy == 1.0

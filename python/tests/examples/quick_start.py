"""What the documentation shows, typed: mypy --strict reads this file."""

from fractions import Fraction

import certus
import numpy as np
from certus import distributed
from certus.metrics import make_certified_scorer
from certus.testing import assert_certified


def main() -> None:
    net = certus.load("models/mnist/mlp_cert.onnx")
    data = np.load("models/mnist/test.npz")
    result = certus.certify(net, data["x"], data["y"], eps=Fraction(8, 255), scale="1/255", bounds=(0, 1), limit=10)
    low, high = result.clean_accuracy.interval()
    certified = result.certified_accuracy
    if certified is not None:
        print(certified, certified.numerator, low, high)
    for index, broken in result.counterexamples.items():
        print(index, broken.input.shape)
    lower, upper = certus.bounds(net, np.zeros(784), np.ones(784), method="ibp")
    print(lower.min(), upper.max(), result.to_pandas().shape)
    verdict = certus.verify("models/control/mlp_plain.onnx", "models/control/torque_stays_small.vnnlib")
    if verdict.counterexample is not None:
        print(verdict.counterexample.sum(), verdict.report["stage"])
    assert_certified(net, data["x"], data["y"], eps="1/255", at_least=0.5, scale="1/255", bounds=(0, 1), limit=10)
    print(make_certified_scorer(eps="1/255"))
    same = distributed.certify(net, data["x"], data["y"], eps="1/255", scale="1/255", bounds=(0, 1), limit=4, engine="joblib", n_jobs=1, blocks=2)
    print(same.certified_accuracy)


if __name__ == "__main__":
    main()

"""ONNX: writing a network, checking the file against PyTorch with onnxruntime, and reading weights back."""

import hashlib
import warnings

import numpy as np
import onnx
import onnxruntime
import torch


def write(net, sample, path):
    """Exports with a symbolic batch dimension; sample is a batch of network inputs."""
    net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (sample[:1],), str(path), dynamo=False, opset_version=13,
            input_names=["input"], output_names=["output"],
            dynamic_axes={"input": {0: "N"}, "output": {0: "N"}},
        )  # fmt: skip
    check(net, sample, path)


def check(net, sample, path):
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"input": sample.numpy()})
    with torch.no_grad():
        want = net(sample).numpy()
    off = np.abs(got - want).max()
    if not off <= 1e-4 * max(1.0, np.abs(want).max()):
        raise ValueError(f"{path}: onnxruntime and PyTorch differ by {off}")


def read_weights(net, path):
    """Fills net with the weights of a file that `write` made."""
    tensors = {t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in onnx.load(str(path)).graph.initializer}
    net.load_state_dict(tensors)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()

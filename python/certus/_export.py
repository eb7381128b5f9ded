"""Bridges: networks of torch, scikit-learn and Keras as ONNX, with the export checked by comparing outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

from ._errors import DataError, UsageError
from ._network import Network, _shown

if TYPE_CHECKING:
    import tempfile

    import numpy as np
    from numpy.typing import NDArray

#: The largest difference between the exported network and the original, relative to the largest output, that single precision explains.
TOLERANCE = 1e-4


def from_torch(
    module: Any,
    input_shape: Sequence[int],
    *,
    check: bool = True,
    tolerance: float = TOLERANCE,
    opset: int = 13,
    classes: Optional[Sequence[Any]] = None,
) -> Network:
    """A network of a ``torch.nn.Module``, exported as ONNX in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Takes a batch of inputs and returns logits or probabilities.
    input_shape : sequence of int
        Shape of one input without the batch, such as ``(1, 28, 28)``.
    check : bool
        Compare its outputs with those of the export on random inputs, by certus in double precision and, where it is installed, by onnxruntime.
    tolerance : float
        The largest difference relative to the largest output.
    opset : int
        The version of ONNX's operator set.
    classes : sequence, optional
        The labels that its outputs stand for.

    Returns
    -------
    Network

    Raises
    ------
    DataError
        Where it cannot be exported, the export has operators that are not read, or outputs differ.
    """
    import inspect
    import warnings

    import torch

    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
    shape = tuple(int(length) for length in input_shape)
    first = next(module.parameters(), None)
    device, kind = (first.device, first.dtype) if first is not None else (torch.device("cpu"), torch.float32)
    example = torch.zeros((1, *shape), dtype=kind, device=device)
    folder, path = _fresh()
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module(example)
            except Exception as error:
                raise DataError(f"the module takes no input of shape {_shown(shape)}: {_first_line(error)}") from error
            known = inspect.signature(torch.onnx.export).parameters
            # The exporter by tracing needs nothing that torch does not bring.
            how = {"dynamo": False} if "dynamo" in known else {}
            try:
                torch.onnx.export(
                    module,
                    (example,),
                    path,
                    input_names=["input"],
                    output_names=["output"],
                    dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                    opset_version=opset,
                    **how,
                )
            except Exception as error:
                raise DataError(f"torch cannot export the module as ONNX: {_first_line(error)}") from error
            net = Network(path, classes=classes, _folder=folder)
            if check:

                def original(X: "NDArray[np.float64]") -> Any:
                    with torch.no_grad():
                        # Lists rather than arrays: torch and NumPy need not know each other's versions.
                        inputs = torch.tensor(X.tolist(), dtype=kind, device=device)
                        return module(inputs).detach().cpu().double().tolist()

                _compare(net, shape, original, tolerance, "the torch module")
    finally:
        module.train(training)
    return net


def from_sklearn(estimator: Any, *, check: bool = True, tolerance: float = TOLERANCE) -> Network:
    """A network of a fitted scikit-learn classifier or pipeline, exported by skl2onnx.

    Parameters
    ----------
    estimator : classifier
        Such as ``MLPClassifier``, ``LogisticRegression``, or a pipeline that ends in one; the steps before it, such as ``StandardScaler``, are
        part of the network, so that eps is in the units of the pipeline's input.
    check : bool
        Compare its classes with those of the export on random inputs.
    tolerance : float
        Among inputs whose two largest outputs differ by more than this, relative to the largest, all classes must agree.

    Returns
    -------
    Network
        Its ``classes`` are the estimator's ``classes_``.
    """
    import warnings

    import numpy as np

    features = getattr(estimator, "n_features_in_", None)
    classes = getattr(estimator, "classes_", None)
    if features is None or classes is None:
        raise UsageError(f"{type(estimator).__name__} is not a fitted classifier: fit it first")
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError:
        raise UsageError("from_sklearn needs skl2onnx: pip install 'certus[sklearn]'") from None
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = to_onnx(estimator, initial_types=[("input", FloatTensorType([None, int(features)]))], options={id(final): {"zipmap": False}})
    except Exception as error:
        raise DataError(f"skl2onnx cannot export {type(final).__name__}: {_first_line(error)}") from error
    folder, path = _fresh()
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    net = Network(path, classes=list(classes), _folder=folder)
    if check:
        X = _points((int(features),), 256)
        scaler = _scale_of(estimator)
        if scaler is not None:
            X = scaler[0] + scaler[1] * X
        X = X.astype(np.float32).astype(np.float64)
        outputs = net.evaluate(X)
        if outputs.shape[1] == 1:
            outputs = np.concatenate([1 - outputs, outputs], axis=1) if bool(((outputs >= 0) & (outputs <= 1)).all()) else np.concatenate([-outputs, outputs], axis=1)
        two = np.sort(outputs, axis=1)[:, -2:]
        clear = two[:, 1] - two[:, 0] > tolerance * np.abs(outputs).max()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = estimator.predict(X)
        wrong = clear & (np.asarray(classes)[outputs.argmax(axis=1)] != theirs)
        if bool(wrong.any()):
            raise DataError(f"the export is another function: {type(final).__name__} and its ONNX give different classes at {int(wrong.sum())} of {len(X)} random inputs")
    return net


def from_keras(model: Any, *, check: bool = True, tolerance: float = TOLERANCE) -> Network:
    """A network of a Keras model, exported by Keras itself or by tf2onnx.

    Parameters
    ----------
    model : keras.Model
        With one input and one output; its images are height × width × channels, and so must X be.
    check : bool
        Compare its outputs with those of the export on random inputs.
    tolerance : float
        The largest difference relative to the largest output.

    Returns
    -------
    Network
    """
    import numpy as np

    shape = getattr(model, "input_shape", None)
    if shape is None or isinstance(shape, (list, dict)) or any(length is None for length in shape[1:]):
        raise UsageError("from_keras takes a built model with one input of a known shape")
    shape = tuple(int(length) for length in shape[1:])
    folder, path = _fresh()
    # A model that never ran has no signature to export.
    model.predict(np.zeros((1, *shape), dtype=np.float32), verbose=0)
    _export_keras(model, path)
    net = Network(path, _folder=folder)
    if check:

        def original(X: "NDArray[np.float64]") -> Any:
            return np.asarray(model.predict(X.astype(np.float32), verbose=0), dtype=np.float64).tolist()

        _compare(net, shape, original, tolerance, "the Keras model")
    return net


def _export_keras(model: Any, path: str) -> None:
    """By Keras' own exporter where it has one (3.8 and later), else by tf2onnx."""
    import inspect
    import warnings

    problems = []
    if "format" in inspect.signature(getattr(model, "export", lambda: None)).parameters:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.export(path, format="onnx", verbose=False)
            if os.path.exists(path):
                return
        except Exception as error:
            problems.append(f"Keras: {_first_line(error)}")
    try:
        import tf2onnx

        tf2onnx.convert.from_keras(model, output_path=path)
        return
    except Exception as error:
        problems.append(f"tf2onnx: {_first_line(error)}")
    raise DataError(f"the model cannot be exported as ONNX ({'; '.join(problems)}); pip install 'certus[keras]' brings tf2onnx")


def _fresh() -> "tuple[tempfile.TemporaryDirectory[str], str]":
    """A file for a model, in a folder that goes with the network."""
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="certus-")
    return folder, os.path.join(folder.name, "model.onnx")


def _points(shape: Sequence[int], count: int) -> "NDArray[np.float64]":
    """Random inputs, half in [0, 1] and half normal; the same every time."""
    import numpy as np

    draw = np.random.default_rng(0)
    half = count // 2
    X = np.concatenate([draw.random((half, *shape)), draw.normal(size=(count - half, *shape))])
    return X.astype(np.float32).astype(np.float64)


def _scale_of(estimator: Any) -> "Optional[tuple[NDArray[np.float64], NDArray[np.float64]]]":
    """Mean and deviation of the data that a pipeline was fitted on, where a scaler knows them."""
    import numpy as np

    for _, step in getattr(estimator, "steps", []):
        mean, scale = getattr(step, "mean_", None), getattr(step, "scale_", None)
        if mean is not None and scale is not None:
            return np.asarray(mean), np.asarray(scale)
    return None


def _compare(net: Network, shape: Sequence[int], original: "Callable[[NDArray[np.float64]], Any]", tolerance: float, what: str) -> None:
    """Refuses an export whose outputs are not those of the original."""
    import numpy as np

    X = _points(shape, 8)
    theirs = np.array(original(X), dtype=np.float64).reshape(len(X), -1)
    own = [("certus", net.evaluate(X))]
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(net.path, options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, {session.get_inputs()[0].name: X.astype(np.float32)})[0]
        own.append(("onnxruntime", np.asarray(outputs, dtype=np.float64).reshape(len(X), -1)))
    except Exception:  # Without it, or where it lacks an operator, there is one comparison less.
        pass
    for program, outputs in own:
        if outputs.shape != theirs.shape:
            raise DataError(f"the export is another function: {what} has {theirs.shape[1]} outputs, and {program} finds {outputs.shape[1]}")
        difference = float(np.abs(outputs - theirs).max())
        if not difference <= tolerance * max(1.0, float(np.abs(theirs).max())):
            raise DataError(
                f"the export is another function: its outputs as {program} computes them differ by {difference:.3g} from those of {what} on random "
                "inputs; does the module draw random numbers, or depend on more than its input?"
            )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

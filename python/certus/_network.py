"""Networks: read from a file, or exported to one by a bridge."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

from . import _arrays, _native
from ._errors import DataError, UsageError, translated

if TYPE_CHECKING:
    import tempfile

    import numpy as np
    from numpy.typing import NDArray

    PathLike = Union[str, "os.PathLike[str]"]


class Network:
    """A network as it is verified: the one in a file, as a function over the real numbers.

    Made by :func:`load`, :func:`from_torch`, :func:`from_sklearn` and :func:`from_keras`.

    Attributes
    ----------
    path : str
        The ONNX or NNet file.
    sha256 : str
        Of the file, and of those that hold weights beside it.
    input_shape : tuple of int
        Shape of one input, without the batch.
    inputs, outputs, parameters : int
        Numbers of input values, outputs and trained parameters.
    notes : list of str
        What the reader has to say, such as a final softmax that is left out.
    classes : list or None
        The labels that its outputs stand for, in their order, where it was made of an estimator with ``classes_``.
    """

    def __init__(
        self,
        path: "PathLike",
        output: Optional[str] = None,
        inputs: Optional[Mapping[str, Any]] = None,
        *,
        classes: Optional[Sequence[Any]] = None,
        _folder: Optional["tempfile.TemporaryDirectory[str]"] = None,
    ) -> None:
        self.path = os.fspath(path)
        self.output = output
        self.classes = None if classes is None else list(classes)
        self._folder = _folder
        self._inputs = self._constants(inputs or {})
        try:
            self._native = _native.Network(self.path, output, self._inputs)
        except _native.NativeError as native:
            raise translated(native, [self.path]) from None
        self.sha256 = self._native.sha256
        self.inputs, self.outputs, self.parameters = self._native.sizes
        shape = [int(length) for length in self._native.input_shape]
        if len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
        self.input_shape = tuple(shape)
        self.notes = self._native.notes

    def _constants(self, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Inputs that are constants, as files."""
        files = []
        for name, value in inputs.items():
            if _arrays.is_file(value):
                files.append((name, os.fspath(value)))
                continue
            import tempfile

            import numpy as np

            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="certus-")
            file = os.path.join(self._folder.name, f"input-{len(files)}.npy")
            np.save(file, _arrays.array(value, name))
            files.append((name, file))
        return files

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The operators in order: ``name``, ``operator``, ``shape`` and ``parameters`` of each."""
        keys = ("name", "operator", "shape", "parameters")
        return [dict(zip(keys, layer)) for layer in self._native.layers]

    def evaluate(self, X: Any) -> "NDArray[np.float64]":
        """The outputs in double precision, a final softmax included.

        Parameters
        ----------
        X : array of shape (n, *input_shape), or (n, inputs)
            Inputs as the network takes them: normalised, where it was trained on normalised ones.

        Returns
        -------
        array of shape (n, outputs)
        """
        import numpy as np

        rows = _arrays.doubles(X, "X")
        self.check_shape(rows.shape)
        outputs = np.frombuffer(self._native.outputs(rows.tobytes()), dtype=np.float64)
        return outputs.reshape(len(rows), -1)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuses an array of inputs whose rows do not have as many values as the network takes."""
        if len(shape) < 1 or (len(shape) == 1 and shape[0] == self.inputs and self.inputs > 1):
            raise DataError("X: this is one input; X[None] makes a list of one input of it", "X")
        own, wanted = tuple(shape[1:]), self.input_shape
        if _product(own) == self.inputs:
            return
        advice = ""
        if _product(own) == 3 * self.inputs:
            advice = ": are these images in colour, for a network that takes grey ones?"
        elif 3 * _product(own) == self.inputs:
            advice = ": are these grey images, for a network that takes colour ones?"
        elif _product(own) == self.inputs + 1:
            advice = ": is one of the columns no feature, such as the label or the number of the row?"
        elif tuple(shape) == tuple(wanted):
            advice = ": X[None] makes a list of one input of it"
        raise DataError(
            f"X: inputs of shape {_shown(own)} have {_product(own)} values, and the network takes {self.inputs}, of shape {_shown(wanted)}{advice}",
            "X",
        )

    def __repr__(self) -> str:
        return f"<certus.Network {os.path.basename(self.path)}: {_shown(self.input_shape)} -> {self.outputs}, {self.parameters:,} parameters>"

    def __getstate__(self) -> dict[str, Any]:
        with open(self.path, "rb") as file:
            model = file.read()
        constants = []
        for name, path in self._inputs:
            with open(path, "rb") as file:
                constants.append((name, file.read()))
        name = os.path.basename(self.path)
        return {"name": name, "model": model, "output": self.output, "constants": constants, "classes": self.classes, "sha256": self.sha256}

    def __setstate__(self, state: dict[str, Any]) -> None:
        import tempfile

        folder = tempfile.TemporaryDirectory(prefix="certus-")
        path = os.path.join(folder.name, state["name"])
        with open(path, "wb") as file:
            file.write(state["model"])
        inputs = {}
        for at, (name, content) in enumerate(state["constants"]):
            inputs[name] = os.path.join(folder.name, f"constant-{at}.npy")
            with open(inputs[name], "wb") as file:
                file.write(content)
        self.__init__(path, state["output"], inputs, classes=state["classes"], _folder=folder)  # type: ignore[misc]
        if self.sha256 != state["sha256"]:
            raise DataError(f"{state['name']}: a network with weights in other files cannot be sent to another process; store it in one file", state["name"])


def _product(shape: Sequence[int]) -> int:
    product = 1
    for length in shape:
        product *= int(length)
    return product


def _shown(shape: Sequence[int]) -> str:
    """A shape as it is written in mathematics."""
    return " × ".join(map(str, shape)) if shape else "1"


def load(path: "PathLike", output: Optional[str] = None, inputs: Optional[Mapping[str, Any]] = None) -> Network:
    """Read a network from an ONNX or NNet file, gzipped or not.

    Parameters
    ----------
    path : str or path
        The file.
    output : str, optional
        The output that is asked about, or a tensor on the way to one, where there are several.
    inputs : mapping of str to array or path, optional
        The constants that all inputs but one are.

    Returns
    -------
    Network

    Raises
    ------
    MissingFileError, DataError
        Where there is no such file, or it is no network that is read; ``place`` says where in the file.

    Examples
    --------
    >>> import certus
    >>> certus.load("models/mnist/cnn_cert.onnx")
    <certus.Network cnn_cert.onnx: 1 × 28 × 28 -> 10, 53,090 parameters>
    """
    return Network(path, output, inputs)


def of(net: Any, shape: Optional[Sequence[int]] = None) -> Network:
    """The network that an argument is, names, or exports to; `shape` is that of an input, where it is known."""
    from . import _export

    if isinstance(net, Network):
        return net
    if _arrays.is_file(net):
        return load(net)
    bases = [f"{base.__module__}.{base.__name__}" for base in type(net).__mro__]
    if any(base.startswith("torch.nn.") for base in bases):
        if shape is None:
            raise UsageError("certus.from_torch(module, input_shape) makes a network of a torch module")
        return _export.from_torch(net, shape)
    if any(base.startswith("keras.") or base.startswith("tf_keras.") for base in bases):
        return _export.from_keras(net)
    if hasattr(net, "predict") and hasattr(net, "get_params"):
        return _export.from_sklearn(net)
    raise UsageError(f"{type(net).__name__} is no network: certus.load, from_torch, from_sklearn and from_keras make one")

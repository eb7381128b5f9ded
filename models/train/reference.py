"""Reference outputs for `certus audit`: what ONNX's own reference evaluator (numpy) gives on ten test inputs.

    python models/train/reference.py        # from the root of the repository; needs numpy and onnx

Writes models/<set>/<network>.reference.npz with x (inputs as the network takes them) and y (its outputs), float32.
"""

import csv
import gzip
import pathlib
import tomllib

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

MODELS = pathlib.Path(__file__).resolve().parent.parent
COUNT = 10


def mnist():
    return np.load(MODELS / "mnist/test.npz")["x"][:COUNT].astype(np.float32) / np.float32(255)


def fashion():
    raw = gzip.open(MODELS / "fashion/t500-images-idx3-ubyte.gz").read()
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)[:COUNT]
    return images.astype(np.float32) / np.float32(255)


def breast_cancer():
    settings = tomllib.loads((MODELS / "breast_cancer/test.toml").read_text())
    rows = list(csv.DictReader(open(MODELS / "breast_cancer/test.csv")))[:COUNT]
    names = [name for name in rows[0] if name != settings["label_column"]]
    x = np.array([[float(row[name]) for name in names] for row in rows])
    return ((x - settings["mean"]) / settings["std"]).astype(np.float32)


for folder, inputs in [("mnist", mnist()), ("fashion", fashion()), ("breast_cancer", breast_cancer())]:
    for file in sorted((MODELS / folder).glob("*.onnx")):
        model = ReferenceEvaluator(onnx.load(file))
        outputs = [model.run(None, {model.input_names[0]: x[None]})[0][0] for x in inputs]
        target = file.with_suffix(".reference.npz")
        np.savez_compressed(target, x=inputs.reshape(COUNT, -1), y=np.stack(outputs))
        print(target.relative_to(MODELS.parent), np.abs(outputs).max())

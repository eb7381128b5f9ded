"""Counterexamples of `certus verify` on lists of benchmark instances, judged by onnxruntime in float32 and in float64.

    python tests/onnx/witnesses.py CERTUS INSTANCES.csv ...  [--timeout SECONDS]

Of each list the instances that are expected to be `sat` are asked. The point of the file that comes out is read as exact decimals and put into the
property by a reader of VNN-LIB of this script's own, in rational arithmetic: it must satisfy what is said of inputs alone. Then the network is run at it,
in single precision by onnxruntime and in double precision, with all weights converted, by onnxruntime or, where that has no kernel for doubles
(convolutions), by onnx's reference evaluator; and all of the property must hold of the decimals and these outputs, with no tolerance.
"""

import argparse
import csv
import gzip
import pathlib
import re
import subprocess
import sys
import tempfile
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)

LARGEST = 100_000_000  # bytes of a network; the larger ones take longer to read than everything else together


def content(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def expressions(text):
    """S-expressions as nested lists."""
    text = re.sub(r";[^\n]*", "", text)
    stack = [[]]
    for token in re.findall(r"[()]|[^\s()]+", text):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    return stack[0]


def assertions(text):
    return [e[1] for e in expressions(text) if e[0] == "assert"]


def names(formula):
    if isinstance(formula, str):
        return {formula[0]} if formula[:2] in ("X_", "Y_") else set()
    return set().union(*map(names, formula))


def value(term, at):
    if isinstance(term, str):
        return at[term] if term in at else Fraction(term)
    parts = [value(part, at) for part in term[1:]]
    if term[0] == "+":
        return sum(parts)
    if term[0] == "-":
        return -parts[0] if len(parts) == 1 else parts[0] - sum(parts[1:])
    if term[0] == "*":
        product = Fraction(1)
        for part in parts:
            product *= part
        return product
    raise ValueError(term[0])


def holds(formula, at):
    op, parts = formula[0], formula[1:]
    if op in ("and", "or"):
        return (all if op == "and" else any)(holds(part, at) for part in parts)
    left, right = (value(part, at) for part in parts)
    return {"<=": left <= right, ">=": left >= right, "<": left < right, ">": left > right, "=": left == right}[op]


def doubled(model):
    """The same network with every float32 in it as a double."""
    model = onnx.ModelProto.FromString(model.SerializeToString())

    def tensor(proto):
        if proto.data_type == TensorProto.FLOAT:
            proto.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(proto).astype(np.float64), proto.name))

    graph = model.graph
    for proto in graph.initializer:
        tensor(proto)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        if info.type.tensor_type.elem_type == TensorProto.FLOAT:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensor(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
        if node.op_type == "Constant" and node.attribute[0].name == "value_float":
            number = np.array(node.attribute[0].f, np.float64)
            node.attribute[0].CopyFrom(helper.make_attribute("value", numpy_helper.from_array(number)))
    return model


def run(model, x, kind):
    """Outputs of the network, flat, and what computed them."""
    constants = {proto.name for proto in model.graph.initializer}
    given = next(info for info in model.graph.input if info.name not in constants)
    dims = [d.dim_value or 1 for d in given.type.tensor_type.shape.dim]
    feed = {given.name: np.array(x, kind).reshape(dims)}
    if kind == np.float32:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, feed)[0].ravel(), "onnxruntime"
    model = doubled(model)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, feed)[0].ravel(), "onnxruntime"
    except Exception:  # noqa: BLE001 - whatever it lacks for doubles
        return ReferenceEvaluator(model).run(None, feed)[0].ravel(), "reference"


def judge(certus, network, claim, timeout):
    """Verdict, and of `sat`: whether the point is inside, is so as float32, and the property holds in float32 and float64."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "point.txt"
        command = [certus, "verify", "--vnncomp", "--counterexample", file, "--timeout", str(timeout), network, claim]
        done = subprocess.run(command, capture_output=True, text=True)
        verdict = (done.stdout.split() or ["refused"])[0]
        if verdict != "sat":
            return verdict, done.stderr.strip()
        point = {pair[0]: Fraction(pair[1]) for pair in expressions(file.read_text())[1]}
    inputs = [point[f"X_{i}"] for i in range(sum(name[0] == "X" for name in point))]
    asserted = assertions(content(claim).decode())
    about_inputs = [formula for formula in asserted if names(formula) <= {"X"}]
    at = {f"X_{i}": x for i, x in enumerate(inputs)}
    inside = all(holds(formula, at) for formula in about_inputs)
    single = {f"X_{i}": Fraction(float(np.float32(float(x)))) for i, x in enumerate(inputs)}
    single_inside = all(holds(formula, single) for formula in about_inputs)
    model = onnx.load_from_string(content(network))
    found = []
    for kind in (np.float32, np.float64):
        y, by = run(model, [float(x) for x in inputs], kind)
        outputs = {f"Y_{j}": Fraction(float(v)) for j, v in enumerate(y)}
        found.append(all(holds(formula, at | outputs) for formula in asserted))
    return verdict, (inside, single_inside, *found, by)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certus")
    parser.add_argument("lists", nargs="+", type=pathlib.Path)
    parser.add_argument("--timeout", type=float, default=5)
    arguments = parser.parse_args()
    print("| set | sat | found | inside, exactly | and as float32 | hold in float32 | hold in float64 | float64 by |\n|" + " --- |" * 8)
    outside = 0
    for file in arguments.lists:
        rows = [row for row in csv.reader(file.open()) if row[3] == "sat"]
        counts, by = [0] * 5, set()
        for onnx_file, vnnlib, *_ in rows:
            network, claim = file.parent / onnx_file, file.parent / vnnlib
            if len(content(network)) > LARGEST:
                print(f"{file.parent.name} {network.name}: left out, too large", file=sys.stderr)
                continue
            try:
                verdict, found = judge(arguments.certus, network, claim, arguments.timeout)
            except Exception as error:  # noqa: BLE001 - what onnxruntime does not run is said, not counted
                verdict, found = "sat, not judged", f"{type(error).__name__}: {error}".splitlines()[0]
            if verdict != "sat":
                print(f"{file.parent.name} {network.name} {claim.name}: {verdict} {found}", file=sys.stderr)
                continue
            for at, good in enumerate([True, *found[:4]]):
                counts[at] += good
            by.add(found[4])
            outside += not found[0]
            if not all(found[:4]):
                print(f"{file.parent.name} {network.name} {claim.name}: {found}", file=sys.stderr)
        if rows:
            print(f"| {file.parent.name} | {len(rows)} | " + " | ".join(map(str, counts)) + f" | {', '.join(sorted(by))} |", flush=True)
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    main()

"""Runs ONNX's own conformance cases through both readers and writes docs/operators.md.

    cargo build --release --example readers
    python tests/onnx/conformance.py

With `--record FILE` it keeps the cases of structural operators that the search agrees with instead (tests/onnx_structure.rs reads them).
"""

import collections
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, ValueInfoProto, defs, helper, numpy_helper
from make_corpus import record, write

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(onnx.__file__).parent / "backend/test/data"
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


def tensor(path, kind):
    """A stored tensor, or None for sequences, optionals, strings and the narrow floats."""
    if kind.WhichOneof("value") != "tensor_type" or kind.tensor_type.elem_type in (8, 10, 16, 17, 18, 19, 20, 21, 22, 23):
        return None
    return onnx.load_tensor(path)


def variants(folder):
    """The records of a case: each float input in turn is the network's input, the others are initialisers."""
    model = onnx.load(folder / "model.onnx")
    graph, found = model.graph, []
    given = {t.name for t in graph.initializer}
    ports = [p for p in graph.input if p.name not in given]
    for data in sorted(folder.glob("test_data_set_*")):
        tensors = [tensor(data / f"input_{i}.pb", p.type) for i, p in enumerate(ports) if (data / f"input_{i}.pb").exists()]
        right = numpy_helper.to_array(onnx.load_tensor(data / "output_0.pb")).astype(np.float64)
        if len(tensors) != len(ports) or any(t is None for t in tensors) or not np.isfinite(right).all() or not right.size:
            continue
        for port, value in zip(ports, tensors):
            if port.type.tensor_type.elem_type not in FLOATS:
                continue
            one = onnx.ModelProto()
            one.CopyFrom(model)
            for other, constant in zip(ports, tensors):
                if other.name != port.name:
                    stored = one.graph.initializer.add()
                    stored.CopyFrom(constant)
                    stored.name = other.name
            x = numpy_helper.to_array(value)
            if np.isfinite(x).all() and x.size:
                tolerance = 1e-7 + 1e-5 * float(np.abs(right).max())
                found.append((f"{folder.name}\n{port.name}", one.SerializeToString(), x, right, tolerance))
    return found


def has_one_float_output(folder):
    outputs = onnx.load(folder / "model.onnx").graph.output
    return len(outputs) == 1 and outputs[0].type.tensor_type.elem_type in FLOATS


def operators_of(folder):
    nodes = onnx.load(folder / "model.onnx").graph.node
    return [n.op_type for n in nodes if n.op_type != "Constant"] or ["Constant"]


def probe(operator):
    """A model with one node of an operator, without operands: how it is refused says whether the operator is known."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node(operator, [], ["y"])], "g", [x], [ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)]).SerializeToString()


def verdicts(cases):
    """What the readers say, by name."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "cases.gz"
        names = [c[0] for c in cases]
        write(file, [record(str(i), m, x.flatten(), y.shape, y.flatten(), t) for i, (_, m, x, y, t) in enumerate(cases)])
        done = subprocess.run([ROOT / "target/release/examples/readers", file], capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return [(names[int(i)], search, checker) for i, search, checker in lines]


STRUCTURE = """AffineGrid CastLike CenterCropPad Col2Im Compress Conv ConvTranspose CumSum DepthToSpace DequantizeLinear Einsum GRU GatherElements
GatherND GridSample LSTM MaxPool Mean Pad RNN ReduceL1 ReduceMax ReduceMin ReduceSumSquare Resize ReverseSequence ScatterElements ScatterND SpaceToDepth
Tile Trilu Upsample GlobalLpPool GroupNormalization Hardmax InstanceNormalization LRN LayerNormalization LogSoftmax LpPool MeanVarianceNormalization RMSNormalization ReduceL2
ReduceLogSum ReduceLogSumExp ReduceProd Softmax""".split()


def record_structure(file):
    """The cases of structural operators, each variant that the search agrees with."""
    folders = [f for f in sorted((DATA / "node").iterdir()) if f.is_dir() and "_expanded" not in f.name and has_one_float_output(f)]
    folders += [f for f in sorted((DATA / "pytorch-operator").iterdir()) if f.is_dir() and has_one_float_output(f)]
    cases = [
        (f"{' '.join(operators_of(f))} {v[0]}", *v[1:]) for f in folders if set(operators_of(f)) <= set(STRUCTURE) for v in variants(f)
        if len(v[1]) + v[2].size * 8 + v[3].size * 8 < 24000
    ]
    agreed = {name for name, search, _ in verdicts(cases) if search == "agrees"}
    kept = [c for c in cases if c[0] in agreed]
    write(file, [record(n.replace("\n", " "), m, x.flatten(), y.shape, y.flatten(), t) for n, m, x, y, t in kept])
    print(len(kept), "cases")


def summed(all_of_one):
    """One verdict for the variants of a case: wrong if one is, agreed if those that are read agree, else the refusals."""
    wrong = [v for v in all_of_one if v.startswith("WRONG")]
    if wrong or not all_of_one:
        return wrong[0] if wrong else "refused: no float input"
    return "agrees" if "agrees" in all_of_one else all_of_one[0]


def why(reasons, operator):
    """The most frequent refusals."""
    counts = collections.Counter(r.removeprefix("refused: ").removeprefix(f"{operator}: ") for r in reasons)
    text = "; ".join(f"{reason} ({n})" for reason, n in counts.most_common(3))
    return text.replace("|", "\\|") + ("; …" if len(counts) > 3 else "")


def main():
    if sys.argv[1:2] == ["--record"]:
        return record_structure(sys.argv[2])
    folders = [f for kind in ("node", "pytorch-operator", "pytorch-converted") for f in sorted((DATA / kind).iterdir()) if f.is_dir()]
    tried = [f for f in folders if has_one_float_output(f)]
    found = collections.defaultdict(lambda: ([], []))
    for name, search, checker in verdicts([v for f in tried for v in variants(f)]):
        found[name.split("\n")[0]][0].append(search)
        found[name.split("\n")[0]][1].append(checker)
    results = {f.name: [summed(v) for v in found[f.name]] for f in tried}

    schemas = sorted({s.name for s in defs.get_all_schemas() if s.domain == "" and not s.deprecated})
    empty = np.zeros(1)
    known = {name: [not v.endswith(": unsupported operator") for v in both]
             for name, *both in verdicts([(name, probe(name), empty, empty, 0.0) for name in schemas])}

    groups = collections.defaultdict(list)
    for f in tried:
        name, operators = f.name, operators_of(f)
        if f.parent.name != "node":
            groups["PyTorch"].append(name)
        elif "_expanded" in name:
            groups["function bodies"].append(name)
        else:
            groups[operators[0] if len(operators) == 1 else "several operators"].append(name)
    report = page(len(folders), tried, results, known, groups)
    (ROOT / "docs/operators.md").write_text(report)
    wrong = [(n, v) for n, both in results.items() for v in both if v.startswith("WRONG")]
    for name, verdict in wrong:
        print(name, verdict[:300])
    print(report[: report.index("## ")])
    sys.exit(bool(wrong))


def page(count, tried, results, known, groups):
    total = [[sum(results[f.name][k].startswith(v) for f in tried) for v in ("agrees", "WRONG", "refused")] for k in (0, 1)]
    out = f"""# Operators

Which ONNX operators the two readers know, and how ONNX's own conformance cases (the backend tests of the `onnx` 1.17 wheel) fare.
Made by `tests/onnx/conformance.py`; do not edit. A network must have one float input, so a case with several float inputs is tried with each of
them in turn as the network's input and the others as initialisers; it agrees if all that are read agree and some are.
Of {count} cases (1,288 of single operators, 117 of PyTorch) {len(tried)} have exactly one output, of floats or doubles:

| reader | agree | wrong | refused |
| --- | --- | --- | --- |
| of the search | {total[0][0]} | {total[0][1]} | {total[0][2]} |
| of the checker | {total[1][0]} | {total[1][1]} | {total[1][2]} |

Outputs must agree within 10⁻⁵ of the largest, of those that onnx stores. ArgMax is known to the search only as the last operator, and a last Softmax over all outputs is left out;
they are compared by applying them to what it reads.

## Known to a reader

"yes (3/5)": the reader knows the operator, and agrees in 3 of its 5 cases; the rest are refused. In brackets after a reason: how many cases.

| operator | search | checker | refused by the search | refused by the checker |
| --- | --- | --- | --- | --- |
"""
    for name in known:
        if any(known[name]):
            out += row(name, groups.get(name, []), results, known[name])
    out += "\n## Cases of several operators\n\n| cases | search | checker | refused by the search | refused by the checker |\n| --- | --- | --- | --- | --- |\n"
    for name in ("PyTorch", "function bodies", "several operators"):
        out += row(name, groups.get(name, []), results, None)
    out += "\n## Refused by both\n\nIn brackets: cases with one float output.\n\n"
    rest = [f"{n} ({len(groups[n])})" if groups.get(n) else n for n in known if not any(known[n])]
    return out + ", ".join(rest) + ".\n"


def row(name, cases, results, known):
    cells, reasons = [], []
    for k in (0, 1):
        mine = [results[c][k] for c in cases]
        share = f"{sum(v == 'agrees' for v in mine)}/{len(mine)}"
        cells.append(share if known is None else f"{'yes' if known[k] else 'no'} ({share})" if mine else "yes" if known[k] else "no")
        reasons.append(why([v for v in mine if v.startswith("refused")], name))
    return f"| {name} | {cells[0]} | {cells[1]} | {reasons[0]} | {reasons[1]} |\n"


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""onnxruntime as the judge of --semantics float32: what it computes, with its optimisations and without, is never certified not to be.

python3 tests/float32/runtimes.py [--certus target/release/certus] [--graphs 200] [--first 0]

Needs onnx, onnxruntime and numpy, and says so and ends well where these are not there. Random graphs of Conv, Gemm, MatMul, BatchNormalization, pools,
ReLUs, skips and numbers of many sizes; at a point x, and on a box around it, `Y_0 <= v` and `Y_0 >= v` are asked about for the v that
onnxruntime computed at x: neither may be certified. Counts how many of these would have been over the reals.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(0)


def draw(rng, shape, spread):
    sizes = 2.0 ** np.round(rng.uniform(0, spread, shape))
    signs = rng.choice([-1.0, 1.0], shape)
    return (signs * sizes * rng.uniform(0.5, 1.5, shape) / 4).astype(np.float32)


class Graph:
    def __init__(self, rng):
        self.rng, self.nodes, self.constants = rng, [], []
        self.spread = float(rng.choice([0, 0, 2, 8, 20, 40]))

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op, inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def numbers(self, *shape):
        return self.constant(draw(self.rng, shape, self.spread))

    def normalised(self, x, channels):
        variance = self.constant(np.abs(draw(self.rng, (channels,), self.spread)))
        return self.node("BatchNormalization", [x, self.numbers(channels), self.numbers(channels), self.numbers(channels), variance])

    def image(self):
        """Convolutions on 2 × 5 × 5, then a dense layer."""
        x, channels = "x", 2
        for _ in range(self.rng.integers(1, 3)):
            new = int(self.rng.integers(2, 4))
            x = self.node("Conv", [x, self.numbers(new, channels, 3, 3), self.numbers(new)], pads=[1, 1, 1, 1])
            channels = new
            if self.rng.random() < 0.5:
                x = self.normalised(x, channels)
            x = self.node("Relu", [x]) if self.rng.random() < 0.7 else self.node("LeakyRelu", [x], alpha=0.1)
        pool = self.rng.choice(["MaxPool", "AveragePool", "GlobalAveragePool", "none"])
        size = 5
        if pool == "GlobalAveragePool":
            x, size = self.node(pool, [x]), 1
        elif pool != "none":
            x, size = self.node(pool, [x], kernel_shape=[2, 2], strides=[1, 1]), 4
        x = self.node("Flatten", [x])
        return [1, 2, 5, 5], self.node("Gemm", [x, self.numbers(channels * size * size, 2), self.numbers(2)])

    def dense(self):
        size = int(self.rng.integers(1, 8))
        shape, x, old = [1, size], "x", []
        for _ in range(self.rng.integers(2, 8)):
            kind = self.rng.integers(0, 8)
            if kind <= 1:
                new = int(self.rng.integers(1, 20))
                x, size, old = self.node("MatMul", [x, self.numbers(size, new)]), new, []
            elif kind == 2:
                x = self.node("Add", [x, self.numbers(size)])
            elif kind == 3:
                x = self.node("Mul", [x, self.numbers(size)])
            elif kind == 4:
                x = self.normalised(x, size)
            elif kind == 5:
                x = self.node("Relu", [x])
            elif kind == 6 and old:
                x = self.node(self.rng.choice(["Add", "Sub"]), [x, old[self.rng.integers(0, len(old))]])
            else:
                x = self.node("Sub", [self.numbers(size), x])
            old.append(x)
        return shape, x

    def model(self):
        shape, y = self.image() if self.rng.random() < 0.4 else self.dense()
        ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), (y, None))]
        graph = helper.make_graph(self.nodes, "g", ports[:1], ports[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        return model, shape


def outputs(model, x):
    for level in (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
        options = ort.SessionOptions()
        options.graph_optimization_level, options.log_severity_level = level, 4
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        yield float(session.run(None, {"x": x})[0].ravel()[0])


def text(lower, upper, outputs, relation, value):
    lines = [f"(declare-const X_{i} Real)" for i in range(len(lower))]
    lines += [f"(declare-const Y_{j} Real)" for j in range(outputs)]
    for i, (l, u) in enumerate(zip(lower, upper)):
        lines += [f"(assert (>= X_{i} {exact(l)}))", f"(assert (<= X_{i} {exact(u)}))"]
    return "\n".join(lines + [f"(assert ({relation} Y_0 {exact(value)}))"]) + "\n"


def exact(value):
    return format(float(value), ".200f").rstrip("0") + "0" if abs(value) < 1e30 else format(int(value), "d") + ".0"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certus", default="target/release/certus")
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    model_file, property_file = folder / "m.onnx", folder / "p.vnnlib"
    asked = wrong = real = 0
    for seed in range(arguments.first, arguments.first + arguments.graphs):
        rng = np.random.default_rng(seed)
        model, shape = Graph(rng).model()
        onnx.save(model, model_file)
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        width = rng.choice([0.0, 1e-3, 0.3])
        lower, upper = x.ravel() - np.float32(width), x.ravel() + np.float32(width)
        for value in set(outputs(model, x)):
            if not np.isfinite(value):
                continue
            count = len(list(outputs_shape(model, x)))
            for relation in ("<=", ">="):
                property_file.write_text(text(lower, upper, count, relation, value))
                asked += 1
                for semantics in ("float32", "real"):
                    command = [arguments.certus, "verify", "--semantics", semantics, "--method", "auto", "--attack", "none", "--jobs", "1",
                               str(model_file), str(property_file)]
                    ran = subprocess.run(command, capture_output=True, text=True)
                    if ran.returncode not in (0, 10, 20):
                        print(f"{seed}: exit {ran.returncode}: {ran.stderr}")
                        sys.exit(1)
                    if ran.returncode == 0 and semantics == "real":
                        real += 1
                    elif ran.returncode == 0:
                        wrong += 1
                        print(f"{seed}: Y_0 {relation} {value} is certified not to be, and is computed: {model_file}")
    print(f"{asked} questions, {wrong} wrongly certified in float32; over the reals {real} certified against what is computed")
    sys.exit(1 if wrong else 0)


def outputs_shape(model, x):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].ravel()


if __name__ == "__main__":
    main()

"""Random small ONNX graphs, grown node by node: onnxruntime computes each node as it is added and so decides what is valid."""

import math

import numpy as np
import onnxruntime
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(4)
MOST_ELEMENTS = 96
TYPES = {np.dtype(t): n for t, n in [
    ("float32", 1), ("uint8", 2), ("int8", 3), ("uint16", 4), ("int16", 5), ("int32", 6), ("int64", 7), ("bool", 9),
    ("float64", 11), ("uint32", 12), ("uint64", 13)]}


def session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


# Integer attributes that are 0 or 1; programs disagree on what else they would mean.
SWITCHES = ["keepdims", "noop_with_empty_axes", "ceil_mode", "count_include_pad", "allowzero", "transA", "transB", "broadcast"]


class Invalid(Exception):
    """onnxruntime refuses the node, or it is of no use here."""


class Value:
    """A tensor: its name, its arrays at the points (one array if it is constant)."""

    def __init__(self, name, arrays, variable):
        self.name, self.arrays, self.variable = name, arrays, variable

    def at(self, point):
        return self.arrays[point if self.variable else 0]

    @property
    def shape(self):
        return self.arrays[0].shape

    @property
    def rank(self):
        return self.arrays[0].ndim

    @property
    def type(self):
        return self.arrays[0].dtype

    @property
    def is_float(self):
        return self.type.kind == "f"


class Graph:
    def __init__(self, rng, points=2):
        self.rng, self.points = rng, points
        self.opset = rng.randint(7, 22)
        self.imports = [helper.make_opsetid(rng.choice(["", "", "", "ai.onnx"]), self.opset)]
        if rng.random() < 0.1:
            self.imports.insert(rng.randint(0, 1), helper.make_opsetid(rng.choice(["ai.onnx.ml", "com.microsoft"]), 1))
        self.nodes, self.initializers, self.values, self.constants = [], [], [], []
        self.names, self.rounded = 0, set()
        shape = tuple(rng.choice([1, 1, 2, 2, 3, 4]) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5])))
        while math.prod(shape) > 48:
            shape = shape[1:]
        if rng.random() < 0.5 and shape:
            shape = (1,) + shape[1:]
        kind = rng.choices([np.float32, np.float64, np.int64, np.int32], [84, 14, 1, 1])[0]
        self.x = Value("x", [self.dyadics(shape, np.float64).astype(kind) for _ in range(points)], True)
        self.plain = rng.random() < 0.92  # Else weights are any floats.
        self.values.append(self.x)

    def name(self):
        self.names += 1
        return f"t{self.names}"

    def dyadics(self, shape, dtype, low=-8, high=8):
        """Multiples of 1/4: sums and products of few of them are exact."""
        quarters = [self.rng.randint(low, high) for _ in range(math.prod(shape))]
        if self.values and not self.plain:
            quarters = [q + self.rng.gauss(0, 1) for q in quarters]
        return (np.array(quarters) / 4).astype(dtype).reshape(shape)

    def constant(self, array, stored=None):
        """A new constant: an initializer in one of its encodings, or a Constant node."""
        array = np.asarray(array)
        value = Value(self.name(), [array], False)
        self.constants.append(value)
        how = stored or self.rng.choice(["raw", "raw", "raw", "typed", "node", "node"])
        scalar_kind = {("f", 0): "value_float", ("f", 1): "value_floats", ("i", 0): "value_int", ("i", 1): "value_ints"}
        attribute = scalar_kind.get((array.dtype.kind, array.ndim))
        fits = array.dtype in (np.float32, np.int64) and array.size > 0
        tensor = numpy_helper.from_array(array, value.name)
        if array.dtype == bool and self.rng.random() < 0.1:
            tensor.raw_data = bytes(2 * b for b in tensor.raw_data)
        if how == "typed" and array.size:
            tensor = helper.make_tensor(value.name, TYPES[array.dtype], array.shape, array.flatten().tolist())
        if how != "node":
            self.initializers.append(tensor)
        elif attribute and fits and self.opset >= 12 and self.rng.random() < 0.5:
            self.nodes.append(helper.make_node("Constant", [], [value.name], **{attribute: array.tolist()}))
        else:
            self.nodes.append(helper.make_node("Constant", [], [value.name], value=tensor))
        return value

    def ints(self, *numbers):
        return self.constant(np.array(numbers, np.int64))

    def shape_below(self, shape):
        """A shape that broadcasts with the given one, in most cases to it."""
        rng = self.rng
        kind = rng.random()
        new = list(shape[rng.randint(0, len(shape)) :]) if kind < 0.5 else list(shape)
        new = [1 if rng.random() < 0.3 else d for d in new]
        if rng.random() < 0.15:
            new = [rng.choice([1, 2, 3]) if d == 1 else d for d in new]
        if rng.random() < 0.12:
            new = [rng.choice([1, 1, 2])] + [1] * (len(shape) - len(new)) + new
        return tuple(new[-6:])

    def partner(self, value, nonzero=False):
        """Another operand for elementwise arithmetic: a tensor that is there already, or a constant."""
        rng = self.rng
        if rng.random() < 0.35:
            known = [v for v in self.values if v.type == value.type and fits(v.shape, value.shape)]
            if known and not nonzero:
                return rng.choice(known)
        shape = self.shape_below(value.shape)
        if nonzero:
            powers = [0.25, 0.5, 1, 2, -1, -2, 4] if rng.random() < 0.7 else [3, -5, 0.75, 1, 2]
            data = np.array([rng.choice(powers) for _ in range(math.prod(shape))], value.type).reshape(shape)
            return self.constant(data)
        return self.constant(self.dyadics(shape, value.type))

    def emit(self, op, inputs, outputs=1, **attributes):
        for name in SWITCHES:
            if attributes.get(name) is not None and self.rng.random() < 0.05:
                attributes[name] = self.rng.choice([2, 3, -1, 256, 2**32, 2**32 + 1])
        """Adds a node if onnxruntime computes it; its outputs, else Invalid."""
        attributes = {k: v for k, v in attributes.items() if v is not None}
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        names = [self.name() for _ in range(outputs)]
        used = list({v.name: v for v in inputs if v}.values())
        ports = [helper.make_tensor_value_info(v.name, TYPES[v.type], v.shape) for v in used]
        variable = any(v.variable for v in used) and op not in ("Shape", "Size")
        try:
            node = helper.make_node(op, [v.name if v else "" for v in inputs], names, **attributes)
            graph = helper.make_graph([node], "g", ports, [ValueInfoProto(name=n) for n in names])
            run = session(self.wrap(graph).SerializeToString())
            results = [run.run(None, {v.name: v.at(p) for v in used}) for p in range(self.points if variable else 1)]
        except Exception as error:
            raise Invalid(str(error)) from error
        made = [Value(n, [np.asarray(r[i]) for r in results], variable) for i, n in enumerate(names)]
        for value in made:
            if value.type not in TYPES or any(a.size > MOST_ELEMENTS for a in value.arrays):
                raise Invalid("size or type")
            if value.is_float and any(np.isnan(a).any() or (variable and np.isinf(a).any()) for a in value.arrays):
                raise Invalid("not finite")
            if any(a.shape != value.shape for a in value.arrays):
                raise Invalid("the shape depends on the input")
        self.nodes.append(node)
        self.values += made
        if rounds(node, inputs, made):
            self.rounded |= set(names)
        return made

    def one(self, op, *inputs, **attributes):
        return self.emit(op, list(inputs), 1, **attributes)[0]

    def wrap(self, graph):
        model = helper.make_model(graph, opset_imports=self.imports)
        model.ir_version = 3 if self.opset < 9 else 4 if self.opset < 15 else 8
        if model.ir_version == 3:
            listed = {p.name for p in graph.input}
            for tensor in graph.initializer:
                if tensor.name not in listed:
                    graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        return model

    def model(self, output):
        """The whole graph with one output."""
        rng = self.rng
        dims = list(self.x.shape)
        if dims and dims[0] == 1 and rng.random() < 0.2:
            dims[0] = rng.choice(["batch", None])
        ports = [helper.make_tensor_value_info("x", TYPES[self.x.type], dims)]
        if rng.random() < 0.2:
            for t in self.initializers:
                ports.insert(rng.randint(0, len(ports)), helper.make_tensor_value_info(t.name, t.data_type, t.dims))
        y = helper.make_tensor_value_info(output.name, TYPES[output.type], output.shape)
        return self.wrap(helper.make_graph(self.nodes, "g", ports, [y], self.initializers))

    def tolerance(self, output):
        """0 where no node that matters rounds, else a small part of the largest number met."""
        live = ancestors(self.nodes, output)
        floats = [v for v in self.values + self.constants if v.is_float and v.name in live]
        if not any(v.name in self.rounded for v in floats):
            return 0.0
        largest = max(largest_of(v) for v in floats)
        return max(1.0, largest) * (2.0**-18 if any(v.type == np.float32 for v in floats) else 2.0**-42)


def largest_of(value):
    """The largest magnitude, without infinities and what stands for them."""
    numbers = np.abs(np.concatenate([a.flatten() for a in value.arrays]))
    none = [np.inf, np.finfo(np.float32).max, np.finfo(np.float64).max]
    return float(numbers[~np.isin(numbers, none)].max(initial=0))


def rounds(node, inputs, outputs):
    """Whether a node may round, as far as the sizes of its numbers tell."""
    floats = [v for v in inputs if v and v.is_float]
    if not floats or not outputs[0].is_float:
        return False
    op, own = node.op_type, 20 if any(v.type == np.float32 for v in floats + outputs) else 44
    smooth = ("Sigmoid", "Tanh", "Softplus", "Softmax", "LogSoftmax", "Acos", "Asin", "Atan", "Cos", "Sin", "Tan", "Acosh", "Asinh", "Atanh", "Cosh", "Sinh", "Erf", "Exp", "Log",
              "Sqrt", "Reciprocal", "Softsign", "Mish", "Gelu", "Elu", "Selu", "Celu", "HardSigmoid", "HardSwish", "Pow", "Shrink",
              "ReduceL2", "ReduceProd", "ReduceLogSum", "ReduceLogSumExp", "LpPool", "GlobalLpPool", "LRN", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
              "MeanVarianceNormalization", "RMSNormalization")
    if op in smooth:
        return True
    if op == "Div":
        return not powers_of_two(floats[1].arrays[0]) or width(floats[:1]) > own
    if op in ("ReduceMean", "GlobalAveragePool", "AveragePool"):
        lists = {a.name: a for a in node.attribute}
        count = floats[0].arrays[0].size // max(1, outputs[0].arrays[0].size)
        if op == "AveragePool":
            count = 3 if set(lists) & {"pads", "auto_pad", "ceil_mode"} else math.prod(lists["kernel_shape"].ints)
        return not powers_of_two(np.array(count)) or width(floats + outputs) > own
    if op == "BatchNormalization":
        epsilon = [a.f for a in node.attribute if a.name == "epsilon"] or [1e-5]
        deviation = np.sqrt(floats[4].arrays[0].astype(np.float64) + epsilon[0])
        products = sum(width([v]) for v in floats[:2]) + width([floats[3]])
        return not powers_of_two(deviation) or max(products, width(floats[:1] + floats[2:4] + outputs)) > own
    if op in ("Add", "Sub", "Sum", "ReduceSum"):
        return width(floats + outputs) > own
    if op in ("Mul", "Conv", "MatMul", "Gemm", "PRelu", "LeakyRelu"):
        factors = sum(width([v]) for v in floats[:2]) + 4
        alphas = [a.f for a in node.attribute if a.name == "alpha"] or [0.01 if op == "LeakyRelu" else 1.0]
        alpha = 0 if alphas[0] == 0 or powers_of_two(np.array(alphas)) else 20
        return factors + alpha > own + (0 if op != "Mul" else 4) or len(floats) > 2 and width(floats[2:] + outputs) > own
    return op == "Cast" and width(floats) > own


def powers_of_two(array):
    return bool(np.all(np.abs(np.frexp(array.astype(np.float64))[0]) == 0.5))


def width(values):
    """Bits from the largest to the last one that is set in any of the values."""
    array = np.concatenate([a.flatten().astype(np.float64) for v in values for a in v.arrays])
    array = array[np.isfinite(array) & (array != 0)]
    if not array.size:
        return 0
    mantissas, exponents = np.frexp(np.abs(array))
    whole = np.ldexp(mantissas, 53).astype(np.uint64)
    trailing = np.array([(int(w) & -int(w)).bit_length() - 1 for w in whole])
    return int(exponents.max() - (exponents - 53 + trailing).min())


def fits(a, b):
    """Whether two shapes broadcast to one another."""
    return all(x == y or x == 1 or y == 1 for x, y in zip(reversed(a), reversed(b)))


def ancestors(nodes, output):
    """The names that a tensor depends on, and itself."""
    live = {output}
    for node in reversed(nodes):
        if live & set(node.output):
            live |= set(node.input)
    return live - {""}

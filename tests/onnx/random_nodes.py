"""Random nodes of every operator that a reader knows, in the forms of operator sets 7 to 22."""

import math

import numpy as np
from random_graph import TYPES, Invalid, ancestors

FLOATS = [np.dtype("float32"), np.dtype("float64")]
INTMAX = 2**63 - 1


def some(g, value, keep=None):
    """A list of distinct axes of a value, some counted from the end."""
    axes = g.rng.sample(range(value.rank), g.rng.randint(1, value.rank)) if value.rank else []
    axes = axes if keep is None else [a for a in axes if keep(a)]
    return [a - value.rank if g.rng.random() < 0.4 and g.opset >= 11 else a for a in axes]


def an_axis(g, rank):
    axis = g.rng.randrange(rank) if rank else 0
    return axis - rank if g.rng.random() < 0.4 else axis


def chance(g, p):
    return g.rng.random() < p


def listed(g, op, value, since, axes, **attributes):
    """A node whose axes are an attribute in operator sets before `since`, and an operand after."""
    if axes is None:
        return g.one(op, value, **attributes)
    if g.opset < since:
        return g.one(op, value, axes=axes, **attributes)
    return g.one(op, value, g.ints(*axes), **attributes)


# Elementwise.


def arithmetic(g, v):
    op = g.rng.choice(["Add", "Sub", "Mul", "Add", "Sub", "Mul", "Div"])
    if op == "Div":
        other = g.partner(v, nonzero=True)
        return g.one(op, v, other)
    other = g.partner(v)
    return g.one(op, *((v, other) if chance(g, 0.7) else (other, v)))


def variadic(g, v):
    op = g.rng.choice(["Max", "Min", "Sum"])
    others = [g.partner(v) for _ in range(g.rng.choice([0, 1, 1, 2, 3]))]
    if others and chance(g, 0.06) and v.is_float:
        others[0] = g.constant(np.array(g.rng.choice([np.inf, -np.inf]), v.type))
    operands = [v] + others
    g.rng.shuffle(operands)
    return g.one(op, *operands)


def unary(g, v):
    op = g.rng.choice(["Relu", "Relu", "Relu", "Abs", "Neg", "Identity", "Sigmoid", "Tanh"])
    return g.one(op, v)


# From which operator set on, of those that graphs have.
SMOOTH = {"Acos": 7, "Asin": 7, "Atan": 7, "Cos": 7, "Sin": 7, "Tan": 7, "Acosh": 9, "Asinh": 9, "Atanh": 9, "Cosh": 9, "Sinh": 9, "Erf": 9, "Exp": 1, "Log": 1,
          "Sqrt": 1, "Reciprocal": 1, "Softplus": 1, "Softsign": 1, "Mish": 18, "Gelu": 20, "Elu": 1, "Selu": 1, "Celu": 12, "HardSigmoid": 1, "HardSwish": 14,
          "Pow": 7, "ThresholdedRelu": 10, "Shrink": 9, "Sign": 9, "Floor": 1, "Ceil": 1, "Round": 11}
JUMPS = ("ThresholdedRelu", "Shrink", "Sign", "Floor", "Ceil", "Round")


def smooth(g, v):
    """A function of one variable that is no ReLU; one that jumps only of what is not rounded."""
    op = g.rng.choice([op for op, since in SMOOTH.items() if since <= g.opset])
    if not v.is_float or op in JUMPS and g.rounded & ancestors(g.nodes, v.name):
        raise Invalid
    number = lambda *values: g.rng.choice([None, *values])
    if op == "Pow":
        exponent = np.array(g.rng.choice([0, 1, 2, 2, 3, -1, 0.5, 1.5]), v.type)
        return g.one(op, v, g.constant(exponent))
    attributes = {
        "Elu": lambda: {"alpha": number(0.5, 2.0)},
        "Selu": lambda: {"alpha": number(1.5), "gamma": number(0.5)},
        "Celu": lambda: {"alpha": number(0.5, 3.0)},
        "HardSigmoid": lambda: {"alpha": number(0.25, 0.5), "beta": number(0.25, 0.75)},
        "ThresholdedRelu": lambda: {"alpha": number(0.0, 0.5, -0.5)},
        "Shrink": lambda: {"lambd": number(0.25, 1.0), "bias": number(0.25, 1.0)},
        "Gelu": lambda: {"approximate": number("tanh", "none")},
    }.get(op, dict)()
    return g.one(op, v, **attributes)


def gate(g, v):
    """x times a gate of itself, as exporters spell GELU, SiLU and hard swish."""
    if not v.is_float:
        raise Invalid
    scalar = lambda value: g.constant(np.array(value, v.type))
    kind = g.rng.choice(["sigmoid", "quick", "erf", "tanh", "hard", "square"])
    half = chance(g, 0.5)
    x = g.one("Mul", v, scalar(0.5)) if half and kind in ("erf", "tanh") else v
    if kind == "square":
        return g.one("Mul", v, v)
    if kind == "sigmoid":
        opened = g.one("Sigmoid", v)
    elif kind == "quick":
        opened = g.one("Sigmoid", g.one("Mul", v, scalar(1.702)))
    elif kind == "erf" and g.opset >= 9:
        opened = g.one("Add", g.one("Erf", g.one("Div", v, scalar(1.4142135))), scalar(1.0))
    elif kind == "hard":
        opened = g.one("HardSigmoid", v, alpha=1 / 6)
    else:
        cube = g.one("Mul", g.one("Pow", v, scalar(3.0)), scalar(0.044715))
        inner = g.one("Mul", g.one("Add", v, cube), scalar(0.7978845608))
        opened = g.one("Add", g.one("Tanh", inner), scalar(1.0))
    return g.one("Mul", *((x, opened) if chance(g, 0.5) else (opened, x)))


def leaky(g, v):
    alpha = g.rng.choice([None, 0.0, 0.25, 0.5, 1.0, -0.5, 2.0, 0.125, 0.1])
    return g.one("LeakyRelu", v, alpha=alpha)


def prelu(g, v):
    shape = g.shape_below(v.shape)
    return g.one("PRelu", v, g.constant(g.dyadics(shape[-v.rank :] if v.rank else (), v.type, -4, 8)))


def clip(g, v):
    big = float(np.finfo(v.type).max)
    low = g.rng.choice([None, None, 0.0, -0.5, -1.0, 0.25, -np.inf, -big, 1.0, 0.0, np.inf, big])
    high = g.rng.choice([None, None, 6.0, 0.5, 1.0, 0.25, np.inf, big, 0.0, 2.0, -np.inf, -big])
    if v.type == np.float64 and chance(g, 0.3):
        low, high = g.rng.choice([(2.0**130, None), (None, 2.0**130), (-(2.0**130), None), (-(2.0**130), 2.0**131)])
        v = g.one("Mul", v, g.constant(np.array(2.0**131, v.type)))
    if g.opset < 11:
        return g.one("Clip", v, min=low, max=high)
    ends = [None if e is None else g.constant(np.array(e, v.type)) for e in (low, high)]
    return g.one("Clip", v, *ends)


def dropout(g, v):
    if g.opset < 12:
        return g.emit("Dropout", [v], g.rng.choice([1, 1, 2]) if g.opset >= 10 else 1, ratio=g.rng.choice([None, 0.3]))[0]
    ratio = g.rng.choice([None, g.constant(np.array(0.3, np.float32))])
    training = g.constant(np.array(chance(g, 0.2) and (ratio is None), bool)) if chance(g, 0.4) else None
    if training is not None and training.arrays[0] and ratio is None:
        ratio = g.constant(np.array(0.0, np.float32))
    return g.emit("Dropout", [v, ratio, training], g.rng.choice([1, 1, 2]))[0]


def select(g, v):
    condition = g.constant(np.array([chance(g, 0.5) for _ in range(math.prod(v.shape))], bool).reshape(v.shape))
    other = g.partner(v)
    return g.one("Where", condition, *((v, other) if chance(g, 0.5) else (other, v)))


def conditional(g, v):
    """One value where a comparison holds, another elsewhere: jumps, maxima, and functions that bend at 0."""
    zero = g.constant(np.array(0, v.type))

    def multiple():
        return g.one("Mul", v, g.constant(np.array(g.rng.choice([-2, -1, 0.5, 3] if v.is_float else [-2, -1, 3]), v.type)))

    other = g.rng.choice([lambda: g.partner(v), lambda: zero, multiple])()
    compared = [v, other] if chance(g, 0.7) else [other, v]
    holds = g.one(g.rng.choice(["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"]), *compared)
    if chance(g, 0.2):
        holds = g.one("Not", holds)
    if chance(g, 0.3):
        return g.one("Mul", g.rng.choice([v, other, v]), g.one("Cast", holds, to=TYPES[v.type]))
    chosen = [v, g.rng.choice([lambda: other, lambda: other, multiple, lambda: zero, lambda: g.constant(np.array(1.5, v.type))])()]
    g.rng.shuffle(chosen)
    return g.one("Where", holds, *chosen)


def unknown(g, v):
    """Operators that no reader knew when this was written."""
    op = g.rng.choice(["ReduceMax", "ReduceL2", "ReduceProd", "IsNaN", "LpNormalization"])
    return g.one(op, v)


def cast(g, v):
    if not v.variable and not (v.is_float and np.isinf(v.arrays[0]).any()):
        small = v.arrays[0].size == 0 or np.abs(v.arrays[0].astype(np.float64)).max() < 100
        return g.one("Cast", v, to=g.rng.choice([1, 1, 6, 7, 7, 9, 11, 11] + ([2, 3, 5, 12, 13] if small and v.type != bool else [])))
    return g.one("Cast", v, to=g.rng.choice([1, 1, 11, 11, 11, 7, 6, 9] if chance(g, 0.2) else [1, 11]))


# Elements moved.


def flatten(g, v):
    return g.one("Flatten", v, axis=g.rng.choice([None, 0, 1, v.rank, an_axis(g, v.rank)]))


def transpose(g, v):
    order = list(range(v.rank))
    g.rng.shuffle(order)
    return g.one("Transpose", v, perm=g.rng.choice([None, order, order]) if v.rank else None)


def squeeze(g, v):
    ones = [a for a in some(g, v) if v.shape[a] == 1]
    return listed(g, "Squeeze", v, 13, ones or None)


def unsqueeze(g, v):
    count = g.rng.choice([1, 1, 2])
    rank = v.rank + count
    if rank > 6:
        raise Invalid("rank")
    axes = g.rng.sample(range(rank), count)
    return listed(g, "Unsqueeze", v, 13, [a - rank if chance(g, 0.3) and g.opset >= 11 else a for a in axes])


def reshape(g, v):
    size = math.prod(v.shape)
    target = []
    while size > 1 and chance(g, 0.7):
        d = g.rng.choice([d for d in range(1, size + 1) if size % d == 0])
        target.append(d)
        size //= d
    target.append(size)
    if chance(g, 0.2):
        target.insert(g.rng.randint(0, len(target)), 1)
    if chance(g, 0.4) and v.arrays[0].size:
        target[g.rng.randrange(len(target))] = -1
    for i, d in enumerate(target):
        if chance(g, 0.3) and i < v.rank and v.shape[i] == d:
            target[i] = 0
    allow = g.rng.choice([None, None, 0, 1]) if g.opset >= 14 else None
    return g.one("Reshape", v, g.ints(*target), allowzero=allow)


def expand(g, v):
    shape = list(g.shape_below(v.shape))
    shape = [g.rng.choice([1, 2, 3]) if d == 1 else d for d in shape]
    return g.one("Expand", v, g.ints(*shape))


def slice_(g, v):
    axes = some(g, v)
    starts, ends, steps = [], [], []
    for a in axes:
        d = v.shape[a]
        step = g.rng.choice([1, 1, 1, 2, -1, -1, -2, 3, INTMAX if chance(g, 0.1) else 1, -INTMAX if chance(g, 0.1) else 1])
        far = [INTMAX, 2**31 - 1, d + 1]
        start = g.rng.choice([0, 0, g.rng.randint(-d - 1, d), g.rng.randint(-d, d), far[0] if chance(g, 0.1) else -d])
        end = g.rng.choice([d, g.rng.choice(far), g.rng.randint(-d - 1, d), g.rng.randint(-d, d)])
        if step < 0:
            start = g.rng.choice([-1, d - 1, g.rng.choice(far), g.rng.randint(-d - 1, d)])
            end = g.rng.choice([-INTMAX, -INTMAX - 1, -d - 1, g.rng.randint(-d - 1, d)])
        starts.append(start), ends.append(end), steps.append(step)
    if g.opset < 10:
        return g.one("Slice", v, starts=starts, ends=ends, axes=g.rng.choice([axes, axes]))
    if chance(g, 0.15) and v.rank:
        axes = None
    kind = np.int64
    if chance(g, 0.2) and all(abs(n) < 2**31 for n in starts + ends + steps):
        kind = np.int32
    as_ints = lambda numbers: None if numbers is None else g.constant(np.array(numbers, kind))
    unit = all(s == 1 for s in steps) and chance(g, 0.5)
    return g.one("Slice", v, as_ints(starts), as_ints(ends), as_ints(axes), None if unit else as_ints(steps))


def split(g, v):
    axis = an_axis(g, v.rank)
    size = v.shape[axis] if v.rank else 1
    parts = g.rng.choice([1, 2, 2, 3]) if chance(g, 0.1) else max(1, min(size, g.rng.choice([2, 2, 3])))
    sizes = []
    for i in range(parts):
        sizes.append(size - sum(sizes) if i == parts - 1 else g.rng.randint(0 if chance(g, 0.1) else 1, max(1, size - sum(sizes))))
    attributes, operands = {"axis": axis}, [v]
    if chance(g, 0.4):
        if g.opset >= 18:
            attributes["num_outputs"] = parts
    elif g.opset < 13:
        attributes["split"] = sizes
    else:
        operands.append(g.ints(*sizes))
    return g.rng.choice(g.emit("Split", operands, parts, **attributes))


def gather(g, v):
    axis = an_axis(g, v.rank)
    d = v.shape[axis] if v.rank else 1
    shape = g.rng.choice([(), (1,), (2,), (3,), (2, 2), (1, 2), (0,) if chance(g, 0.1) else (1, 1)])
    low = -d if g.opset >= 11 else 0
    if d == 0:
        raise Invalid("empty axis")
    indices = np.array([g.rng.randint(low, d - 1) for _ in range(math.prod(shape))]).reshape(shape)
    return g.one("Gather", v, g.constant(indices.astype(g.rng.choice([np.int64, np.int64, np.int32]))), axis=g.rng.choice([axis, axis, None]))


def concat(g, v):
    axis = an_axis(g, v.rank)
    parts = [v]
    for _ in range(g.rng.choice([0, 1, 1, 2])):
        same = [w for w in g.values if w.type == v.type and w.rank == v.rank and v.rank
                and all(a == b for i, (a, b) in enumerate(zip(w.shape, v.shape)) if i != axis % v.rank)]
        shape = list(v.shape)
        if shape:
            shape[axis] = g.rng.choice([1, 2])
        parts.append(g.rng.choice(same) if same and chance(g, 0.5) else g.constant(g.dyadics(tuple(shape), v.type)))
    g.rng.shuffle(parts)
    return g.one("Concat", *parts, axis=axis)


def pad(g, v):
    value = g.rng.choice([None, 0.0, 0.5, -1.25])
    mode = g.rng.choice([None, "constant", "constant", "reflect", "edge"] if chance(g, 0.3) else [None, "constant"])
    axes = some(g, v) if g.opset >= 18 and chance(g, 0.4) else None
    count = v.rank if axes is None else len(axes)
    pads = [g.rng.choice([0, 0, 1, 1, 2, -1]) for _ in range(2 * count)]
    if g.opset < 11:
        return g.one("Pad", v, pads=pads, value=value, mode=mode)
    value = None if value is None else g.constant(np.array(value, v.type))
    return g.one("Pad", v, g.ints(*pads), value, None if axes is None else g.ints(*axes), mode=mode)


# Sums, windows and products.


def reduce(g, v):
    op = g.rng.choice(["ReduceSum", "ReduceMean"])
    axes = g.rng.choice([None, some(g, v), some(g, v), []])
    keep = g.rng.choice([None, 0, 1])
    since = 13 if op == "ReduceSum" else 18
    attributes = {"keepdims": keep}
    if g.opset >= since:
        attributes["noop_with_empty_axes"] = g.rng.choice([None, 0, 1])
    return listed(g, op, v, since, axes, **attributes)


def window(g, v, pool):
    """Attributes of a window over the spatial axes."""
    rng, axes = g.rng, v.rank - 2
    kernel = [rng.choice([1, 2, 2, 3]) for _ in range(axes)]
    a = {"kernel_shape": kernel}
    if chance(g, 0.5):
        a["strides"] = [rng.choice([1, 2, 3]) for _ in range(axes)]
    if chance(g, 0.4):
        a["auto_pad"] = rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
    if a.get("auto_pad", "NOTSET") == "NOTSET" and chance(g, 0.5):
        a["pads"] = [rng.choice([0, 1, 1, 2]) for _ in range(2 * axes)]
    since = {"MaxPool": 10, "AveragePool": 19, "Conv": 1}[pool]
    if g.opset >= since and chance(g, 0.3):
        a["dilations"] = [rng.choice([1, 2]) for _ in range(axes)]
    if pool != "Conv" and g.opset >= 10 and chance(g, 0.4):
        a["ceil_mode"] = 1
    if pool == "AveragePool" and chance(g, 0.5):
        a["count_include_pad"] = rng.choice([0, 1])
    return a


def as_image(g, v):
    """The value itself if it has three to five axes, or a reshaping of it."""
    if 3 <= v.rank <= 5 and chance(g, 0.8):
        return v
    size = math.prod(v.shape)
    channels = g.rng.choice([c for c in (1, 2, 3, 4) if size % c == 0])
    plane = size // channels
    height = g.rng.choice([h for h in range(1, plane + 1) if plane % h == 0]) if plane else 1
    shape = g.rng.choice([(1, channels, plane), (1, channels, height, -1), (1, channels, height, -1)])
    return g.one("Reshape", v, g.ints(*shape))


def pool(g, v):
    op = g.rng.choice(["MaxPool", "AveragePool"])
    v = as_image(g, v)
    attributes = window(g, v, op)
    if op == "AveragePool":
        return g.one(op, v, **attributes)
    return g.emit(op, [v], 2 if chance(g, 0.1) else 1, **attributes)[0]


def global_pool(g, v):
    op = g.rng.choice(["GlobalMaxPool", "GlobalAveragePool"])
    v = as_image(g, v)
    return g.one(op, v)


def conv(g, v):
    v = as_image(g, v)
    attributes = window(g, v, "Conv")
    channels = v.shape[1]
    group = g.rng.choice([1, 1, 1] + [c for c in (2, 3, 4) if channels % c == 0])
    out = group * g.rng.choice([1, 2])
    w = g.constant(g.dyadics((out, channels // group, *attributes["kernel_shape"]), v.type))
    if chance(g, 0.3):
        del attributes["kernel_shape"]
    bias = g.constant(g.dyadics((out,), v.type)) if chance(g, 0.6) else None
    return g.one("Conv", v, w, bias, group=group if group > 1 or chance(g, 0.3) else None, **attributes)


def matmul(g, v):
    if not v.rank:
        raise Invalid("a scalar")
    stack = list(v.shape[:-2])[g.rng.randint(0, max(0, v.rank - 2)) :]
    stack = [g.rng.choice([1, d, d]) for d in stack]
    if chance(g, 0.2):
        stack = [g.rng.choice([1, 2])] + stack
    out = g.rng.choice([1, 2, 3])
    if chance(g, 0.55):
        shape = g.rng.choice([(v.shape[-1],), (*stack, v.shape[-1], out), (v.shape[-1], out)])
        return g.one("MatMul", v, g.constant(g.dyadics(tuple(shape), v.type)))
    inner = v.shape[-2] if v.rank > 1 else v.shape[0]
    shape = g.rng.choice([(inner,), (*stack, out, inner), (out, inner)])
    return g.one("MatMul", g.constant(g.dyadics(tuple(shape), v.type)), v)


def gemm(g, v):
    if v.rank != 2:
        v = g.one("Flatten", v, axis=g.rng.randint(0, v.rank))
    trans_a, trans_b, out = chance(g, 0.3), chance(g, 0.4), g.rng.choice([1, 2, 3])
    left = chance(g, 0.75)
    rows, inner = v.shape[::-1] if trans_a else v.shape
    shape = (out, inner) if trans_b else (inner, out)
    a, b, result = v, None, (rows, out)
    if left:
        b = g.constant(g.dyadics(shape, v.type))
    else:
        inner, columns = v.shape[::-1] if trans_b else v.shape
        a, b, result = g.constant(g.dyadics((inner, out) if trans_a else (out, inner), v.type)), v, (out, columns)
    bias = g.rng.choice([(), (1,), result, result[1:], (1, result[1]), (result[0], 1)])
    c = g.constant(g.dyadics(bias, v.type)) if g.opset < 11 or chance(g, 0.7) else None
    if c is not None and chance(g, 0.1):
        same = [w for w in g.values if w.shape == result and w.type == v.type]
        c = g.rng.choice(same) if same else c
    factor = lambda: g.rng.choice([None, None, 0.5, 2.0, -1.0, 0.0])
    flag = lambda on: 1 if on else g.rng.choice([None, 0])
    return g.one("Gemm", a, b, c, alpha=factor(), beta=factor(), transA=flag(trans_a), transB=flag(trans_b))


def batch_normalization(g, v):
    if v.rank < 2:
        v = g.one("Reshape", v, g.ints(1, -1))
    channels = v.shape[1]
    exact = chance(g, 0.6)
    parameters = [g.dyadics((channels,), v.type) for _ in range(3)]
    squares = [0.75, 3.75, 15.75] if exact else [0.5, 1.0, 2.0, 0.1]
    variance = np.array([g.rng.choice(squares) for _ in range(channels)], v.type)
    operands = [g.constant(p) for p in [*parameters, variance]]
    attributes = {"epsilon": 0.25 if exact else g.rng.choice([None, 1e-3])}
    if g.opset >= 14 and chance(g, 0.3):
        attributes["training_mode"] = 0
    if g.opset < 9 and chance(g, 0.3):
        attributes["spatial"] = 1
    return g.one("BatchNormalization", v, *operands, **attributes)


NODES = [
    (arithmetic, 12), (variadic, 6), (unary, 10), (leaky, 2), (prelu, 2), (clip, 5), (dropout, 2), (select, 1), (conditional, 4), (unknown, 1), (smooth, 9), (gate, 3),
    (cast, 3),
    (flatten, 2), (transpose, 4), (squeeze, 2), (unsqueeze, 2), (reshape, 5), (expand, 3), (slice_, 7), (split, 3),
    (gather, 5), (concat, 5), (pad, 5), (reduce, 6), (pool, 8), (global_pool, 2), (conv, 8), (matmul, 9), (gemm, 6),
    (batch_normalization, 3)]

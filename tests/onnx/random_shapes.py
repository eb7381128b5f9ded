"""Random arithmetic on shapes and other constants, as exporters write it, and tensors that are made with its results."""

import math

import numpy as np
from onnx import numpy_helper
from random_graph import Invalid
from random_nodes import NODES, an_axis, cast, chance, concat, gather, listed, slice_, some, squeeze, transpose, unsqueeze


def shape_of(g, v):
    attributes = {}
    if g.opset >= 15 and chance(g, 0.3):
        attributes = {"start": g.rng.choice([None, 0, 1, -1]), "end": g.rng.choice([None, v.rank, -1, 9])}
    return g.one("Shape", v, **attributes)


def element(g, shape, position):
    """One dimension as a vector of one element: Gather with a scalar and Unsqueeze, or Slice."""
    if chance(g, 0.5):
        scalar = g.one("Gather", shape, g.constant(np.array(position, np.int64)), axis=0)
        return listed(g, "Unsqueeze", scalar, 13, [0])
    end = position + 1 if position != -1 else 2**63 - 1
    if g.opset < 10:
        return g.one("Slice", shape, starts=[position], ends=[end], axes=[0])
    return g.one("Slice", shape, g.ints(position), g.ints(end), g.ints(0))


def reshape_computed(g, v):
    """Reshape to a shape that is computed from the tensor's own, as view(x.size(0), -1) is exported."""
    shape = g.one("Shape", v)
    if not v.rank:
        return g.one("Reshape", v, g.one("Concat", g.ints(1), g.ints(-1), axis=0))
    keep = [element(g, shape, i) for i in range(g.rng.randint(0, v.rank))]
    if chance(g, 0.3) and keep:
        keep[-1] = g.one(g.rng.choice(["Mul", "Div"]), keep[-1], g.ints(g.rng.choice([1, 2])))
    return g.one("Reshape", v, g.one("Concat", *keep, g.ints(-1), axis=0))


def expand_computed(g, v):
    """Expand as PyTorch writes it: −1 stands for a size that stays."""
    wanted = [g.rng.choice([-1, -1, d, 2]) for d in v.shape]
    if g.opset < 9:
        raise Invalid("no Where")
    wanted = g.ints(*([g.rng.choice([1, 2])] if chance(g, 0.2) else []), *wanted)
    ones = g.one("ConstantOfShape", g.one("Shape", wanted), value=one_element(1, np.int64))
    minus = g.one("Mul", ones, g.constant(np.array(-1, np.int64)))
    return g.one("Expand", v, g.one("Where", g.one("Equal", wanted, minus), ones, wanted))


def one_element(value, dtype):
    return numpy_helper.from_array(np.array([value], dtype))


def filled(g, v):
    """Added to or multiplied by a constant of the tensor's own shape."""
    shape = g.one("Shape", v)
    value = one_element(g.rng.choice([1.5, -0.25, 2.0]), v.type)
    if g.opset < 9:
        raise Invalid("no ConstantOfShape")
    made = g.one("ConstantOfShape", shape, value=value if v.type == np.float64 or chance(g, 0.7) else None)
    return g.one(g.rng.choice(["Add", "Mul", "Max"]), v, made)


def by_range(g, v):
    """Elements gathered by a Range up to a computed limit."""
    axis = an_axis(g, v.rank)
    limit = g.one("Gather", g.one("Shape", v), g.constant(np.array(axis, np.int64)), axis=0)
    start, step = g.rng.choice([(0, 1), (0, 1), (0, 2), (1, 1), (-1, 1)])
    scalar = lambda n: g.constant(np.array(n, np.int64))
    indices = g.one("Range", scalar(start), limit, scalar(step))
    return g.one("Gather", v, indices, axis=axis)


def sliced(g, v):
    """A slice that ends at half of a computed size."""
    if g.opset < 10:
        raise Invalid("ends are attributes")
    axis = an_axis(g, v.rank)
    size = element(g, g.one("Shape", v), axis)
    half = g.one(g.rng.choice(["Div", "Sub"]), size, g.ints(g.rng.choice([1, 2, -1])))
    start, end = (g.ints(0), half) if chance(g, 0.6) else (half, size)
    return g.one("Slice", v, start, end, g.ints(axis))


EDGES = {
    np.dtype(np.int32): [0, 1, 2, 3, -1, -2, 7, 2**30, 2**31 - 1, -(2**31)],
    np.dtype(np.int64): [0, 1, 2, 3, -1, -2, 7, 2**24 + 1, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)],
    np.dtype(np.float32): [0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 0.1, 1e-3, 3e9, 1.5, -0.5],
    np.dtype(np.float64): [0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 0.1, 1e-3, 2.0**24 + 1, 1.5, -0.5],
}


def edgy(g, shape, dtype):
    numbers = [g.rng.choice(EDGES[np.dtype(dtype)]) for _ in range(math.prod(shape))]
    return g.constant(np.array(numbers, dtype).reshape(shape))


def step(g, v):
    """One more node on a constant."""
    kind = g.rng.random()
    if v.type == np.float32 and kind < 0.3:
        return g.rng.choices(*zip(*NODES))[0](g, v)
    if kind < 0.35 and v.type in EDGES:
        op = g.rng.choice(["Add", "Sub", "Mul", "Div", "Max", "Min"])
        other = edgy(g, g.shape_below(v.shape), v.type)
        if op == "Div" and (np.any(other.arrays[0] == 0) or (not v.is_float and np.any(other.arrays[0] == -1))):
            op = "Mul"
        return g.one(op, *((v, other) if op == "Div" or chance(g, 0.6) else (other, v)))
    if kind < 0.6:
        return convert(g, v)
    if kind < 0.7:
        op = g.rng.choice(["Neg", "Abs", "Identity", "Relu", "ReduceSum"])
        return listed(g, op, v, 13, g.rng.choice([None, some(g, v)])) if op == "ReduceSum" else g.one(op, v)
    if kind < 0.78 and v.type in EDGES:
        equal = g.one("Equal", v, g.partner(v) if v.is_float else edgy(g, g.shape_below(v.shape), v.type))
        if chance(g, 0.5) or g.opset < 9:
            return g.one("Cast", equal, to=g.rng.choice([1, 6, 7, 11]))
        return g.one("Where", equal, v, edgy(g, g.shape_below(v.shape), v.type))
    return g.rng.choice([gather, slice_, squeeze, unsqueeze, transpose, concat if v.is_float else gather])(g, v)


def convert(g, v):
    array = v.arrays[0]
    if v.is_float and not (np.isfinite(array).all() and (array.size == 0 or np.abs(array).max() < 2**31)):
        return g.one("Cast", v, to=11)
    return cast(g, v)


def folded(g, v):
    """A product or sum with a constant that a chain of nodes computes."""
    rng = g.rng
    kind = rng.choice([np.int64, np.int64, np.int32, np.float32, np.float64])
    if chance(g, 0.4):
        c = shape_of(g, v)
    elif chance(g, 0.1):
        c = g.one("Size", v)
    elif chance(g, 0.1):
        c = g.constant(np.array([chance(g, 0.5) for _ in range(3)], bool))
        c = g.one("Cast", c, to=rng.choice([1, 6, 7]))
    else:
        c = edgy(g, rng.choice([(), (1,), (2,), (3,), v.shape]), kind)
    for _ in range(rng.randint(0, 4)):
        try:
            c = step(g, c)
        except Invalid:
            continue
    if c.type != v.type:
        c = g.one("Cast", c, to=1 if v.type == np.float32 else 11)
    array = c.arrays[0].astype(np.float64)
    if c.shape not in [(), (1,)] and chance(g, 0.15):
        c = listed(g, "ReduceSum", c, 13, None, keepdims=0)
    big = array.size and np.abs(array).max() > 2**16
    return g.one("Mul" if big else rng.choice(["Add", "Mul", "Sub", "Max"]), v, c)


def from_integers(g, v):
    """Floats made of an input of integers, whose arithmetic is another one."""
    for _ in range(g.rng.randint(0, 2)):
        other = g.constant(np.array(g.rng.choice([2, 3, -2]), v.type))
        v = g.one(g.rng.choice(["Add", "Mul", "Div", "Sub"]), v, other)
    return g.one("Cast", v, to=1)


def probe(g, v):
    """The elements followed by the tensor's shape, so that a wrong shape shows in the outputs."""
    sizes = g.one("Cast", g.one("Shape", v), to=1 if v.type == np.float32 else 11)
    return g.one("Concat", g.one("Reshape", v, g.ints(-1)), sizes, axis=0)


def final(g, v):
    """What classifiers end with."""
    op = g.rng.choice(["Softmax", "LogSoftmax", "Softmax", "ArgMax"])
    attributes = {"axis": g.rng.choice([None, an_axis(g, v.rank), -1])}
    if op == "ArgMax" and chance(g, 0.5):
        attributes["keepdims"] = g.rng.choice([0, 1])
    y = g.one(op, v, **attributes)
    while chance(g, 0.3):
        tail = g.rng.choice(["Identity", "Cast", "Transpose", "Mul", "Slice", "Neg", "Relu"])
        if tail == "Cast":
            y = g.one("Cast", y, to=g.rng.choice([1, 11, 7]))
        elif tail == "Mul":
            y = g.one("Mul", y, g.constant(np.array(g.rng.choice([2, -1]), y.type)))
        else:
            y = slice_(g, y) if tail == "Slice" else g.one(tail, y)
    return y


SHAPES = [
    (reshape_computed, 4), (expand_computed, 2), (filled, 2), (by_range, 2), (sliced, 2), (folded, 12)]

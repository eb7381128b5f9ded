#!/usr/bin/env python3
"""Writes the 203 networks of VeriStressGT (Troxell et al. 2026, arXiv 2605.17153) anew: their constructions and parameters, our weights.

python3 tests/ground_truth.py DIR      (needs numpy, onnx and scipy; then: certus bench DIR/instances.csv --out DIR/results)

All are robust, as each function below says, but for the largest of `milp`, of which it is not known. Kinds and sizes: 14 meap, 31 milp, 22 corners, 5 projection, 50 contractive, 46 paired,
18 dominance, 17 pattern. docs/testing.md has what came of them.
"""
import itertools
import pathlib
import sys

import numpy as np
import onnx
import scipy.optimize
from onnx import TensorProto, helper, numpy_helper
from scipy.sparse import coo_matrix

SECONDS = 60
F = np.float32


class Graph:
    """An ONNX graph with one output after another."""

    def __init__(self, shape):
        self.nodes, self.constants, self.last, self.shape = [], [], "x", shape

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        self.last = name
        return name

    def gemm(self, weights, bias, source=None):
        """weights: outputs × inputs."""
        parts = [self.constant(F(weights)), self.constant(F(bias))]
        return self.node("Gemm", source or self.last, *parts, transB=1)

    def conv(self, weights, bias):
        pad = weights.shape[-1] // 2
        parts = [self.constant(F(weights)), self.constant(F(bias))]
        return self.node("Conv", self.last, *parts, kernel_shape=weights.shape[2:], pads=[pad] * 4)

    def relu(self, source=None):
        return self.node("Relu", source or self.last)

    def reshape(self, shape, source=None):
        return self.node("Reshape", source or self.last, self.constant(np.int64(shape)))

    def model(self, outputs):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        y = helper.make_tensor_value_info(self.last, TensorProto.FLOAT, [1, outputs])
        graph = helper.make_graph(self.nodes, "g", [x], [y], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def property_text(x0, eps, outputs, label):
    """No class above or beside the label's on the ball around x0."""
    x0 = np.asarray(x0, np.float64).reshape(-1)
    lines = [f"(declare-const X_{i} Real)" for i in range(x0.size)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(outputs)]
    for i, x in enumerate(x0):
        lines += [f"(assert (>= X_{i} {float(x - eps)!r}))", f"(assert (<= X_{i} {float(x + eps)!r}))"]
    others = [f"(and (>= Y_{j} Y_{label}))" for j in range(outputs) if j != label]
    lines.append("(assert (or " + " ".join(others) + "))")
    return "\n".join(lines) + "\n"


def kaiming(rng, shape):
    return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))


def meap(seed, pairs, eps=0.1, gamma=1e-3):
    """y₀ = min over pairs of max(relu(w·x + γ), relu(−w·x + γ)) ≥ γ, and the other outputs are 0."""
    rng, n = np.random.default_rng(seed), 100
    x0 = F(rng.standard_normal(n) * 0.1)
    w = rng.standard_normal((pairs, n))
    w -= np.outer(w @ x0 / (x0 @ x0), x0)
    w *= (20 * gamma / eps / np.abs(w).sum(1))[:, None]
    g = Graph([1, n])
    g.gemm(np.repeat(w, 2, 0) * np.tile([1, -1], pairs)[:, None], np.full(2 * pairs, gamma))
    h = g.relu()
    eye = np.eye(pairs)
    even, odd = np.kron(eye, [[1, 0]]), np.kron(eye, [[0, 1]])
    # max(a, b) = relu(a − b) + b
    over = g.relu(g.gemm(even - odd, np.zeros(pairs), h))
    g.node("Add", over, g.gemm(odd, np.zeros(pairs), h))
    while pairs > 1:
        pairs //= 2
        eye, both = np.eye(pairs), g.last
        even, odd = np.kron(eye, [[1, 0]]), np.kron(eye, [[0, 1]])
        # min(a, b) = a − relu(a − b)
        over = g.relu(g.gemm(even - odd, np.zeros(pairs), both))
        a = g.gemm(even, np.zeros(pairs), both)
        g.node("Sub", a, over)
    g.gemm(np.eye(10)[:, :1], np.zeros(10))
    return g.model(10), property_text(x0, eps, 10, 0)


def forward(layers, x):
    for k, (w, b) in enumerate(layers):
        x = w @ x + b
        x = np.maximum(x, 0) if k + 1 < len(layers) else x
    return x


def nearest(layers, x0, label, other, most):
    """A lower bound of the distance, up to `most`, at which `other` reaches the label: by a mixed-integer program, with big-M from intervals."""
    n, (lower, upper) = x0.size, (x0 - most, x0 + most)
    rows, low, high, at = [], [], [], n + 1
    ends, kinds = [(-most, most)] * n + [(0, most)], [0] * (n + 1)
    place, first = list(range(n)), True
    for w, b in layers[:-1]:
        l = np.maximum(w, 0) @ lower + np.minimum(w, 0) @ upper + b
        u = np.maximum(w, 0) @ upper + np.minimum(w, 0) @ lower + b
        shift = w @ x0 + b if first else b
        outs = []
        for i in range(len(b)):
            z, a = at, at + 1
            at += 2
            ends += [(0, max(u[i], 0)), (0, 1)]
            kinds += [0, 1]
            s = [(p, w[i, j]) for j, p in enumerate(place)]
            # z ≥ s, z ≤ u a, z ≤ s − l (1 − a)
            rows += [[(z, 1)] + [(p, -c) for p, c in s], [(z, 1), (a, -max(u[i], 0))], [(z, 1), (a, -min(l[i], 0))] + [(p, -c) for p, c in s]]
            low += [shift[i], -np.inf, -np.inf]
            high += [np.inf, 0, shift[i] - min(l[i], 0)]
            outs.append(z)
        place, first = outs, False
        lower, upper = np.maximum(l, 0), np.maximum(u, 0)
    w, b = layers[-1]
    rows.append([(p, w[other, j] - w[label, j]) for j, p in enumerate(place)])
    low.append(b[label] - b[other])
    high.append(np.inf)
    for i in range(n):
        rows += [[(i, 1), (n, -1)], [(i, 1), (n, 1)]]
        low += [-np.inf, 0]
        high += [0, np.inf]
    data = [(r, c, v) for r, row in enumerate(rows) for c, v in row]
    r, c, v = zip(*data)
    matrix = coo_matrix((v, (r, c)), (len(rows), at)).tocsr()
    cost = np.zeros(at)
    cost[n] = 1
    found = scipy.optimize.milp(
        cost, integrality=kinds, bounds=scipy.optimize.Bounds(*np.array(ends).T),
        constraints=scipy.optimize.LinearConstraint(matrix, low, high), options={"time_limit": 200, "mip_rel_gap": 1e-9})
    bound = getattr(found, "mip_dual_bound", None)
    return most if found.status == 2 else (bound if bound is not None else 0.0)


RADII = {}


def milp(seed, h1, h2, share):
    """A random network, and `share` of the radius at which it begins to fail by a mixed-integer program (of its lower bound, where time ran out)."""
    if (seed, h1, h2) not in RADII:
        rng, sizes = np.random.default_rng(seed), [50, h1, h2, 5]
        uniform = lambda m, n: F(rng.uniform(-1, 1, (m, n)) / np.sqrt(n)).astype(float)  # noqa: E731
        layers = [(uniform(m, n), uniform(m, n)[:, 0]) for n, m in zip(sizes, sizes[1:])]
        x0 = F(rng.standard_normal(50) * 0.5).astype(float)
        y = forward(layers, x0)
        label = int(np.argmax(y))
        # Where steps along the gradient break it, a little more: the program need not look further.
        best = 2.0
        for other in set(range(5)) - {label}:
            for _ in range(20):
                x, eps = x0 + rng.uniform(-1, 1, 50) * best, best
                for _ in range(60):
                    z, gradient = x, None
                    masks = []
                    for w, b in layers[:-1]:
                        z = w @ z + b
                        masks.append(z > 0)
                        z = np.maximum(z, 0)
                    gradient = layers[-1][0][other] - layers[-1][0][label]
                    for (w, _), mask in zip(layers[-2::-1], masks[::-1]):
                        gradient = (gradient * mask) @ w
                    x = np.clip(x + 0.1 * eps * np.sign(gradient), x0 - eps, x0 + eps)
                    y = forward(layers, x)
                    if y[other] >= y[label]:
                        best = eps = np.abs(x - x0).max() * 0.98
        radius = min(nearest(layers, x0, label, other, best * 1.05) for other in range(5) if other != label)
        # A program that ran out of time knows little of the largest: their answer stays open.
        known = radius > 0.5 * best
        radius = radius if known else 0.95 * best / 0.98
        RADII[seed, h1, h2] = layers, x0, label, radius, known
        print(f"milp {seed} {h1} {h2}: radius {radius:.6f}, known: {known}, broken by steps at {best / 0.98:.6f}", flush=True)
    layers, x0, label, radius, known = RADII[seed, h1, h2]
    g = Graph([1, 50])
    for k, (w, b) in enumerate(layers):
        g.gemm(w, b)
        if k < 2:
            g.relu()
    return g.model(5), property_text(x0, share * radius, 5, label), "unsat" if known else "unknown"


def corners(seed, hinges, size=1.0, eps=0.2, most=2.0):
    """Σ C relu(A x + b), which is convex, is at most β on the ball, by all corners of the eight inputs that it reads; the label is 2·most above the others' bound."""
    rng = np.random.default_rng(seed)
    x0 = F(rng.standard_normal(100) * 0.2)
    a = rng.standard_normal((hinges, 8))
    a = F(a * (size / np.abs(a).sum(1))[:, None])
    b = F(-a @ x0[:8])
    c = np.zeros((4, hinges))
    for row in c:
        row[rng.choice(hinges, max(1, hinges // 2), replace=False)] = 1
    points = x0[:8].astype(float) + eps * np.array(list(itertools.product([-1, 1], repeat=8)))
    beta = (np.maximum(points @ a.T.astype(float) + b, 0) @ c.T).max(0) + 1e-4
    g = Graph([1, 100])
    g.gemm(np.eye(8, 100), np.zeros(8))
    g.gemm(a, b)
    g.relu()
    g.gemm(c, -beta)
    g.gemm(np.eye(10)[:, 1:5], np.where(np.arange(10) == 0, most, -most))
    return g.model(10), property_text(x0, eps, 10, 0)


def projection(seed, wide, eps=0.1):
    """c + relu(x₀ − ε − x) + relu(x − x₀ − ε) is c on the ball (but for roundings of its ends), whatever comes behind it."""
    rng, n = np.random.default_rng(seed), 100
    x0 = F(rng.standard_normal(n) * 0.2)
    c = F(x0 + 2 * rng.standard_normal(n))
    g = Graph([1, n])
    low, high = F(x0 - F(eps)), F(x0 + F(eps))
    g.gemm(np.concatenate([-np.eye(n), np.eye(n)]), np.concatenate([low, -high]))
    g.relu()
    g.gemm(np.concatenate([np.eye(n), np.eye(n)], 1), c)
    z, last = c.astype(float), n
    for width in [64] + [1000] * wide + [32]:
        w = F(kaiming(rng, (width, last)))
        g.gemm(w, np.zeros(width))
        g.relu()
        z, last = np.maximum(w @ z, 0), width
    w = F(kaiming(rng, (10, last)))
    g.gemm(w, np.zeros(10))
    return g.model(10), property_text(x0, eps, 10, int(np.argmax(w @ z)))


def intervals(weights, low, high):
    """The weights' images of [low, high] (channels × height × width), with padding."""
    k = weights.shape[-1] // 2
    h, w = low.shape[1:]
    pad = lambda x: np.pad(x, ((0, 0), (k, k), (k, k)))  # noqa: E731
    low, high, out = pad(low), pad(high), [0.0, 0.0]
    for i in range(weights.shape[2]):
        for j in range(weights.shape[3]):
            part = weights[:, :, i, j]
            up, down = np.maximum(part, 0), np.minimum(part, 0)
            l, u = low[:, i : i + h, j : j + w], high[:, i : i + h, j : j + w]
            out[0] = out[0] + np.einsum("oc,chw->ohw", up, l) + np.einsum("oc,chw->ohw", down, u)
            out[1] = out[1] + np.einsum("oc,chw->ohw", up, u) + np.einsum("oc,chw->ohw", down, l)
    return out


def contractive(seed, depth=6, channels=16, rate=0.9, margin=1e-3, share=0.4, eps=0.02, side=8):
    """The label's output is B > 0 plus a mean of ReLUs, the others 0; so many of each layer's ReLUs are unstable by intervals."""
    rng = np.random.default_rng(seed)
    x0 = F(rng.uniform(0.25, 0.75, (1, side, side)))
    g = Graph([1, side * side])
    g.reshape([1, 1, side, side])
    first = kaiming(rng, (channels, 1, 1, 1))
    g.conv(first, np.zeros(channels))
    g.relu()
    low, high = (np.maximum(end, 0) for end in intervals(first, x0 - eps, x0 + eps))
    for _ in range(depth):
        w = kaiming(rng, (channels, channels, 3, 3))
        w *= rate / np.linalg.norm(w.reshape(channels, -1), 2)
        low, high = intervals(w, low, high)
        middle = low.mean((1, 2)) + share * (high.mean((1, 2)) - low.mean((1, 2)))
        g.conv(w, -middle)
        g.relu()
        low, high = (np.maximum(end - middle[:, None, None], 0) for end in (low, high))
    bound = np.linalg.norm(first.reshape(channels, -1), 2) * rate**depth * 2 * eps
    g.reshape([1, channels * side * side])
    w = np.zeros((10, channels * side * side))
    w[0] = 1 / w.shape[1]
    g.gemm(w, np.eye(10)[0] * (bound + max(margin, 0.1 * bound)))
    return g.model(10), property_text(x0, eps, 10, 0)


def paired(seed, pairs=8, margin=0.1, delta=0.025, layers=2, side=4, eps=0.05):
    """The label's output is margin + a mean of relu(s + b) − relu(s + c), b > c, the others 0."""
    rng = np.random.default_rng(seed)
    x0 = F(rng.uniform(0.25, 0.75, (3, side, side)))
    g = Graph([1, 3, side, side])
    low, high = np.maximum(x0 - eps, 0), np.minimum(x0 + eps, 1)
    channels = 3
    for _ in range(layers):
        w, b = kaiming(rng, (2, channels, 3, 3)), rng.uniform(-1e-3, 1e-3, 2)
        g.conv(w, b)
        g.relu()
        low, high = (np.maximum(end + b[:, None, None], 0) for end in intervals(w, low, high))
        channels = 2
    w = kaiming(rng, (pairs, channels, 3, 3))
    low, high = intervals(w, low, high)
    middle = (low + high).mean((1, 2)) / 2
    g.conv(np.concatenate([w, w]), np.concatenate([delta - middle, -delta - middle]))
    g.relu()
    size = pairs * side * side
    g.reshape([1, 2 * size])
    out = np.zeros((10, 2 * size))
    out[0] = np.repeat([1 / size, -1 / size], size)
    g.gemm(out, np.eye(10)[0] * margin)
    return g.model(10), property_text(x0, eps, 10, 0)


def orthogonal(rng, m, n):
    u, _, v = np.linalg.svd(rng.standard_normal((m, n)), full_matrices=False)
    return u @ v


def dominance(seed, n=4, d=4, v=4, gate=0.5, noise=0.2, eps=0.05, factor=2.0):
    """Linear attention of ReLU features: on the ball each token attends to itself alone, and the margin is `factor` times what the outputs can move."""
    rng = np.random.default_rng(seed)
    x0 = np.concatenate([np.where(np.eye(n) > 0, gate, -noise), rng.standard_normal((n, d - n)) * 0.1], 1)
    values = np.zeros((n * d, n * v))
    for i in range(n):
        values[i * d : (i + 1) * d, i * v : (i + 1) * v] = orthogonal(rng, d, v)
    head = orthogonal(rng, n * v, 10)
    flat = x0.reshape(-1)
    z = gate**2 * (flat @ values)
    longest = np.linalg.norm((flat @ values).reshape(n, v), axis=1).max()
    by, move = eps * 2 * (gate + eps), eps * np.sqrt(d)
    bound = 2 * np.sqrt(n) * (by * (longest + move) + gate**2 * move)
    queries, keys = np.zeros((n * n, n * d)), np.zeros((n * n, n * d))
    for i, k in itertools.product(range(n), range(n)):
        queries[i * n + k, i * d + k] = 1
        keys[k * n + i, i * d + k] = 1
    g = Graph([1, n * d])
    q = g.reshape([1, n, n], g.relu(g.gemm(queries, np.zeros(n * n), "x")))
    k = g.reshape([1, n, n], g.relu(g.gemm(keys, np.zeros(n * n), "x")))
    scores = g.node("MatMul", q, k)
    mixed = g.node("MatMul", scores, g.reshape([1, n, v], g.gemm(values.T, np.zeros(n * v), "x")))
    g.reshape([1, n * v], mixed)
    g.gemm(head.T, factor * bound * np.eye(10)[0] - z @ head)
    return g.model(10), property_text(F(flat), eps, 10, 0)


def pattern(seed, n=16, d=4, alpha=5.0, eps=0.01, slack=1.05, v=8, classes=50):
    """softmax(α X Xᵀ) X V of nearly orthogonal unit tokens, and a margin of `slack` times what a Lipschitz constant allows."""
    rng = np.random.default_rng(seed)

    def tokens():
        x = rng.standard_normal((n, d))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return np.abs(x @ x.T - np.eye(n)).max(), x

    x0 = min((tokens() for _ in range(2000)), key=lambda pair: pair[0])[1]
    values = rng.standard_normal((d, v))
    values /= np.linalg.norm(values, 2)
    scores = alpha * x0 @ x0.T
    weights = np.exp(scores - scores.max(1, keepdims=True))
    z = (weights / weights.sum(1, keepdims=True) @ (x0 @ values)).reshape(-1)
    longest = np.linalg.norm(x0 @ values, axis=1).max()
    reach = alpha * (2 * np.sqrt(d) + eps * d)
    slope = n / 4 * reach * longest + np.sqrt(d) + n / 4 * reach * eps * np.sqrt(d)
    head = rng.standard_normal((classes, n * v))
    head /= np.linalg.norm(head, 2)
    raw = head @ z
    g = Graph([1, n * d])
    x = g.reshape([1, n, d])
    scores = g.node("Mul", g.node("MatMul", x, g.node("Transpose", x, perm=[0, 2, 1])), g.constant(F(alpha)))
    mixed = g.node("MatMul", g.node("Softmax", scores, axis=-1), g.node("MatMul", x, g.constant(F(values))))
    g.reshape([1, n * v], mixed)
    g.gemm(head, np.eye(classes)[0] * (raw[1:].max() - raw[0] + slack * 2 * np.sqrt(n) * slope * eps))
    return g.model(classes), property_text(F(x0), eps, classes, 0)


def cases():
    """Their sweep, in their order."""
    for pairs, more in [(2, {}), (16, {}), (32, {}), (128, {}), *[(16, {"eps": e}) for e in [0.05, 0.1, 0.25, 0.5]],
                        *[(16, {"gamma": c}) for c in [1e-3, 1e-4, 1e-5, 1]], (2, {}), (16, {"gamma": 100})]:
        yield meap, {"seed": 0, "pairs": pairs, **more}
    for seed in range(3):
        for share in [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.9999999]:
            yield milp, {"seed": seed, "h1": 20, "h2": 10, "share": share}
    for seed in range(2):
        for h in [5, 10, 20, 50, 100]:
            yield milp, {"seed": seed, "h1": h, "h2": h, "share": 0.999}
    for size in [1e-4, 1e-2, 1, 100, 1e4, 1e6]:
        for seed in [1, 2, 3]:
            yield corners, {"seed": seed, "hinges": 16, "size": size}
    for hinges in [16, 256, 1024, 4096]:
        yield corners, {"seed": 1, "hinges": hinges}
    for wide in [1, 5, 10, 20, 50]:
        yield projection, {"seed": 0, "wide": wide}
    for name, sweep in [("depth", [2, 4, 6, 8, 10]), ("rate", [0.7, 0.8, 0.9, 0.95, 0.98]), ("margin", [0.1, 0.01, 1e-3, 5e-4, 1e-4]),
                        ("share", [0.1, 0.25, 0.4, 0.55, 0.7]), ("channels", [4, 8, 16, 32, 64])]:
        for seed in range(2):
            yield from ((contractive, {"seed": seed, name: value}) for value in sweep)
    for name, sweep in [("pairs", [2, 4, 8, 16, 32]), ("margin", [1, 0.5, 0.1, 0.05, 1e-3]), ("delta", [0.005, 0.01, 0.025, 0.05, 0.1]),
                        ("layers", [1, 2, 3, 4]), ("side", [4, 8, 12, 16])]:
        for seed in range(2):
            yield from ((paired, {"seed": seed, name: value}) for value in sweep)
    for seed, sweep in [(1, [{"eps": e} for e in [0.02, 0.05, 0.08]]), (2, [{"factor": f} for f in [1.1, 1.5, 3]]),
                        (3, [{"n": n, "d": n} for n in [2, 4, 6]]), (4, [{"d": d} for d in [4, 8, 12]]), (5, [{"v": v} for v in [2, 4, 8]]),
                        (6, [{"gate": 0.3, "noise": 0.1}, {}, {"gate": 0.8, "noise": 0.3}])]:
        yield from ((dominance, {"seed": seed, **more}) for more in sweep)
    for seed, sweep in [(1, [{"eps": e} for e in [5e-4, 1e-3, 0.01]]), (2, [{"alpha": a} for a in [2.0, 5.0, 10.0]]),
                        (3, [{"n": n, "eps": 1e-3} for n in [2, 8, 32]]), (4, [{"d": d, "eps": 1e-3} for d in [4, 8, 16]]),
                        (5, [{"slack": s} for s in [5, 2, 1.1, 1.001, 1.00001]])]:
        yield from ((pattern, {"seed": seed, **more}) for more in sweep)


def main():
    folder = pathlib.Path(sys.argv[1])
    only = sys.argv[2:]
    for part in ["onnx", "vnnlib"]:
        (folder / part).mkdir(parents=True, exist_ok=True)
    count, lines = {}, []
    for make, more in cases():
        kind = make.__name__
        count[kind] = count.get(kind, 0) + 1
        if only and kind not in only:
            continue
        name = f"{kind}_{count[kind]:02}"
        model, text, *answer = make(**more)
        onnx.save(model, folder / "onnx" / f"{name}.onnx")
        (folder / "vnnlib" / f"{name}.vnnlib").write_text(text)
        lines.append(f"onnx/{name}.onnx,vnnlib/{name}.vnnlib,{SECONDS},{(answer or ['unsat'])[0]}")
    (folder / "instances.csv").write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} networks in {folder}: {count}")


if __name__ == "__main__":
    main()

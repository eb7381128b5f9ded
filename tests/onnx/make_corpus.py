"""Makes a file of random graphs with what onnxruntime computes: `make_corpus.py --seed S --count N --out FILE`."""

import argparse
import gzip
import random
import struct
import sys
import warnings

import numpy as np
from protobuf_forms import reencoded
from random_graph import Graph, Invalid, ancestors, session
from random_nodes import NODES
from random_shapes import SHAPES, final, from_integers, probe

KINDS, WEIGHTS = zip(*(NODES + SHAPES))


def record(name, model, points, shape, outputs, tolerance):
    """Six fields, each with its length: name, model, points, shape, outputs, tolerance."""
    doubles = lambda values: np.asarray(values, "<f8").tobytes()
    fields = [name.encode(), model, doubles(points), doubles(shape), doubles(outputs), doubles([tolerance])]
    return b"".join(struct.pack("<I", len(f)) + f for f in fields)


def write(path, records):
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as out:
        out.write(b"".join(records))


def grown(rng):
    """A graph and its output."""
    g = Graph(rng)
    last = g.x if g.x.is_float else from_integers(g, g.x)
    for _ in range(rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6])):
        variables = [v for v in g.values if v.variable and v.is_float]
        v = last if rng.random() < 0.75 else rng.choice(variables)
        for _ in range(8):
            kind = rng.choices(KINDS, WEIGHTS)[0]
            kept = len(g.nodes), len(g.values), len(g.initializers)
            try:
                made = kind(g, v)
            except Invalid:
                made = None
            if made is not None and made.variable and made.is_float and made.arrays[0].size:
                last = made
                break
            del g.nodes[kept[0] :], g.values[kept[1] :], g.initializers[kept[2] :]
    if last.variable and rng.random() < 0.06:
        last = final(g, last)
    elif rng.random() < 0.25:
        last = probe(g, last)
    return g, last


def case(rng, number):
    """One record, or None where nothing came of it."""
    try:
        g, y = grown(rng)
    except Invalid:
        return None
    live = ancestors(g.nodes, y.name)
    if not y.variable or "x" not in live or not y.arrays[0].size or len(live) < 2:
        return None
    if rng.random() < 0.6:
        # What the output does not depend on goes, in most graphs.
        g.nodes = [n for n in g.nodes if live & set(n.output)]
        g.initializers = [t for t in g.initializers if t.name in live]
    model = g.model(y)
    data = model.SerializeToString()
    if rng.random() < 0.03:
        data = reencoded(data, rng, rng.choice([0.05, 0.3]))
    try:
        run = session(data)
        outputs = [run.run(None, {"x": g.x.at(p)})[0] for p in range(g.points)]
    except Exception as error:
        print(f"{number}: as a whole: {error}", file=sys.stderr)
        return None
    if not all(np.array_equal(a, b) for a, b in zip(outputs, y.arrays)):
        print(f"{number}: not what its nodes give", file=sys.stderr)
        return None
    flat = lambda arrays: np.concatenate([np.asarray(a, np.float64).flatten() for a in arrays])
    if not np.isfinite(flat(outputs)).all():
        return None
    tolerance = g.tolerance(y.name)
    operators = " ".join(n.op_type for n in g.nodes if live & set(n.output))
    return record(f"{number} {operators}", data, flat(g.x.arrays), outputs[0].shape, flat(outputs), tolerance)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    rng = random.Random(options.seed)
    records = []
    while len(records) < options.count:
        # Each graph has a seed of its own, so that one can be made again alone.
        made = case(random.Random(rng.getrandbits(64)), len(records))
        if made is not None:
            records.append(made)
    write(options.out, records)


if __name__ == "__main__":
    main()

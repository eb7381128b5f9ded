"""Attacks of certus against those of torchattacks, foolbox and AutoAttack (pyautoattack): same inputs, ε and budget.

Each pair of attacks gets the same test images, the same ε, one start, and as many gradients (or queries) an image. Counted are
the correctly classified images that are broken: for the others in single precision, within ε and [0, 1] up to 1e-6 (1e-5
Euclidean); for certus by validated counterexamples. Attacks are random, so both sides run with the seeds 0, 1, …, as many as
the row says, and the row has the count of each and their means. Writes a CSV and prints a table. A row "A and B" counts the
images that A or B breaks.

    pip install -r models/train/requirements.txt -r models/compare/requirements.txt
    pip install --no-deps torchattacks==3.5.1        # it asks for an old version of requests
    cargo build --release
    python models/compare/attacks.py --certus target/release/certus --out models/compare/attacks.csv
"""

import argparse
import copy
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/train"))
import onnx  # noqa: E402
from nets import image_cnn, image_mlp  # noqa: E402

# (network, ε in the max norm, ε in the Euclidean norm)
CASES = [
    ("mlp_plain", "0.03", "0.5"),
    ("cnn_plain", "0.03", "0.5"),
    ("cnn_plain", "0.1", None),
    ("mlp_adv", "0.1", "1.5"),
    ("cnn_adv", "0.1", "1.5"),
    ("cnn_adv", "0.15", None),
    ("mlp_cert", "0.1", "1"),
    ("cnn_cert", "0.1", "1"),
]


def load(name):
    net = (image_mlp if name.startswith("mlp") else image_cnn)()
    weights = onnx.load(str(ROOT / f"models/mnist/{name}.onnx")).graph.initializer
    net.load_state_dict({t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in weights})
    return net.eval()


def foolbox_pgd(norm, steps):
    import foolbox

    kind = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]

    def run(net, x, y, eps, seed):
        model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
        return kind(steps=steps)(model, x, y, epsilons=eps)[1]

    return run


def torch_attack(make):
    def run(net, x, y, eps, seed):
        import torchattacks

        return make(torchattacks, net, eps)(x, y)

    return run


def autoattack(norm, attacks, queries=5000):
    def run(net, x, y, eps, seed):
        from pyautoattack import AutoAttack

        name = {"linf": "Linf", "l2": "L2"}[norm]
        attack = AutoAttack(net, attacks=attacks, version="custom", norm=name, eps=eps, seed=seed)
        attack.verbose = False
        attack.apgd.n_restarts = attack.apgd_targeted.n_restarts = attack.fab.n_restarts = 1
        attack.square.n_queries = queries
        return attack.run_standard_evaluation(x, y, batch_size=len(x))[0]

    return run


@dataclass
class Pair:
    what: str
    budget: str
    seeds: int  # of both sides; fewer where a run is slow, one where nothing is random
    other: Callable | None = None
    ours: str | None = None
    union: list[str] | None = None  # of which rows, instead of a run of its own


def pairs(norm):
    sign = norm == "linf"
    pgd = torch_attack(
        lambda ta, net, eps: ta.PGD(net, eps=eps, alpha=eps / 10, steps=40)
        if sign
        else ta.PGDL2(net, eps=eps, alpha=eps / 5, steps=40)
    )
    one = "--restarts 1 --untargeted"
    yield Pair("PGD (torchattacks)", "40 gradients", 10, pgd, f"--attack pgd {one} --steps 40")
    yield Pair("PGD (foolbox)", "40 gradients", 10, foolbox_pgd(norm, 40), f"--attack pgd {one} --steps 40")
    if sign:
        fgsm = torch_attack(lambda ta, net, eps: ta.FGSM(net, eps=eps))
        yield Pair("FGSM (torchattacks)", "1 gradient", 1, fgsm, f"--attack fgsm {one}")
    ce, dlr = autoattack(norm, ["apgd-ce"]), autoattack(norm, ["apgd-dlr"])
    yield Pair("APGD-CE (AutoAttack)", "100 gradients", 10, ce, "--attack apgd-ce --restarts 1 --steps 100")
    yield Pair("APGD-DLR (AutoAttack)", "100 gradients", 10, dlr, f"--attack apgd-dlr {one} --steps 100")
    both = autoattack(norm, ["apgd-dlr", "apgd-t"])
    yield Pair("APGD-DLR, then APGD-T (AutoAttack)", "1,000 gradients", 2, both, "--attack apgd-dlr --restarts 1 --steps 100")
    fab = autoattack(norm, ["fab-t"])
    yield Pair("FAB-T (AutoAttack)", "900 gradients", 1, fab, "--attack fab --restarts 1 --steps 100")
    for queries in [1000, 5000]:
        square = autoattack(norm, ["square"], queries)
        ours = f"--attack square --restarts 1 --queries {queries}"
        yield Pair("Square (AutoAttack)", f"{queries:,} queries", 2, square, ours)
    weak = ["APGD-CE (AutoAttack), 100 gradients", "Square (AutoAttack), 5,000 queries"]
    yield Pair("APGD-CE and Square (AutoAttack)", "100 gradients, 5,000 queries", 2, union=weak)
    more = ["APGD-DLR, then APGD-T (AutoAttack), 1,000 gradients", "FAB-T (AutoAttack), 900 gradients"]
    yield Pair("APGD-CE, -DLR, -T, FAB-T and Square (AutoAttack)", "all the above", 2, union=weak + more)


def exactly(net, x, y, eps, norm, adversarial):
    """Which of the points are still misclassified, in double precision, once moved into the ball of radius ε around the
    image and into [0, 1]: without the allowance, and without the rounding of single precision."""
    centre, moved = (x.double() * 255).round() / 255, adversarial.double()
    if norm == "linf":
        moved = torch.minimum(torch.maximum(moved, centre - eps), centre + eps)
    else:
        change = moved - centre
        length = change.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))
        moved = centre + change * (eps * (1 - 1e-15) / length.clamp(min=1e-30)).clamp(max=1)
    with torch.no_grad():
        return copy.deepcopy(net).double()(moved.clamp(0, 1)).argmax(1) != y


def reference(run, net, norm, x, y, eps, seed, key, kept):
    """Which of the images the other attack breaks, which still when counted exactly, and its seconds; from `kept` where it
    was run before."""
    if key in kept:
        return np.array(kept[key]["broken"]), np.array(kept[key]["exactly"]), kept[key]["seconds"]
    torch.manual_seed(seed)
    np.random.seed(seed)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adversarial = run(net, x, y, eps, seed).detach()
    seconds = time.process_time() - start
    change = (adversarial - x).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    room = 1e-6 if norm == "linf" else 1e-5
    valid = (size <= eps + room) & (adversarial.flatten(1).amin(1) >= 0) & (adversarial.flatten(1).amax(1) <= 1)
    with torch.no_grad():
        broken = (net(adversarial).argmax(1) != y) & valid
    strictly = broken & exactly(net, x, y, eps, norm, adversarial)
    kept[key] = dict(broken=broken.tolist(), exactly=strictly.tolist(), seconds=seconds)
    return broken.numpy(), strictly.numpy(), seconds


def certus(program, name, norm, eps, seed, data, arguments):
    with tempfile.TemporaryDirectory() as out:
        command = [program, "attack", f"models/mnist/{name}.onnx", "--data", str(data), "--eps", eps,
                   "--norm", norm, "--out", f"{out}/o", "--quiet", "--jobs", "1",
                   "--seed", str(seed), *arguments.split()]  # fmt: skip
        start = os.times()
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        seconds = os.times().children_user - start.children_user
        with open(f"{out}/o/report.json") as file:
            rows = json.load(file)["rows"]
    correct = np.array([row["verdict"] != "misclassified" for row in rows])
    broken = np.array([row["verdict"] == "falsified" for row in rows])
    return correct, broken[correct], seconds


def compare(pair, results, run_theirs, run_ours):
    """The images that each side breaks, seed by seed, theirs counted exactly too, and the seconds of a run."""
    if pair.union:
        parts = [results[part] for part in pair.union]
        run = lambda part, side, seed: part[side][min(seed, len(part[side]) - 1)]  # noqa: E731
        united = [
            [np.any([run(part, side, seed) for part in parts], axis=0) for seed in range(pair.seeds)] for side in range(3)
        ]
        return (*united, sum(part[3] for part in parts), sum(part[4] for part in parts))
    theirs = [run_theirs(pair, seed) for seed in range(pair.seeds)]
    ours = [run_ours(pair, seed) for seed in range(pair.seeds)]
    mean = lambda runs: sum(run[-1] for run in runs) / len(runs)  # noqa: E731
    return [run[0] for run in theirs], [run[1] for run in theirs], [run[0] for run in ours], mean(theirs), mean(ours)


def row(pair, case, theirs, strictly, ours, seconds, numbers):
    """The error is that of ours less theirs: each image breaks with a probability of its own on each side."""
    count = lambda runs: [int(broken.sum()) for broken in runs]  # noqa: E731
    mean = lambda runs: round(float(np.mean(count(runs))), 2)  # noqa: E731
    ever, own = np.any(theirs, axis=0), np.any(ours, axis=0)
    variance = sum(np.var(runs, axis=0, ddof=1).sum() / pair.seeds for runs in (theirs, ours)) if pair.seeds > 1 else 0
    each = zip(numbers, np.sum(theirs, axis=0), np.sum(ours, axis=0))
    return dict(
        **case, attack=pair.what, budget=pair.budget, correct=len(ever), seeds=pair.seeds,
        theirs=mean(theirs), certus=mean(ours), theirs_exactly=mean(strictly), error=round(float(np.sqrt(variance)), 2),
        theirs_each=" ".join(map(str, count(theirs))), certus_each=" ".join(map(str, count(ours))),
        only_theirs=int((ever & ~own).sum()), only_certus=int((own & ~ever).sum()),
        differ=" ".join(f"{image}:{a}-{b}" for image, a, b in each if a != b),
        seconds_theirs=round(seconds[0], 1), seconds_certus=round(seconds[1], 1), certus_arguments=pair.ours or "",
    )  # fmt: skip


def write(path, rows):
    """Writes the rows, in the order of the cases, in place of those that the file has of the same attacks."""
    key = lambda row: tuple(row[field] for field in ("network", "norm", "eps", "attack", "budget"))  # noqa: E731
    before = list(csv.DictReader(open(path, newline=""))) if Path(path).exists() else []
    all_rows = {key(row): row for row in before} | {key(row): row for row in rows}
    cases = [(name, norm, eps) for name, *both in CASES for norm, eps in zip(["linf", "l2"], both) if eps]
    order = [(*case, pair.what, pair.budget) for case in cases for pair in pairs(case[1])]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[-1], restval="")
        writer.writeheader()
        writer.writerows(all_rows[place] for place in order if place in all_rows)


def fisher(a, b, runs):
    """Fisher's exact test, two-sided: how likely counts as unlike as a and b of so many runs each are where the sides are equal."""
    chances = [math.comb(runs, i) * math.comb(runs, a + b - i) for i in range(max(0, a + b - runs), min(runs, a + b) + 1)]
    seen = math.comb(runs, a) * math.comb(runs, b)
    return sum(chance for chance in chances if chance <= seen) / math.comb(2 * runs, a + b)


def counts(path):
    """In how many rows ours are above, equal, below; and how often an image is broken significantly more often by one side."""
    rows = list(csv.DictReader(open(path, newline="")))
    gaps = [float(row["certus"]) - float(row["theirs"]) for row in rows]
    print(f"{len(rows)} rows: above {sum(g > 0 for g in gaps)}, equal {gaps.count(0)}, below {sum(g < 0 for g in gaps)}")
    ten = [row for row in rows if row["seeds"] == "10"]
    pairs = [tuple(map(int, part.split(":")[1].split("-"))) for row in ten for part in row["differ"].split()]
    apart = [theirs < ours for theirs, ours in pairs if fisher(theirs, ours, 10) < 0.05]
    print(f"{len(ten)} rows of ten seeds: ours significantly more often {sum(apart)} times, theirs {len(apart) - sum(apart)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certus", default=str(ROOT / "target/release/certus"))
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--images", type=int, nargs="*", help="only these, instead of the first ones")
    parser.add_argument("--only", nargs="*", help="networks")
    parser.add_argument("--eps", nargs="*", help="radii, as CASES has them")
    parser.add_argument("--attacks", nargs="*", help="only pairs whose name and budget contain one of these")
    parser.add_argument("--norms", nargs="*", default=["linf", "l2"])
    parser.add_argument("--seeds", type=int, help="of both sides, instead of each row's own number, of rows that have several")
    parser.add_argument("--kept", help="a file that keeps what the other attacks gave, for the next time")
    parser.add_argument("--only-others", action="store_true", help="do not run certus")
    parser.add_argument("--out")
    parser.add_argument("--counts", metavar="CSV", help="run nothing: what such a file says as a whole")
    arguments = parser.parse_args()
    if arguments.counts:
        return counts(arguments.counts)
    torch.set_num_threads(1)
    chosen = arguments.images or list(range(arguments.limit))
    data = np.load(ROOT / "models/mnist/test.npz")
    images = torch.tensor(data["x"][chosen].astype(np.float64) / 255).float()
    labels = torch.tensor(data["y"][chosen].astype(np.int64))
    folder = tempfile.TemporaryDirectory()
    subset = Path(folder.name) / "test.npz"
    np.savez(subset, **{key: data[key][chosen] for key in data.files})
    shutil.copy(ROOT / "models/mnist/test.toml", subset.with_suffix(".toml"))
    kept = json.loads(Path(arguments.kept).read_text()) if arguments.kept and Path(arguments.kept).exists() else {}
    rows = []
    cases = [(name, norm, eps) for name, *both in CASES for norm, eps in zip(["linf", "l2"], both) if eps]
    for name, norm, eps in cases:
        if (arguments.only and name not in arguments.only) or norm not in arguments.norms:
            continue
        if arguments.eps and eps not in arguments.eps:
            continue
        net = load(name)
        with torch.no_grad():
            right = net(images).argmax(1) == labels

        def theirs(pair, seed):
            key = f"{name} {norm} {eps} {pair.what} {pair.budget} {arguments.images or arguments.limit} {seed}"
            found = reference(pair.other, net, norm, images[right], labels[right], float(eps), seed, key, kept)
            if arguments.kept:
                Path(arguments.kept).write_text(json.dumps(kept))
            return found

        runs = {}

        def ours(pair, seed):
            if (pair.ours, seed) not in runs:
                runs[pair.ours, seed] = certus(arguments.certus, name, norm, eps, seed, subset, pair.ours)
            correct, broken, seconds = runs[pair.ours, seed]
            if not np.array_equal(correct, right.numpy()):
                raise SystemExit(f"{name}: the correctly classified images differ")
            return broken, seconds

        results, numbers = {}, np.array(chosen)[right.numpy()]
        for pair in pairs(norm):
            if arguments.attacks and not any(part in f"{pair.what}, {pair.budget}" for part in arguments.attacks):
                continue
            if pair.union and not all(part in results for part in pair.union):
                continue
            pair.seeds = arguments.seeds if arguments.seeds and pair.seeds > 1 else pair.seeds
            if arguments.only_others:
                for seed in range(0 if pair.union else pair.seeds):
                    theirs(pair, seed)
                continue
            broken, strictly, own, *seconds = compare(pair, results, theirs, ours)
            results[f"{pair.what}, {pair.budget}"] = (broken, strictly, own, *seconds)
            rows.append(row(pair, dict(network=name, norm=norm, eps=eps), broken, strictly, own, seconds, numbers))
            print(" | ".join(str(v) for v in rows[-1].values()), flush=True)
            if arguments.out:
                write(arguments.out, rows)


if __name__ == "__main__":
    main()

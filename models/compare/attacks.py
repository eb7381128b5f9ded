"""Attacks of certus against those of torchattacks, foolbox and AutoAttack (pyautoattack): same inputs, ε and budget.

Each pair of attacks gets the same test images, the same ε, one start, and as many gradients (or queries) an image. Counted are
the correctly classified images that are broken: for the others in single precision, within ε and [0, 1] up to 1e-6 (1e-5
Euclidean); for certus by validated counterexamples. Writes a CSV and prints a table.

    pip install -r models/train/requirements.txt -r models/compare/requirements.txt
    pip install --no-deps torchattacks==3.5.1        # it asks for an old version of requests
    cargo build --release
    python models/compare/attacks.py --certus target/release/certus --out models/compare/attacks.csv
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import warnings
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

    def run(net, x, y, eps):
        model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
        return kind(steps=steps)(model, x, y, epsilons=eps)[1]

    return run


def torch_attack(make):
    def run(net, x, y, eps):
        import torchattacks

        return make(torchattacks, net, eps)(x, y)

    return run


def autoattack(norm, attacks, queries=5000):
    def run(net, x, y, eps):
        from pyautoattack import AutoAttack

        name = {"linf": "Linf", "l2": "L2"}[norm]
        attack = AutoAttack(net, attacks=attacks, version="custom", norm=name, eps=eps, seed=0)
        attack.verbose = False
        attack.apgd.n_restarts = attack.apgd_targeted.n_restarts = attack.fab.n_restarts = 1
        attack.square.n_queries = queries
        return attack.run_standard_evaluation(x, y, batch_size=len(x))[0]

    return run


def pairs(norm):
    """(what, budget, the other attack, certus's arguments)."""
    sign = norm == "linf"
    pgd = torch_attack(
        lambda ta, net, eps: ta.PGD(net, eps=eps, alpha=eps / 10, steps=40)
        if sign
        else ta.PGDL2(net, eps=eps, alpha=eps / 5, steps=40)
    )
    one = "--restarts 1 --untargeted"
    yield "PGD (torchattacks)", "40 gradients", pgd, f"--attack pgd {one} --steps 40"
    yield "PGD (foolbox)", "40 gradients", foolbox_pgd(norm, 40), f"--attack pgd {one} --steps 40"
    if sign:
        fgsm = torch_attack(lambda ta, net, eps: ta.FGSM(net, eps=eps))
        yield "FGSM (torchattacks)", "1 gradient", fgsm, f"--attack fgsm {one}"
    yield "APGD-CE (AutoAttack)", "100 gradients", autoattack(norm, ["apgd-ce"]), "--attack apgd-ce --restarts 1 --steps 100"
    yield "APGD-DLR (AutoAttack)", "100 gradients", autoattack(norm, ["apgd-dlr"]), f"--attack apgd-dlr {one} --steps 100"
    both = autoattack(norm, ["apgd-dlr", "apgd-t"])
    yield "APGD-DLR, then APGD-T (AutoAttack)", "100 + 9 × 100 gradients", both, "--attack apgd-dlr --restarts 1 --steps 100"
    fab = autoattack(norm, ["fab-t"])
    yield "FAB-T (AutoAttack)", "9 × 100 gradients", fab, "--attack fab --restarts 1 --steps 100"
    for queries in [1000, 5000]:
        square = autoattack(norm, ["square"], queries)
        yield "Square (AutoAttack)", f"{queries} queries", square, f"--attack square --restarts 1 --queries {queries}"
    weak = autoattack(norm, ["apgd-ce", "square"])
    yield "AutoAttack, APGD-CE and Square", "100 gradients, 5000 queries", weak, "--attack apgd-ce,square --restarts 1 --steps 100 --queries 5000"


def reference(run, net, norm, x, y, eps, key, kept):
    """Which of the images the other attack breaks, and its seconds; from `kept` where it was run before."""
    if key in kept:
        return torch.tensor(kept[key]["broken"]), kept[key]["seconds"]
    torch.manual_seed(0)
    np.random.seed(0)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adversarial = run(net, x, y, eps).detach()
    seconds = time.process_time() - start
    change = (adversarial - x).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    room = 1e-6 if norm == "linf" else 1e-5
    valid = (size <= eps + room) & (adversarial.flatten(1).amin(1) >= 0) & (adversarial.flatten(1).amax(1) <= 1)
    with torch.no_grad():
        broken = (net(adversarial).argmax(1) != y) & valid
    kept[key] = dict(broken=broken.tolist(), seconds=seconds)
    return broken, seconds


def certus(program, name, norm, eps, limit, arguments):
    with tempfile.TemporaryDirectory() as out:
        command = [program, "attack", f"models/mnist/{name}.onnx", "--data", "models/mnist/test.npz", "--eps", eps,
                   "--norm", norm, "--limit", str(limit), "--out", f"{out}/o", "--quiet", "--jobs", "1",
                   *arguments.split()]  # fmt: skip
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        with open(f"{out}/o/report.json") as file:
            report = json.load(file)
    rows = report["rows"]
    correct = np.array([row["verdict"] != "misclassified" for row in rows])
    broken = np.array([row["verdict"] == "falsified" for row in rows])
    return correct, broken, report["timing"]["input_seconds"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certus", default=str(ROOT / "target/release/certus"))
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--only", nargs="*", help="networks")
    parser.add_argument("--attacks", help="only pairs whose name contains this")
    parser.add_argument("--norms", nargs="*", default=["linf", "l2"])
    parser.add_argument("--kept", help="a file that keeps what the other attacks gave, for the next time")
    parser.add_argument("--only-others", action="store_true", help="do not run certus")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = np.load(ROOT / "models/mnist/test.npz")
    images = torch.tensor(data["x"][: arguments.limit].astype(np.float64) / 255).float()
    labels = torch.tensor(data["y"][: arguments.limit].astype(np.int64))
    kept = json.loads(Path(arguments.kept).read_text()) if arguments.kept and Path(arguments.kept).exists() else {}
    rows = []
    for name, linf, l2 in CASES:
        if arguments.only and name not in arguments.only:
            continue
        net = load(name)
        with torch.no_grad():
            right = net(images).argmax(1) == labels
        for norm, eps in [("linf", linf), ("l2", l2)]:
            if eps is None or norm not in arguments.norms:
                continue
            for what, budget, run, ours in pairs(norm):
                if arguments.attacks and arguments.attacks not in what:
                    continue
                key = f"{name} {norm} {eps} {what} {budget} {arguments.limit}"
                theirs, seconds = reference(run, net, norm, images[right], labels[right], float(eps), key, kept)
                if arguments.kept:
                    Path(arguments.kept).write_text(json.dumps(kept))
                if arguments.only_others:
                    continue
                correct, broken, own = certus(arguments.certus, name, norm, eps, arguments.limit, ours)
                if not np.array_equal(correct, right.numpy()):
                    raise SystemExit(f"{name}: the correctly classified images differ")
                theirs, mine = theirs.numpy(), broken[correct]
                row = dict(network=name, norm=norm, eps=eps, attack=what, budget=budget, correct=int(correct.sum()),
                           theirs=int(theirs.sum()), certus=int(mine.sum()), only_theirs=int((theirs & ~mine).sum()),
                           only_certus=int((mine & ~theirs).sum()), seconds_theirs=round(seconds, 1),
                           seconds_certus=round(own, 1), certus_arguments=ours)  # fmt: skip
                rows.append(row)
                print(" | ".join(str(v) for v in row.values()), flush=True)
                if arguments.out:
                    with open(arguments.out, "w", newline="") as file:
                        writer = csv.DictWriter(file, row)
                        writer.writeheader()
                        writer.writerows(rows)


main()

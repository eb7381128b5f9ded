"""Trains, exports and measures every network of this folder: see the README beside this folder for the commands."""

import argparse
import fcntl
import json
from pathlib import Path

import torch

import cards
import control
import data as datasets
import export
import fit
import measure
import recipes


def fit_one(name, data, path):
    torch.manual_seed(recipes.recipe(name)["seed"])
    net = recipes.BUILDERS[name[0], name[1]]()
    fit.train(net, data, recipes.recipe(name), log=lambda line: print(line, flush=True))
    export.write(net, data.point(data.subset_xy()[0]), path)


def measure_one(name, data, path, crown):
    net = recipes.BUILDERS[name[0], name[1]]()
    export.read_weights(net, path)
    x, y = data.subset_xy()
    export.check(net, data.point(x), path)
    robust = {}
    for eps in recipes.EPS[name[0]]:
        unbroken = measure.attacked(net, data, x, y, eps)
        row = {"pgd": measure.share([unbroken]), "ibp": measure.by_intervals(net, data, x, y, eps)}
        if crown:
            row["crown"] = measure.by_crown(net, data, x, y, eps, unbroken)
        robust[str(eps)] = row
        print(f"  eps {eps}: {row}", flush=True)
    return {
        "sha256": export.sha256(path),
        "bytes": path.stat().st_size,
        "parameters": sum(p.numel() for p in net.parameters()),
        "classes": len(data.labels),
        "test_size": len(data.test[0]),
        "clean_subset": measure.clean(net, data, x, y),
        "clean_test": measure.clean(net, data, *data.test),
        "robust": robust,
    }


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def record(results_path, key, numbers):
    """Adds one entry to the results; locked, so that two runs may share the file."""
    with open(results_path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        results = json.loads(file.read() or "{}")
        results[key] = numbers
        file.seek(0)
        file.truncate()
        file.write(json.dumps(results, indent=1, sort_keys=True) + "\n")


def main():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data", help="the folder that fetch_data.sh filled")
    parser.add_argument("--only", nargs="*", help="networks such as mnist/cnn_cert; all without this")
    parser.add_argument("--measure-only", action="store_true", help="keep the ONNX files, write the cards anew")
    parser.add_argument("--no-crown", action="store_true", help="leave out the slow CROWN column")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    results_path, loaded = here / "results.json", {}
    for name in recipes.names():
        key = f"{name[0]}/{name[1]}_{name[2]}"
        if args.only is not None and key not in args.only:
            continue
        if name[0] not in loaded:
            loaded[name[0]] = datasets.LOADERS[name[0]](args.data)
            datasets.write_subset(loaded[name[0]], here)
        data, path = loaded[name[0]], here / f"{key}.onnx"
        print(key, flush=True)
        if not args.measure_only:
            fit_one(name, data, path)
        numbers = rounded(measure_one(name, data, path, crown=not args.no_crown))
        record(results_path, key, numbers)
        cards.write_card(name, numbers, here)
        print(f"  clean {numbers['clean_subset']:.3f} / {numbers['clean_test']:.3f}", flush=True)
    if args.only is None or "control/mlp_plain" in args.only:
        control.make(here / "control", args.measure_only)
    if results_path.exists():
        cards.write_table(results_path, here / "README.md")


if __name__ == "__main__":
    main()

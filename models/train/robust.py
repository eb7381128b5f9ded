"""Trains a PyTorch classifier of your own so that it is robust, or can be certified, and writes it as ONNX.

    python robust.py --net mynet.py:make --data train.npz --method mtl-ibp --eps 0.1 --out net.onnx

`make()` returns an nn.Sequential of Linear, Conv2d, ReLU and Flatten layers; `train.npz` has arrays x (inputs, first axis the examples) and
y (labels). The ways, each a loss on a batch:

  plain      cross-entropy
  pgd        cross-entropy at points that an attack finds (Madry et al. 2018)
  ibp        cross-entropy of interval bounds, eps rising from 0 (Gowal et al. 2019)
  crown-ibp  the same with backward bounds, which give way to intervals as eps rises (Zhang et al. 2020)
  sabr       interval bounds of a small box around a point that an attack finds (Mueller et al. 2023): --small is its share of eps
  mtl-ibp    the mean of the losses of pgd and ibp, weighted by --alpha (De Palma et al. 2024)

More certified costs accuracy, in this order: plain, pgd, sabr and mtl-ibp with a small share, crown-ibp, ibp. Train several with other
--seed values, then: certus tradeoff *.onnx --data test.npz --eps 0.1.
"""

import argparse
import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import export
from fit import pgd, ramp
from nets import backward, difference_matrix, interval_init, interval_margins, interval_step

METHODS = ("plain", "pgd", "ibp", "crown-ibp", "sabr", "mtl-ibp")
LAYERS = (nn.Linear, nn.Conv2d, nn.ReLU, nn.Flatten)


def crown_ibp_margins(net, low, high, y):
    """Backward lower bounds on logit y - logit j over relaxations drawn by intervals."""
    bounds, lo, hi = [], low, high
    for layer in net[:-1]:
        bounds.append((lo, hi))
        lo, hi = interval_step(layer, lo, hi)
    matrix, bias = difference_matrix(net[-1], y)
    return backward(list(net[:-1]), bounds, low, high, matrix, bias)


def loss(net, x, y, low, high, part, settings):
    """The loss of a batch inside the box [low, high]; `part` says how far the ramp of eps is."""
    method = settings.method
    if method == "plain":
        return F.cross_entropy(net(x), y)
    attacked = lambda: pgd(net, low, high, y, settings.steps, 2.5 / settings.steps)
    if method == "pgd":
        return F.cross_entropy(net(attacked()), y)
    if method == "ibp":
        margins = interval_margins(net, low, high, y)
    elif method == "crown-ibp":
        intervals = interval_margins(net, low, high, y)
        margins = intervals if part >= 1 else part * intervals + (1 - part) * crown_ibp_margins(net, low, high, y)
    elif method == "sabr":
        radius = settings.small * (high - low) / 2
        centre = torch.minimum(torch.maximum(attacked(), low + radius), high - radius)
        margins = interval_margins(net, centre - radius, centre + radius, y)
    else:
        bound = F.cross_entropy(-interval_margins(net, low, high, y), y)
        return (1 - settings.alpha) * F.cross_entropy(net(attacked()), y) + settings.alpha * bound
    kappa = 1 - (1 - settings.kappa) * part
    return (1 - kappa) * F.cross_entropy(-margins, y) + kappa * F.cross_entropy(net(x), y)


def train(net, x, y, settings, log=print):
    """Trains in place on all of x and y."""
    torch.manual_seed(settings.seed)
    if settings.method not in ("plain", "pgd"):
        interval_init(net)
    else:
        for layer in net:
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                layer.reset_parameters()
    low_end, high_end = settings.domain
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.lr)
    steps = (len(x) + settings.batch - 1) // settings.batch
    for epoch in range(settings.epochs):
        rate = settings.lr * (1.0 if epoch < 0.7 * settings.epochs else 0.1)
        for group in optimiser.param_groups:
            group["lr"] = rate
        order, total = torch.randperm(len(x)), 0.0
        for step in range(steps):
            pick = order[step * settings.batch : (step + 1) * settings.batch]
            part = ramp(epoch + step / steps, 0.02 * settings.epochs, 0.5 * settings.epochs)
            eps = settings.eps * part
            low, high = (x[pick] - eps).clamp(min=low_end), (x[pick] + eps).clamp(max=high_end)
            value = loss(net, x[pick], y[pick], low, high, part, settings)
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 8.0)
            optimiser.step()
            total += value.item() * len(pick)
        log(f"epoch {epoch + 1}/{settings.epochs} loss {total / len(x):.4f}")


def made(name):
    """The network that FILE.py:FUNCTION makes."""
    file, _, function = name.partition(":")
    spec = importlib.util.spec_from_file_location("own", file)
    if spec is None or not Path(file).is_file():
        raise SystemExit(f"{file}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = getattr(module, function or "make")()
    odd = next((layer for layer in net if not isinstance(layer, LAYERS)), None) if isinstance(net, nn.Sequential) else net
    if odd is not None or not isinstance(net[-1], nn.Linear):
        what = "its last layer" if odd is None else type(odd).__name__
        raise SystemExit(f"{name}: {what}; accepted: an nn.Sequential of Linear, Conv2d, ReLU and Flatten that ends in Linear")
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", required=True, help="FILE.py:FUNCTION")
    parser.add_argument("--data", required=True, help="an .npz with arrays x and y")
    parser.add_argument("--out", required=True, help="where the ONNX file goes")
    parser.add_argument("--method", choices=METHODS, default="mtl-ibp")
    parser.add_argument("--eps", type=lambda text: float(Fraction(text)), required=True, help="in the units of x times scale")
    parser.add_argument("--scale", type=lambda text: float(Fraction(text)), default=1.0, help="1/255 for bytes")
    parser.add_argument("--domain", type=float, nargs=2, default=(0.0, 1.0), help="the valid range")
    parser.add_argument("--no-domain", action="store_true", help="any value is valid")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=7, help="of the attack, for pgd, sabr and mtl-ibp")
    parser.add_argument("--alpha", type=float, default=0.5, help="the weight of interval bounds in mtl-ibp")
    parser.add_argument("--small", type=float, default=0.4, help="the box of sabr, as a share of eps")
    parser.add_argument("--kappa", type=float, default=0.0, help="the weight of plain cross-entropy beside bounds, at the end")
    settings = parser.parse_args()
    if settings.no_domain:
        settings.domain = (-float("inf"), float("inf"))
    with np.load(settings.data) as arrays:
        x = torch.tensor(arrays["x"].astype(np.float32)) * settings.scale
        y = torch.tensor(arrays["y"].astype(np.int64))
    torch.manual_seed(settings.seed)
    net = made(settings.net)
    train(net, x, y, settings, log=lambda line: print(line, flush=True))
    export.write(net, x[:8], Path(settings.out))
    with torch.no_grad():
        right = (net(x).argmax(1) == y).float().mean().item()
    print(f"{settings.out}: {100 * right:.1f} % of the training inputs are classified correctly")


if __name__ == "__main__":
    main()

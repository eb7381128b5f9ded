"""Accuracies: clean, under PGD, and certified by interval (IBP) and backward linear (CROWN) bounds."""

import torch

from fit import pgd
from nets import backward_margins, interval_margins

PGD_STEPS, PGD_RESTARTS = 40, 3


def batches(x, y, size):
    return zip(x.split(size), y.split(size))


def share(hits):
    hits = torch.cat(hits)
    return hits.float().mean().item()


def clean(net, data, x, y):
    with torch.no_grad():
        return share([net(data.point(a)).argmax(1) == b for a, b in batches(x, y, 500)])


def attacked(net, data, x, y, eps):
    """For each example, whether it is still right at the point itself and at the end of every PGD run."""
    torch.manual_seed(1)
    hits = []
    for a, b in batches(x, y, 500):
        low, high = data.box(a, eps)
        right = net(data.point(a)).argmax(1) == b
        for _ in range(PGD_RESTARTS):
            right &= net(pgd(net, low, high, b, PGD_STEPS, 0.1)).argmax(1) == b
        hits.append(right.detach())
    return torch.cat(hits)


def certified(margins, y):
    others = margins.scatter(1, y.unsqueeze(1), float("inf"))
    return others.min(1).values > 0


def by_intervals(net, data, x, y, eps):
    with torch.no_grad():
        return share([certified(interval_margins(net, *data.box(a, eps), b), b) for a, b in batches(x, y, 500)])


def by_crown(net, data, x, y, eps, unbroken):
    """Tries only the examples that PGD did not break: the others cannot be certified."""
    with torch.no_grad():
        tries = batches(x[unbroken], y[unbroken], 1)
        hits = [certified(backward_margins(net, *data.box(a, eps), b), b) for a, b in tries]
    return sum(h.item() for h in hits) / len(x)

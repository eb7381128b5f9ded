"""The architectures, and interval (IBP) and backward linear (CROWN) bounds on them for training and measuring."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def image_mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def image_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(8, 16, 4, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def table_mlp():
    return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))


def control_mlp():
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))


def interval_init(net):
    """The initialisation of Shi et al. (2021), under which interval widths stay level from layer to layer."""
    for layer in net:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            fan_in = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=math.sqrt(2 * math.pi) / fan_in)
            nn.init.zeros_(layer.bias)


def affine(layer, x, weight, bias):
    if isinstance(layer, nn.Conv2d):
        return F.conv2d(x, weight, bias, layer.stride, layer.padding)
    return F.linear(x, weight, bias)


def interval_step(layer, low, high):
    if isinstance(layer, (nn.Linear, nn.Conv2d)):
        centre = affine(layer, (high + low) / 2, layer.weight, layer.bias)
        radius = affine(layer, (high - low) / 2, layer.weight.abs(), None)
        return centre - radius, centre + radius
    return layer(low), layer(high)  # ReLU and Flatten are monotone


def difference_matrix(last, y):
    """Rows (class y) - (class j) of the last layer: [batch, classes, inputs] and [batch, classes]."""
    return last.weight[y].unsqueeze(1) - last.weight, last.bias[y].unsqueeze(1) - last.bias


def interval_margins(net, low, high, y):
    """Interval lower bounds on logit y - logit j; the last layer is merged with the difference. Column y is 0."""
    for layer in net[:-1]:
        low, high = interval_step(layer, low, high)
    matrix, bias = difference_matrix(net[-1], y)
    centre, radius = (high + low) / 2, (high - low) / 2
    return torch.einsum("bci,bi->bc", matrix, centre) - torch.einsum("bci,bi->bc", matrix.abs(), radius) + bias


def backward(layers, relu_bounds, low, high, coeff, const):
    """Lower bound of coeff . (output of layers) + const over the box; coeff is [batch, rows, ...]."""
    for i in reversed(range(len(layers))):
        layer = layers[i]
        if isinstance(layer, nn.Linear):
            const = const + coeff @ layer.bias
            coeff = coeff @ layer.weight
        elif isinstance(layer, nn.Conv2d):
            const = const + torch.einsum("brchw,c->br", coeff, layer.bias)
            batch, rows = coeff.shape[:2]
            flat = F.conv_transpose2d(coeff.flatten(0, 1), layer.weight, None, layer.stride, layer.padding)
            coeff = flat.reshape(batch, rows, *flat.shape[1:])
        elif isinstance(layer, nn.Flatten):
            shape = relu_bounds[i][0].shape[1:]
            coeff = coeff.reshape(*coeff.shape[:2], *shape)
        else:
            l, u = (b.unsqueeze(1) for b in relu_bounds[i])
            crossing = (l < 0) & (u > 0)
            upper = torch.where(crossing, u / (u - l).clamp_min(1e-12), (l >= 0).to(l.dtype))
            offset = torch.where(crossing, -l * upper, torch.zeros_like(l))
            lower = torch.where(crossing, (u > -l).to(l.dtype), upper)
            negative = coeff.clamp_max(0)
            const = const + (negative * offset).flatten(2).sum(2)
            coeff = coeff.clamp_min(0) * lower + negative * upper
    centre, radius = ((high + low) / 2).unsqueeze(1), ((high - low) / 2).unsqueeze(1)
    return const + (coeff * centre - coeff.abs() * radius).flatten(2).sum(2)


def tightened(layers, bounds, low, high, ilo, ihi):
    """The interval bounds of one example, intersected with backward bounds for the neurons they leave undecided."""
    open_ = ((ilo < 0) & (ihi > 0)).flatten().nonzero().flatten()
    if len(open_) == 0:
        return ilo, ihi
    rows = torch.eye(ilo.numel())[open_].reshape(1, len(open_), *ilo.shape[1:])
    none = torch.zeros(1)
    lo, hi = ilo.flatten().clone(), ihi.flatten().clone()
    lo[open_] = torch.maximum(lo[open_], backward(layers, bounds, low, high, rows, none)[0])
    hi[open_] = torch.minimum(hi[open_], -backward(layers, bounds, low, high, -rows, none)[0])
    return lo.reshape(ilo.shape), hi.reshape(ihi.shape)


def backward_margins(net, low, high, y):
    """CROWN lower bounds on logit y - logit j for a single example, with backward bounds on the hidden layers too."""
    layers, bounds = list(net), [None] * len(net)  # bounds[i]: on the input of layer i
    lo, hi = low, high
    for i, layer in enumerate(layers[:-1]):
        bounds[i] = (lo, hi)
        lo, hi = interval_step(layer, lo, hi)
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and any(isinstance(l, nn.ReLU) for l in layers[:i]):
            lo, hi = tightened(layers[: i + 1], bounds, low, high, lo, hi)
    matrix, bias = difference_matrix(net[-1], y)
    return backward(layers[:-1], bounds, low, high, matrix, bias)

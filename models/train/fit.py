"""The three ways of training: plain, adversarial (PGD) and certified (IBP)."""

import time

import torch
import torch.nn.functional as F

from nets import interval_init, interval_margins


def shifted(x, most):
    """Each image moved by up to `most` pixels in each direction, zeros coming in."""
    if most == 0:
        return x
    count, _, height, width = x.shape
    padded = F.pad(x, (most,) * 4)
    dy, dx = torch.randint(0, 2 * most + 1, (2, count))
    rows = dy[:, None, None] + torch.arange(height)[None, :, None]
    cols = dx[:, None, None] + torch.arange(width)[None, None, :]
    return padded[torch.arange(count)[:, None, None], 0, rows, cols].unsqueeze(1)


def pgd(net, low, high, y, steps, step):
    """Projected sign-gradient ascent on the cross-entropy from a random start; step is a share of the radius."""
    radius = (high - low) / 2
    x = low + torch.rand_like(low) * 2 * radius
    for _ in range(steps):
        x.requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(net(x), y, reduction="sum"), x)
        x = (x.detach() + step * radius * grad.sign()).clamp(low, high)
    return x


def ramp(epoch, start, end):
    """0 before `start`, 1 after `end`, linear between."""
    return min(1.0, max(0.0, (epoch - start) / max(end - start, 1e-9)))


def train(net, data, recipe, log=print):
    """Trains in place. Recipe keys: method, eps, epochs, batch, lr, shift, and for `cert` warmup, ramp_end, kappa."""
    torch.manual_seed(recipe["seed"])
    method, epochs, batch = recipe["method"], recipe["epochs"], recipe["batch"]
    if method == "cert":
        interval_init(net)
    x, y = data.train
    steps = (len(x) + batch - 1) // batch
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe["lr"], weight_decay=recipe.get("weight_decay", 0.0))
    began = time.time()
    for epoch in range(epochs):
        share = epoch / epochs
        rate = recipe["lr"] * (1.0 if share < 0.7 else 0.3 if share < 0.85 else 0.1)
        for group in optimiser.param_groups:
            group["lr"] = rate
        order, total = torch.randperm(len(x)), 0.0
        for step in range(steps):
            pick = order[step * batch : (step + 1) * batch]
            bx, by = shifted(x[pick], recipe["shift"]), y[pick]
            now = epoch + step / steps
            if method == "plain":
                loss = F.cross_entropy(net(data.point(bx)), by)
            elif method == "adv":
                eps = recipe["eps"] * ramp(now, 0, 0.2 * epochs)
                low, high = data.box(bx, eps)
                loss = F.cross_entropy(net(pgd(net, low, high, by, recipe["pgd_steps"], 2.5 / recipe["pgd_steps"])), by)
            else:
                part = ramp(now, recipe["warmup"], recipe["ramp_end"])
                eps, kappa = recipe["eps"] * part, 1 - (1 - recipe["kappa"]) * part
                margins = interval_margins(net, *data.box(bx, eps), by)
                loss = (1 - kappa) * F.cross_entropy(-margins, by)
                if kappa > 0:
                    loss = loss + kappa * F.cross_entropy(net(data.point(bx)), by)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 8.0)
            optimiser.step()
            total += loss.item() * len(by)
        log(f"  epoch {epoch + 1}/{epochs} loss {total / len(x):.4f} ({time.time() - began:.0f} s)")

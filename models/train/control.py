"""A small pendulum controller: its network, its two VNN-LIB properties, and a check that they are what they claim."""

import numpy as np
import torch

import export
import nets

TORQUE_LIMIT = 2.0

HOLDS = """\
; Unsatisfiable (the property holds).
;
; X_0: angle from upright in radians, X_1: angular velocity in radians per second,
; Y_0: torque the controller asks for, limited to about +-2 by its training.
;
; The property: when the pendulum leans right by 0.2 to 0.8 and is not already
; coming back faster than 0.1, the controller pushes left with a torque of at
; least 0.5, that is Y_0 < -0.5. As VNN-LIB has it, what is asserted here is
; the counterexample that must not exist: Y_0 >= -0.5.

(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)

(assert (>= X_0 0.2))
(assert (<= X_0 0.8))
(assert (>= X_1 -0.1))
(assert (<= X_1 2.0))

(assert (>= Y_0 -0.5))
"""

VIOLATED = """\
; Satisfiable (the property is violated).
;
; X_0: angle from upright in radians, X_1: angular velocity in radians per second,
; Y_0: torque the controller asks for, limited to about +-2 by its training.
;
; The property: near upright (angle and velocity within +-0.5) the torque never
; exceeds 1.5 in either direction. It is false: at the corners where the
; pendulum both leans and falls the same way the controller goes to about 2.
; What is asserted here is the counterexample: Y_0 >= 1.5 or Y_0 <= -1.5.

(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)

(assert (>= X_0 -0.5))
(assert (<= X_0 0.5))
(assert (>= X_1 -0.5))
(assert (<= X_1 0.5))

(assert (or
    (and (>= Y_0 1.5))
    (and (<= Y_0 -1.5))
))
"""

CARD = """\
# control/mlp_plain.onnx

- **Architecture:** Linear 2→16 – ReLU – Linear 16→16 – ReLU – Linear 16→1; {parameters} parameters, float32
- **Input:** `[N, 2]`: angle from upright in radians, angular velocity in radians per second
- **Output:** `[N, 1]`: torque
- **Data:** none but a formula: the network imitates the saturated controller
  u = clip(−(6 sin θ + 2 ω), −2, 2) on uniformly drawn θ in ±1, ω in ±2.5
- **Licence:** as the project, MIT or Apache-2.0
- **Training:** plain (mean squared error)
- **Recipe:** Adam, learning rate 0.01 falling linearly to 0, 3,000 steps of 512 fresh points, seed 7;
  `models/train/train.py --only control/mlp_plain`
- **Accuracy:** root mean squared error {rmse:.3f} on a 401 × 401 grid of θ in ±1, ω in ±2.5
  (largest error {worst:.3f})
- **SHA-256:** `{sha256}`

Properties (VNN-LIB 1.0):

- `leaning_right_pushes_left.vnnlib` holds (unsat). A float64 branch-and-bound with intervals while the card was
  written bounded the torque in its box by {bound:.3f} (−0.5 is asked for; {boxes} boxes); the largest torque on
  a 401 × 401 grid is {sampled:.3f}.
- `torque_stays_small.vnnlib` is violated (sat). The torque on a 401 × 401 grid of its box spans
  {least:.3f} to {most:.3f} (±1.5 is asked for); {share:.0f} % of the grid are counterexamples.
"""


def target(x):
    return (-(6 * torch.sin(x[:, :1]) + 2 * x[:, 1:])).clamp(-TORQUE_LIMIT, TORQUE_LIMIT)


def train(net):
    torch.manual_seed(7)
    for layer in net:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    steps, scale = 3000, torch.tensor([1.0, 2.5])
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / steps)
        x = (2 * torch.rand(512, 2) - 1) * scale
        loss = ((net(x) - target(x)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def grid(low, high):
    axes = [np.linspace(l, h, 401) for l, h in zip(low, high)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)


def forward(weights, x):
    for i, (w, b) in enumerate(weights):
        x = x @ w.T + b
        if i + 1 < len(weights):
            x = np.maximum(x, 0)
    return x[:, 0]


def interval_upper(weights, low, high):
    """Upper bounds of the output over many boxes at once."""
    for i, (w, b) in enumerate(weights):
        centre, radius = (low + high) / 2 @ w.T + b, (high - low) / 2 @ np.abs(w).T
        low, high = centre - radius, centre + radius
        if i + 1 < len(weights):
            low, high = np.maximum(low, 0), np.maximum(high, 0)
    return high[:, 0]


def largest_output(weights, low, high, good_enough):
    """A bound on the output over the box, by splitting every sub-box whose bound is above good_enough."""
    lows, highs, bound, boxes = np.array([low]), np.array([high]), -np.inf, 0
    for _ in range(60):
        upper = interval_upper(weights, lows, highs)
        boxes += len(upper)
        done = upper <= good_enough
        bound = max(bound, upper[done].max(initial=-np.inf))
        lows, highs = lows[~done], highs[~done]
        if len(lows) == 0:
            return bound, boxes
        side = np.argmax((highs - lows) / (np.array(high) - np.array(low)), axis=1)
        rows, middle = np.arange(len(lows)), (lows + highs) / 2
        left_high, right_low = highs.copy(), lows.copy()
        left_high[rows, side] = middle[rows, side]
        right_low[rows, side] = middle[rows, side]
        lows, highs = np.concatenate([lows, right_low]), np.concatenate([left_high, highs])
    raise ValueError("the property that should hold could not be shown")


def make(folder, measure_only):
    folder.mkdir(parents=True, exist_ok=True)
    path, net = folder / "mlp_plain.onnx", nets.control_mlp()
    everywhere = grid([-1.0, -2.5], [1.0, 2.5])
    sample = torch.tensor(everywhere, dtype=torch.float32)
    if not measure_only:
        train(net)
        export.write(net, sample, path)
    export.read_weights(net, path)
    (folder / "leaning_right_pushes_left.vnnlib").write_text(HOLDS)
    (folder / "torque_stays_small.vnnlib").write_text(VIOLATED)

    layers = [l for l in net if hasattr(l, "weight")]
    weights = [(l.weight.detach().double().numpy(), l.bias.detach().double().numpy()) for l in layers]
    error = forward(weights, everywhere) - target(sample)[:, 0].numpy()
    sampled = forward(weights, grid([0.2, -0.1], [0.8, 2.0])).max()
    bound, boxes = largest_output(weights, [0.2, -0.1], [0.8, 2.0], (sampled - 0.5) / 2)
    near = forward(weights, grid([-0.5, -0.5], [0.5, 0.5]))
    if not (bound < -0.55 and near.max() > 1.6 and near.min() < -1.6):
        raise ValueError(f"the properties are not what they claim: {bound}, {near.min()}, {near.max()}")
    (folder / "mlp_plain.card.md").write_text(
        CARD.format(
            parameters=sum(p.numel() for p in net.parameters()), rmse=np.sqrt((error**2).mean()),
            worst=np.abs(error).max(), sha256=export.sha256(path), bound=bound, boxes=f"{boxes:,}",
            sampled=sampled, least=near.min(), most=near.max(), share=100 * (np.abs(near) >= 1.5).mean(),
        )
    )  # fmt: skip
    print(f"control/mlp_plain: holds with bound {bound:.3f} (grid {sampled:.3f}), {boxes} boxes")

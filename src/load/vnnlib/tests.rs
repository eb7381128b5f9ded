//! Tests of the VNN-LIB reader and writer: meaning, order, refusals, hostile bytes.

use super::*;
use crate::num::{Rational, from_f64};
use crate::spec::{HalfSpace, Region};
use num_traits::Zero;
use proptest::prelude::*;

const DECLARED: &str = "(declare-const X_0 Real)(declare-const X_1 Real)\n\
                        (declare-const Y_0 Real)(declare-const Y_1 Real)\n";
const BOX: &str = "(assert (and (>= X_0 -1) (<= X_0 1) (>= X_1 -1) (<= X_1 1)))\n";

/// Reads a text about two inputs and two outputs, after their declarations.
fn read(body: &str) -> Result<Property, PropertyError> {
    parse_statement("test.vnnlib", format!("{DECLARED}{body}").as_bytes(), 2, 2)
        .map(|read| read.property)
}

fn problem(body: &str) -> Problem {
    read(body).unwrap_err().problem().unwrap().clone()
}

/// Coefficients and bound of a half-space.
type Outline = (Vec<(usize, f64)>, f64);

/// The half-spaces by claim and polytope.
fn outline(property: &Property) -> Vec<Vec<Vec<Outline>>> {
    let half_space = |h: &HalfSpace| (h.coefficients.clone(), h.bound_up);
    let polytope = |p: &Vec<HalfSpace>| p.iter().map(half_space).collect();
    property.claims.iter().map(|c| c.unsafe_set.iter().map(polytope).collect()).collect()
}

#[test]
fn half_spaces_are_oriented_towards_the_unsafe_side() {
    let all = read(&format!(
        "{BOX}(assert (<= Y_0 Y_1)) (assert (>= Y_0 2)) (assert (< Y_1 (+ 3 (* 2 Y_0)))) (assert (> 1 Y_1))"
    ))
    .unwrap();
    let expected = vec![
        (vec![(0, 1.0), (1, -1.0)], 0.0),
        (vec![(0, -1.0)], -2.0),
        (vec![(0, -2.0), (1, 1.0)], 3.0),
        (vec![(1, 1.0)], 1.0),
    ];
    assert_eq!(outline(&all), vec![vec![expected]]);
    let strict: Vec<bool> = all.claims[0].unsafe_set[0].iter().map(|h| h.strict).collect();
    assert_eq!(strict, [false, false, true, true]);
    assert!(!all.uses_inputs);
}

#[test]
fn bounds_of_outputs_are_kept_on_both_sides() {
    let tenth = read(&format!("{BOX}(assert (>= Y_0 0.1))")).unwrap();
    let half_space = &tenth.claims[0].unsafe_set[0][0];
    assert_eq!(half_space.bound_down.next_up(), half_space.bound_up);
    assert!(from_f64(-half_space.bound_up).unwrap() < crate::num::parse_rational("0.1").unwrap());
}

#[test]
fn the_earliest_or_varies_slowest() {
    let product = read(&format!(
        "(assert (or (<= Y_0 1) (<= Y_0 2))){BOX}(assert (>= Y_1 9))\n\
         (assert (or (and (<= Y_1 3) (<= Y_1 4)) (or (<= Y_1 5) (<= Y_1 6))))"
    ))
    .unwrap();
    let bounds: Vec<Vec<f64>> = product.claims[0]
        .unsafe_set
        .iter()
        .map(|p| p.iter().map(|h| h.bound_up).collect())
        .collect();
    let expected = [
        vec![1.0, -9.0, 3.0, 4.0],
        vec![1.0, -9.0, 5.0],
        vec![1.0, -9.0, 6.0],
        vec![2.0, -9.0, 3.0, 4.0],
        vec![2.0, -9.0, 5.0],
        vec![2.0, -9.0, 6.0],
    ];
    assert_eq!((product.claims.len(), bounds), (1, expected.to_vec()));
}

#[test]
fn consecutive_cases_over_one_box_are_one_claim() {
    let property = read(
        "(assert (and (>= X_1 0) (<= X_1 0.1)))(assert (or
            (and (>= X_0 0) (<= X_0 1) (>= Y_0 1))
            (and (<= X_0 1.0) (>= X_0 -5) (>= X_0 0.0) (<= Y_0 0))
            (and (>= X_0 0) (<= X_0 2) (>= Y_0 1))
            (and (>= X_0 0) (<= X_0 1) (>= Y_0 3))))",
    )
    .unwrap();
    let cases: Vec<usize> = property.claims.iter().map(|c| c.unsafe_set.len()).collect();
    assert_eq!(cases, [2, 1, 1]);
    assert_eq!(property.claims[0].region, property.claims[2].region);
    assert_eq!(property.claims[1].region.upper(), [2.0, 0.1]);
}

#[test]
fn bounds_are_exact_and_strict_ones_exclude_their_end() {
    let region = |body: &str| read(body).unwrap().claims[0].region.clone();
    let rest = "(assert (>= X_1 0.1)) (assert (<= X_1 0.1))";
    let closed = region(&format!("(assert (>= 0.75 X_0)) (assert (<= (- 0.5) (* 2 X_0))){rest}"));
    assert_eq!((closed.lower()[0], closed.upper()[0]), (-0.25, 0.75));
    assert_eq!(closed.lower()[1].next_up(), closed.upper()[1]);
    assert_eq!(closed.project(&[0.75, 0.1]), Some(vec![Some(0.75), None]));
    let open = region(&format!("(assert (< X_0 0.75)) (assert (> (+ X_0 X_0) -0.5)){rest}"));
    assert_eq!((open.lower()[0], open.upper()[0]), (-0.25, 0.75));
    let reached = open.project(&[0.75, 0.1]).unwrap()[0].unwrap();
    assert!(reached < 0.75 && reached > 0.7499);
}

#[test]
fn equality_is_two_comparisons() {
    let property = read(&format!("{BOX}(assert (= X_0 0.5)) (assert (== Y_0 (+ Y_1 1)))")).unwrap();
    assert_eq!(property.claims[0].region.lower()[0], 0.5);
    assert_eq!(property.claims[0].region.upper()[0], 0.5);
    let sides = vec![(vec![(0, 1.0), (1, -1.0)], 1.0), (vec![(0, -1.0), (1, 1.0)], -1.0)];
    assert_eq!(outline(&property), vec![vec![sides]]);
}

#[test]
fn inputs_in_half_spaces_come_after_the_outputs() {
    let mixed = read(&format!("{BOX}(assert (<= (+ Y_0 X_1) 3))")).unwrap();
    assert!(mixed.uses_inputs);
    assert_eq!(outline(&mixed), vec![vec![vec![(vec![(0, 1.0), (3, 1.0)], 3.0)]]]);
    let inputs = read(&format!("{BOX}(assert (<= X_0 X_1))")).unwrap();
    assert_eq!(outline(&inputs), vec![vec![vec![(vec![(2, 1.0), (3, -1.0)], 0.0)]]]);
    // What cancels is not spoken of.
    let cancelled = read(&format!("{BOX}(assert (<= (+ Y_0 (- X_1 X_1)) 3))")).unwrap();
    assert!(!cancelled.uses_inputs);
}

#[test]
fn empty_cases_are_left_out() {
    let property = read(&format!(
        "{BOX}(assert (or (and (>= X_0 2) (<= Y_0 1)) (<= Y_0 2) (and (< X_0 -1) (<= Y_0 3)) (< Y_1 Y_1) (<= 1 0)))"
    ))
    .unwrap();
    assert_eq!(outline(&property), vec![vec![vec![(vec![(0, 1.0)], 2.0)]]]);
    let swapped =
        "(assert (<= X_0 -1)) (assert (>= X_0 1)) (assert (<= X_1 1)) (assert (>= X_1 1))";
    assert_eq!(
        problem(swapped),
        Problem::Vacuous("the bounds of X_0 exclude each other".to_owned())
    );
}

#[test]
fn refusals_name_line_and_column() {
    let text = format!("{DECLARED}{BOX}; comment\r\n(assert\t(<= Y_0 (* Y_1 Y_0)))");
    let error = parse_statement("p.vnnlib", text.as_bytes(), 2, 2).unwrap_err();
    assert!(error.to_string().starts_with("p.vnnlib:5:17: a product of two variables"), "{error}");
    let error = parse_statement("p.vnnlib", b"(assert (<= X_0 \xff 1))", 2, 2).unwrap_err();
    assert!(error.to_string().starts_with("p.vnnlib:1:17: the file is not UTF-8"), "{error}");
    let bounds = "(assert (or (and (<= X_0 1) (>= X_0 1) (<= X_1 1)) (<= Y_0 1)))";
    let error = read(bounds).unwrap_err();
    assert!(error.to_string().starts_with("test.vnnlib:3:13: X_1 has no lower bound"), "{error}");
    let error = parse_statement("p", DECLARED.as_bytes(), 2, 2).unwrap_err();
    assert!(error.to_string().starts_with("p:1:16: X_0 has no lower bound"), "{error}");
}

#[test]
fn each_refusal_is_of_its_kind() {
    let name = |n: &str| n.to_owned();
    let arity = |operator: &str, takes| Problem::Arity { operator: name(operator), takes };
    let range = |n: &str, kind| Problem::OutOfRange { name: name(n), kind, available: 2 };
    for (body, expected) in [
        ("(check-sat)", Problem::UnknownCommand(name("check-sat"))),
        ("(vnnlib-version <2.0>)", Problem::Version2),
        ("(assert (not (<= Y_0 1)))", Problem::UnknownRelation(name("not"))),
        ("(assert (<= (/ Y_0 2) 1))", Problem::UnknownArithmetic(name("/"))),
        ("(assert (<= Y_0))", arity("<=", "two terms")),
        ("(assert (<= Y_0 1 2))", arity("<=", "two terms")),
        ("(assert (<= (+) 2))", arity("+", "at least one term")),
        ("(assert (and))", arity("and", "at least one formula")),
        ("(assert (or))", arity("or", "at least one formula")),
        ("(assert (<= (* (+ X_0 1) Y_0) 2))", Problem::Nonlinear),
        ("(declare-const Z_0 Real)", Problem::Name(name("Z_0"))),
        ("(declare-const X_01 Real)", Problem::Name(name("X_01"))),
        ("(declare-const X_1 Real)", Problem::Redeclared(name("X_1"))),
        ("(declare-const X_2 Real)", range("X_2", "inputs")),
        ("(assert (<= Y_3 1))", range("Y_3", "outputs")),
        ("(assert (<= Y_99999999999999999999 1))", range("Y_99999999999999999999", "outputs")),
        ("(assert (<= Y_0 1.2.3))", Problem::Number(name("1.2.3"))),
        ("(assert (<= Y_0 1/2))", Problem::Number(name("1/2"))),
        ("(assert (<= Y_0 1e99999))", Problem::HugeNumber(name("1e99999"))),
        ("(assert (<= Y_0 foo))", Problem::Name(name("foo"))),
        ("(assert (<= Y_0 1)", Problem::Unclosed),
        ("(assert (and (<= Y_0 1)", Problem::Unclosed),
        ("(assert (<= (+ 1", Problem::Unclosed),
        ("(assert (<= X_0 1e400)) (assert (>= X_0 0))", Problem::Infinite(name("X_0"))),
    ] {
        assert_eq!(problem(body), expected, "{body}");
    }
    for body in ["(assert (<= Y_0 1)))", "assert", "(assert Y_0)", "((assert", "(assert (and Y_0))"]
    {
        assert!(matches!(problem(body), Problem::Expected { .. }), "{body}");
    }
    let one = |text: &str| parse_statement("p", text.as_bytes(), 1, 1).unwrap_err();
    let undeclared = one("(assert (<= Y_0 1))");
    assert_eq!(undeclared.problem(), Some(&Problem::Undeclared(name("Y_0"))));
    let integer = one("(declare-const X_0 Int)");
    assert_eq!(integer.problem(), Some(&Problem::Type(name("Int"))));
    let missing = load_statement(Path::new("no such file.vnnlib"), 1, 1).unwrap_err();
    assert!(matches!(missing, PropertyError::File(crate::load::FileError::Missing(_))));
}

#[test]
fn a_property_declares_exactly_the_networks_variables() {
    let of = |inputs, outputs| {
        let text = format!("{DECLARED}{BOX}(assert (<= Y_0 Y_1))");
        parse_statement("test.vnnlib", text.as_bytes(), inputs, outputs)
    };
    let missing = |inputs, outputs| match of(inputs, outputs).unwrap_err().problem() {
        Some(Problem::Missing { name, kind, available }) => (name.clone(), *kind, *available),
        other => panic!("{other:?}"),
    };
    assert!(of(2, 2).is_ok());
    assert_eq!(missing(2, 3), ("Y_2".to_owned(), "outputs", 3));
    assert_eq!(missing(5, 2), ("X_2".to_owned(), "inputs", 5));
    for (inputs, outputs) in [(1, 2), (2, 1)] {
        let refused = of(inputs, outputs).unwrap_err();
        assert!(matches!(refused.problem(), Some(Problem::OutOfRange { .. })), "{refused}");
    }
}

#[test]
fn what_a_file_multiplies_counts_towards_memory() {
    let small = |body: &str| {
        let text = format!("{DECLARED}{BOX}{body}");
        parse("test.vnnlib", text.as_bytes(), 2, 2, &Budget::with_limit(1 << 20))
    };
    let refused = |body: &str| {
        let error = small(body).unwrap_err();
        assert!(matches!(error.problem(), Some(Problem::Memory(_))), "{error}");
        assert!(error.to_string().contains("more than 1 MiB of memory"), "{error}");
    };
    // A case has its own copy of every half-space and of the box.
    let both = |n| "(assert (or (<= Y_0 1) (<= Y_1 2)))".repeat(n);
    let sum = format!("(assert (<= (+ Y_1 {}) 7))", "Y_0 ".repeat(100));
    assert_eq!(small(&format!("{sum}{}", both(6))).unwrap().property.cases(), 64);
    refused(&format!("{sum}{}", both(14)));
    let boxes = |n| "(assert (or (<= X_0 0) (>= X_0 0)))".repeat(n);
    assert!(small(&boxes(4)).is_ok());
    refused(&boxes(14));
    // Numbers of thousands of digits.
    let factor = format!("1{}", "0".repeat(4000));
    let few = small(&format!("(assert (<= (* {factor} (+ Y_1 Y_0)) 7))")).unwrap_err();
    assert!(!matches!(few.problem(), Some(Problem::Memory(_))), "no double, but little memory");
    refused(&format!("(assert (<= (* {factor} (+ Y_1 {})) 7))", "Y_0 ".repeat(1000)));
    refused(&"(assert (<= Y_0 1e4999))".repeat(600));
    // And the formula itself.
    refused(&"(assert (<= Y_0 1))".repeat(5000));
}

#[test]
fn a_file_cannot_choose_how_much_stack_time_or_memory_it_takes() {
    let many = 1_000_000;
    for opening in ["(", "(assert ", "(assert (and ", "(assert (or (and ", "(assert (<= (+ "] {
        assert!(read(&opening.repeat(many)).is_err());
    }
    let nested = format!("(assert {}", "(and ".repeat(many));
    assert_eq!(problem(&nested), Problem::TooDeep(256));
    let nested = format!("(assert (<= {}", "(- ".repeat(many));
    assert_eq!(problem(&nested), Problem::TooDeep(256));
    let doubled = format!("{BOX}{}", "(assert (or (<= Y_0 1) (<= Y_1 1)))".repeat(70));
    assert!(matches!(problem(&doubled), Problem::Blowup { what: "cases", .. }));
    let wide = "(<= Y_0 1)".repeat(1_000);
    let wide = format!("{BOX}{}", format!("(assert (or {wide}))").repeat(2));
    assert_eq!(read(&wide).unwrap().cases(), 1_000_000);
    let power = format!("(assert (<= (* {}) Y_0))", "9e4000 ".repeat(100));
    assert!(matches!(problem(&power), Problem::HugeConstant(_)));
}

/// A formula to be printed, and evaluated without the reader.
#[derive(Debug, Clone)]
enum Tree {
    /// Σ aᵢ vᵢ op c with v = (X_0, X_1, Y_0, Y_1).
    Atom([i8; 4], usize, i8),
    Node(bool, Vec<Tree>),
}

const RELATIONS: [&str; 5] = ["<=", ">=", "<", ">", "="];

impl Tree {
    fn text(&self) -> String {
        match self {
            Tree::Atom(a, relation, c) => {
                let names = ["X_0", "X_1", "Y_0", "Y_1"];
                let used: Vec<usize> = (0..4).filter(|&i| a[i] != 0).collect();
                let sum = match used.as_slice() {
                    [i] if a[*i] == 1 => names[*i].to_owned(),
                    _ => {
                        let terms: Vec<_> =
                            used.iter().map(|&i| format!("(* {} {})", names[i], a[i])).collect();
                        format!("(- (+ 0.5 {}) 0.5)", terms.join(" "))
                    }
                };
                format!("({} {sum} {:?})", RELATIONS[*relation], f64::from(*c) / 2.0)
            }
            Tree::Node(conjunction, parts) => {
                let parts: Vec<_> = parts.iter().map(Tree::text).collect();
                format!("({} {})", if *conjunction { "and" } else { "or" }, parts.join(""))
            }
        }
    }

    fn holds(&self, point: &[f64; 4]) -> bool {
        match self {
            Tree::Atom(a, relation, c) => {
                let sum: f64 = a.iter().zip(point).map(|(&a, v)| f64::from(a) * v).sum();
                let c = f64::from(*c) / 2.0;
                [sum <= c, sum >= c, sum < c, sum > c, sum == c][*relation]
            }
            Tree::Node(true, parts) => parts.iter().all(|p| p.holds(point)),
            Tree::Node(false, parts) => parts.iter().any(|p| p.holds(point)),
        }
    }
}

/// Whether the point, with its outputs, is in a case of the property. Every number is a small multiple of a half, so
/// that sums are exact.
fn in_a_case(property: &Property, [x0, x1, y0, y1]: [f64; 4]) -> bool {
    let outputs = [y0, y1, x0, x1];
    property.claims.iter().any(|claim| {
        claim.region.contains(&[x0, x1])
            && claim.unsafe_set.iter().any(|polytope| {
                polytope.iter().all(|h| {
                    let value = h.coefficients.iter().map(|&(i, a)| a * outputs[i]).sum();
                    assert_ne!(h.attained_by(value), h.excluded_by(value));
                    h.attained_by(value)
                })
            })
    })
}

fn trees() -> impl Strategy<Value = Tree> {
    let sparse = prop_oneof![3 => Just(0i8), 1 => Just(1i8), 1 => -2i8..3];
    let coefficients = [sparse.clone(), sparse.clone(), sparse.clone(), sparse];
    let atom =
        (coefficients, 0..RELATIONS.len(), -3i8..4).prop_map(|(a, r, c)| Tree::Atom(a, r, c));
    atom.prop_recursive(4, 24, 4, |inner| {
        (any::<bool>(), prop::collection::vec(inner, 1..4)).prop_map(|(and, p)| Tree::Node(and, p))
    })
}

proptest! {
    #[test]
    fn cases_mean_what_the_formula_means(
        assertions in prop::collection::vec(trees(), 1..4),
        points in prop::collection::vec([-3i8..4, -3i8..4, -3i8..4, -3i8..4], 40),
    ) {
        let all = assertions.iter().map(|t| format!("(assert {})\n", t.text())).collect::<String>();
        let property = match read(&format!("{all}{BOX}")) {
            Ok(property) => Some(property),
            Err(e) => {
                prop_assert!(matches!(e.problem(), Some(Problem::Vacuous(_))), "{e}\n{all}");
                None
            }
        };
        for point in points.iter().map(|p| p.map(|v| f64::from(v) / 2.0)) {
            let inside = point[..2].iter().all(|x| x.abs() <= 1.0);
            let expected = inside && assertions.iter().all(|t| t.holds(&point));
            let found = property.as_ref().is_some_and(|p| in_a_case(p, point));
            prop_assert_eq!(found, expected, "{:?}\n{}", point, all);
        }
    }

    #[test]
    fn mutated_bytes_are_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..8),
    ) {
        let mut bytes = format!(
            "{DECLARED}{BOX}; note\n(assert (or (and (>= (+ Y_0 (* 2e1 X_0)) -0.5)(<= X_0 .5)) (< Y_1 Y_0)))"
        ).into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"() ;XY_0-e"[usize::from(byte) % 10]),
                _ => { bytes.remove(at); }
            }
        }
        let _ = parse_statement("mutated", &bytes, 2, 2);
    }

    #[test]
    fn written_regions_read_back(ends in prop::collection::vec((any::<i32>(), 1u32.., 0u32..99, -60i32..60), 1..4)) {
        let bounds: Vec<(Rational, Rational)> = ends
            .iter()
            .map(|&(n, d, width, e)| {
                let scale = from_f64(2f64.powi(e)).unwrap();
                let low = Rational::new(n.into(), d.into()) * scale;
                (low.clone(), low + Rational::new(width.into(), 1_000_000.into()))
            })
            .collect();
        let text = write_vnnlib(&bounds, 1, 3, "");
        let read = parse_statement("written", text.as_bytes(), bounds.len(), 3).unwrap().property;
        let region = Region::from_bounds(&bounds).unwrap();
        let asked = &read.claims[0];
        prop_assert_eq!(&asked.unsafe_set, &Property::margins(1, 3));
        prop_assert_eq!((asked.region.lower(), asked.region.upper()), (region.lower(), region.upper()));
        let inside = region.project(&region.midpoint());
        prop_assert_eq!(asked.region.project(&region.midpoint()), inside);
    }
}

#[test]
fn decimals_are_written_exactly() {
    let q = |t| crate::num::parse_rational(t).unwrap();
    let text = write_vnnlib(&[(q("-0.05"), q("8/255")), (Rational::zero(), q("12"))], 0, 2, "note");
    for part in ["; note\n", "X_0 -0.05)", "X_1 0.0)", "X_1 12.0)", "(<= X_0 0.03137254901960784"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

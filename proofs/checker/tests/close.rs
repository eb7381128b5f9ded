//! Claims that are false by little, or true by so little that f64 cannot tell.
mod common;

use certus_check::{Mode, Reason, Statement, check};
use common::onnx::Model;

const MODES: [Mode; 2] = [Mode::Exact, Mode::Outward];

/// The reason for which a proof of these lines is rejected; `None` where it is accepted.
fn rejected(statement: &Statement, lines: &[&str], mode: Mode) -> Option<Reason> {
    let count = lines.len() + 2;
    let proof = format!("certus-proof 1\ncases 0\n{}\nend {count}\n", lines.join("\n"));
    check(statement, proof.as_bytes(), mode).err().map(|rejected| rejected.reason)
}

/// y = x on [−1, 1]; the unsafe outputs are [from, to].
fn band(from: f64, to: f64) -> Statement {
    let model = Model::new(&[1, 1]).f64s("w", &[1, 1], &[1.0]).node("MatMul x w -> y").bytes();
    let property = format!(
        "(declare-const X_0 Real)(declare-const Y_0 Real)\
         (assert (and (>= X_0 -1) (<= X_0 1) (>= Y_0 {from}) (<= Y_0 {to})))"
    );
    Statement::from_bytes(&model, property.as_bytes()).unwrap()
}

/// A thin band just above a split belongs to its second child, just below to its first.
#[test]
fn children_begin_at_the_split() {
    let too_weak = Some(Reason::BoundTooWeak { case: 0 });
    for (statement, at) in
        [(band(0.015625, 0.0625), "0x1p-7"), (band(-0.0625, -0.015625), "-0x1p-7")]
    {
        for mode in MODES {
            let split = format!("split x0 at {at}");
            let lines = [split.as_str(), "refute 0", "leaf", "refute 0", "leaf"];
            assert_eq!(rejected(&statement, &lines, mode), too_weak);
        }
    }
}

/// A thin band just inside of what a clip cuts off.
#[test]
fn slabs_begin_at_the_clip() {
    let too_weak = Some(Reason::BoundTooWeak { case: 0 });
    for (statement, clip) in
        [(band(0.015625, 0.0625), "clip >x0:0x0p0"), (band(-0.0625, -0.015625), "clip <x0:0x0p0")]
    {
        for mode in MODES {
            assert_eq!(rejected(&statement, &[clip, "refute 0", "leaf"], mode), too_weak);
        }
    }
    // What holds nothing may go.
    for mode in MODES {
        let lines = ["clip >x0:0x1p-3", "clip <x0:0x1p-7", "clip <x0:0x1p-6 >x0:0x1p-4", "leaf"];
        let last = rejected(&band(0.015625, 0.0625), &lines, mode);
        assert!(matches!(last, Some(Reason::BoundTooWeak { .. })), "{last:?}");
        assert_eq!(
            rejected(
                &band(0.25, 0.5),
                &["clip >x0:0x5p-3", "clip <x0:0x1p-3", "split x0 at 0x1p-2", "leaf", "leaf"],
                mode
            ),
            Some(Reason::CaseLeftOpen { case: 0 })
        );
    }
}

#[test]
fn a_property_of_other_outputs_is_refused() {
    let model = Model::new(&[1, 1]).f64s("w", &[1, 1], &[1.0]).node("MatMul x w -> y").bytes();
    for (inputs, outputs) in [(1, 2), (2, 1)] {
        let mut property = String::new();
        for i in 0..inputs {
            property +=
                &format!("(declare-const X_{i} Real)(assert (>= X_{i} 0))(assert (<= X_{i} 1))");
        }
        (0..outputs).for_each(|j| property += &format!("(declare-const Y_{j} Real)"));
        property += "(assert (<= Y_0 0))";
        let error = Statement::from_bytes(&model, property.as_bytes()).unwrap_err();
        let why =
            format!("the network has 1 inputs and 1 outputs, the property {inputs} and {outputs}");
        assert_eq!(error.to_string(), why);
    }
}

/// z = 0.1·x + 0.2·x − 0.3·x at x = 1. With these doubles that is 2.775…e-17, but f64 says twice as much: 5.55…e-17. y is z or relu(z); unsafe
/// are y ≤ bound.
fn tenths(relu: bool, bound: &str) -> Statement {
    sum_of(1, [0.1, 0.2, 0.3], [1.0, 1.0, -1.0], relu, bound)
}

/// z = Σ wᵢ·(vᵢ·x), for each of so many inputs x = 1: of more than one, the checker's maps are sparse.
fn sum_of(count: usize, v: [f64; 3], w: [f64; 3], relu: bool, bound: &str) -> Statement {
    let model = Model::new(&[count as i64, 1])
        .f64s("v", &[1, 3], &v)
        .f64s("w", &[3, 1], &w)
        .node("MatMul x v -> h");
    let model = match relu {
        true => model.node("MatMul h w -> z").node("Relu z -> y"),
        false => model.node("MatMul h w -> y"),
    };
    let mut property = String::new();
    for i in 0..count {
        property += &format!("(declare-const X_{i} Real)(declare-const Y_{i} Real)");
        property += &format!("(assert (<= X_{i} 1))(assert (>= X_{i} 1))");
    }
    property += &format!("(assert (<= Y_0 {bound}))");
    Statement::from_bytes(&model.bytes(), property.as_bytes()).unwrap()
}

#[test]
fn a_sweep_charges_its_rounding() {
    let too_weak = Some(Reason::BoundTooWeak { case: 0 });
    let lines = ["refute 0", "leaf"];
    // False, though f64 says otherwise.
    let wrong = tenths(false, "0.00000000000000004");
    // The same, where signs of both maps would cancel what is charged.
    let turned = [1, 2].map(|count| {
        let (v, w) = ([0.1, -0.2, 0.3], [1.0, -1.0, -1.0]);
        sum_of(count, v, w, false, "0.00000000000000004")
    });
    for mode in MODES {
        assert_eq!(rejected(&wrong, &lines, mode), too_weak);
        for turned in &turned {
            assert_eq!(rejected(turned, &lines, mode), too_weak);
        }
    }
    // True by 7e-18: f64 cannot know.
    let thin = tenths(false, "0.00000000000000002");
    assert_eq!(rejected(&thin, &lines, Mode::Exact), None);
    assert_eq!(rejected(&thin, &lines, Mode::Outward), too_weak);
    // True by 1e-13.
    let clear = tenths(false, "-0.0000000000001");
    assert_eq!(rejected(&clear, &lines, Mode::Outward), None);
}

/// The first child, z ≤ 4e-17, is empty only for those who round z to 5.55e-17.
#[test]
fn interval_arithmetic_charges_its_rounding() {
    let split = format!("split r0.0 at {}", certus_check::float::format_hex(4e-17));
    let lines = [&split, "leaf", "refute 0 lift >r0.0:0x1p0", "leaf"];
    let wrong = tenths(true, "0.00000000000000003");
    for mode in MODES {
        assert_eq!(rejected(&wrong, &lines, mode), Some(Reason::CaseLeftOpen { case: 0 }));
        // The second child, and a split that leaves the first one nothing, are right.
        let split = format!("split r0.0 at {}", certus_check::float::format_hex(-1e-12));
        let clear = tenths(true, "-0.0000000000001");
        assert_eq!(rejected(&clear, &[&split, "leaf", "refute 0", "leaf"], mode), None);
    }
}

/// Cases that are refuted together keep their own boxes.
#[test]
fn each_case_has_its_own_box() {
    let model = Model::new(&[1, 1]).f64s("w", &[1, 1], &[1.0]).node("MatMul x w -> y").bytes();
    // y = x reaches 1/2 in one of the boxes only.
    for (first, second, wrong) in [("0.25", "1", 1), ("1", "0.25", 0)] {
        let case = |high: &str| format!("(and (>= X_0 0) (<= X_0 {high}) (>= Y_0 0.5))");
        let property = format!(
            "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (or {} {}))",
            case(first),
            case(second)
        );
        let statement = Statement::from_bytes(&model, property.as_bytes()).unwrap();
        for mode in MODES {
            for refute in ["refute all", "refute 0,1", "refute 0..2 using 0"] {
                let proof = format!("certus-proof 1\ncases 0..2\n{refute}\nleaf\nend 4\n");
                let rejected = check(&statement, proof.as_bytes(), mode).unwrap_err();
                assert_eq!(rejected.reason, Reason::BoundTooWeak { case: wrong });
            }
        }
    }
}

/// Thirty ReLUs in a row, each read 200 times with a weight −w, all of which meet again at the ones before: y = −x − Σ 200·w·x, whose
/// coefficient on x is a sum of 6,000 numbers too small for f64 to notice beside −1.
#[test]
fn chains_of_active_relus_are_charged() {
    let (depth, times) = (30, 200);
    let mut model = Model::new(&[1, 1])
        .f64s("w", &[times, 1], &vec![-1.088e-16; times as usize])
        .f64s("one", &[1, 1], &[-1.0]);
    let mut from = "x".to_string();
    for k in 0..depth {
        let copies = vec![format!("r{k}"); times as usize].join(" ");
        model = model
            .node(&format!("Relu {from} -> r{k}"))
            .node_with(
                &format!("Concat {copies} -> c{k}"),
                &[("axis", common::onnx::Attribute::Int(1))],
            )
            .node(&format!("MatMul c{k} w -> s{k}"));
        from = format!("r{k}");
    }
    model = model.node(&format!("MatMul {from} one -> a0"));
    for k in 0..depth {
        let to = if k + 1 == depth { "y".to_string() } else { format!("a{}", k + 1) };
        model = model.node(&format!("Add a{k} s{k} -> {to}"));
    }
    // At x = 1, y is −1 − 6.528e-13.
    for (bound, reason) in [
        ("-1.00000000000065", Some(Reason::BoundTooWeak { case: 0 })),
        ("-1.0000000000003", Some(Reason::BoundTooWeak { case: 0 })),
        ("-1.000000000002", None),
    ] {
        let property = format!(
            "(declare-const X_0 Real)(declare-const Y_0 Real)\
             (assert (<= X_0 1))(assert (>= X_0 0.5))(assert (<= Y_0 {bound}))"
        );
        let statement = Statement::from_bytes(&model.bytes(), property.as_bytes()).unwrap();
        for mode in MODES {
            assert_eq!(rejected(&statement, &["refute all", "leaf"], mode), reason, "{bound}");
        }
    }
}

/// A slope that a line writes counts whether the neuron is unstable, active or inactive: one proof serves both arithmetics where only one of
/// them sees the sign.
#[test]
fn written_slopes_count_on_neurons_that_are_active() {
    let model = |bias: f64| {
        Model::new(&[1, 1])
            .f64s("v", &[1, 1], &[1.0])
            .f64s("b", &[1, 1], &[bias])
            .f64s("w", &[1, 1], &[-1.0])
            .node("MatMul x v -> p")
            .node("Add p b -> z")
            .node("Relu z -> h")
            .node("MatMul z w -> m")
            .node("Add h m -> y")
            .bytes()
    };
    let property = "(declare-const X_0 Real)(declare-const Y_0 Real)\
                    (assert (<= X_0 1))(assert (>= X_0 0))(assert (<= Y_0 -0.25))";
    // y = relu(z) − z for z = x + bias in [bias, 1 + bias] is bounded by (a − 1) z for a slope a: −1/4 at most where z ≤ 1 and a = 3/4.
    for (bias, slope, refuted) in [
        (0.0, "0x7p-3", true),
        (0.0, "0x1p-1", false),
        (-1e-300, "0x7p-3", true),
        (-1e-300, "0x1p-1", false),
        // Inactive: relu(z) = 0 ≥ a·z, so that y ≥ −(1 − a)·z ≥ 0.
        (-2.0, "0x1p-1", true),
    ] {
        let statement = Statement::from_bytes(&model(bias), property.as_bytes()).unwrap();
        for mode in MODES {
            let refute = format!("refute 0 slope r0.0:{slope}");
            let reason = rejected(&statement, &[&refute, "leaf"], mode);
            assert_eq!(reason.is_none(), refuted, "{bias:e} {slope} {mode:?}");
        }
    }
}

/// y = x on [0, 1] never is above 1; what may be 1 is reached there. Only exact arithmetic sees the difference, and only of a strict
/// half-space.
#[test]
fn a_strict_bound_may_be_met() {
    let model = Model::new(&[1, 1]).f64s("w", &[1, 1], &[1.0]).node("MatMul x w -> y").bytes();
    let of = |unsafe_set: &str| {
        let property = format!(
            "(declare-const X_0 Real)(declare-const Y_0 Real)\
             (assert (>= X_0 0))(assert (<= X_0 1)){unsafe_set}"
        );
        Statement::from_bytes(&model, property.as_bytes()).unwrap()
    };
    let weak = || Some(Reason::BoundTooWeak { case: 0 });
    let (strict, closed) = (of("(assert (> Y_0 1))"), of("(assert (>= Y_0 1))"));
    assert_eq!(rejected(&strict, &["refute 0", "leaf"], Mode::Exact), None);
    assert_eq!(rejected(&closed, &["refute 0", "leaf"], Mode::Exact), weak());
    // A sum is strict where a strict half-space is part of it.
    let both = of("(assert (> Y_0 1))(assert (>= (+ Y_0 X_0) 2))");
    for (weights, expected) in [("0", None), ("0:0x1p0 1:0x1p0", None), ("1", weak())] {
        let line = format!("refute 0 using {weights}");
        assert_eq!(rejected(&both, &[&line, "leaf"], Mode::Exact), expected, "{weights}");
    }
    assert_eq!(rejected(&both, &["refute 0 using 0:0x0p0 1", "leaf"], Mode::Exact), weak());
    assert_eq!(rejected(&of("(assert (< Y_0 0))"), &["refute 0", "leaf"], Mode::Exact), None);
    assert_eq!(rejected(&of("(assert (> Y_0 0.75))"), &["refute 0", "leaf"], Mode::Exact), weak());
}

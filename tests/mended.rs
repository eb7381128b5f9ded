//! Proofs that do not hold, mended: whatever is wrong in one, what the checker rejects is proved anew.

mod common;

use certus::internal::branch::{End, Hints, Lemma, Limits, Line, Node, Reason, Refutation, Tree};
use certus::internal::load::{SourceFile, load_network, parse_statement};
use certus::internal::prove::{Mode, Proof, Question, Unmended};
use certus::internal::query::Query;
use common::proving;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A network and a property that holds.
struct Asked {
    query: Query,
    question: Question,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn asked(model: &Path, property: &str) -> Asked {
    let model = SourceFile::read(model).unwrap().bytes;
    let net = certus::internal::load::load_network_bytes("m.onnx", &model).unwrap().network;
    let statement =
        parse_statement("p.vnnlib", property.as_bytes(), net.inputs(), net.outputs()).unwrap();
    let question = Question::new(&model, property.as_bytes()).unwrap();
    Asked { query: Query::of(net, statement).unwrap(), question }
}

/// A property of the controller.
fn controller(unsafe_set: &str) -> Asked {
    let mut text = String::new();
    for i in 0..2 {
        let _ = writeln!(
            text,
            "(declare-const X_{i} Real)(assert (>= X_{i} -0.5))(assert (<= X_{i} 0.5))"
        );
    }
    text += &format!("(declare-const Y_0 Real)\n(assert {unsafe_set})\n");
    asked(&root().join("models/control/mlp_plain.onnx"), &text)
}

impl Asked {
    fn found(&self) -> Proof {
        let limits = Limits::starting_now(None, &|| false);
        let proof = proving::found(&self.query, &limits).unwrap();
        self.is_accepted(&proof);
        proof
    }

    fn holds(&self, proof: &Proof, mode: Mode) -> bool {
        self.question.check(proof.to_bytes().as_slice(), mode).is_ok()
    }

    fn is_accepted(&self, proof: &Proof) {
        for mode in [Mode::Exact, Mode::Outward] {
            assert!(self.holds(proof, mode), "{}", String::from_utf8_lossy(&proof.to_bytes()));
        }
    }

    /// Whether a changed proof holds all the same; if not, it is mended, to one at most three times as long as one with so many leaves: what was
    /// rejected is searched again, not only halved. Returns the number of places.
    fn mended(&self, mut proof: Proof, leaves: usize) -> Option<usize> {
        if self.holds(&proof, Mode::Outward) {
            return None;
        }
        let limits = Limits::starting_now(None, &|| false);
        let places = proof
            .mend(&self.question, self.query.network(), self.query.property(), &limits)
            .unwrap();
        assert!(places > 0);
        self.is_accepted(&proof);
        assert!(
            self::leaves(&proof) <= 3 * leaves,
            "{} leaves, not {leaves}",
            self::leaves(&proof)
        );
        Some(places)
    }
}

fn leaves(proof: &Proof) -> usize {
    String::from_utf8(proof.to_bytes()).unwrap().matches("\nleaf").count()
}

/// Of each kind of line of trees of splits of inputs, every one is spoilt.
#[test]
fn trees_of_boxes_are_mended() {
    let combined = "(and (>= Y_0 0.8) (>= (+ X_0 X_1) 0.2))";
    let two = format!("(or {combined} (and (<= Y_0 -0.8) (<= (+ X_0 X_1) -0.2)))");
    // One polytope is excluded by clips of its own.
    let parting = "(or (and (>= (+ (* -1.0 Y_0) (* -1.0 X_0) (* 2.0 X_1)) 1.5)
        (>= (+ Y_0 (* 1.5 X_0) (* -1.5 X_1)) -1.0) (>= (+ (* -1.0 Y_0) (* -2.0 X_0) X_1) 0.0))
        (and (>= (+ (* -1.0 Y_0) (* -1.5 X_0) (* -0.5 X_1)) 1.5)
        (>= (+ (* -1.0 Y_0) (* 1.5 X_0) (* 0.5 X_1)) -1.0)))";
    // What combinations of half-spaces exclude is cut off.
    let cutting = "(or (and (>= (+ Y_0 (* 1.5 X_0) (* -2.0 X_1)) 1.5)
        (>= (+ (* -1.0 Y_0) (* 1.5 X_0)) -1.5) (>= (+ (* -1.0 Y_0) (* 1.5 X_0) (* -1.0 X_1)) 1.0))
        (and (>= (+ Y_0 (* -1.5 X_0) (* 0.5 X_1)) 0.5)
        (>= (+ (* -1.0 Y_0) (* -2.0 X_0) (* -2.0 X_1)) 1.0)))";
    let (mut clips, mut parted, mut cut, mut mended) = (0, 0, 0, 0);
    for unsafe_set in [combined, &two, parting, cutting, "(or (>= Y_0 3.6) (<= Y_0 -3.6))"] {
        let asked = controller(unsafe_set);
        let proof = asked.found();
        let length = leaves(&proof);
        let nodes = &proof.sections[0].tree.nodes;
        for (number, node) in nodes.iter().enumerate() {
            let spoilt = |spoil: &dyn Fn(&mut Node)| {
                let mut proof = proof.clone();
                spoil(&mut proof.sections[0].tree.nodes[number]);
                usize::from(asked.mended(proof, length).is_some())
            };
            for line in 0..node.lines.len() {
                clips += spoilt(&|node| {
                    let Line::Clip { slabs, .. } = &mut node.lines[line] else { return };
                    for slab in slabs {
                        slab.at += if slab.upper { -0.0625 } else { 0.0625 };
                    }
                });
            }
            let swept =
                |node: &Node| node.lines.iter().any(|line| matches!(line, Line::Crown { .. }));
            parted += usize::from(matches!(node.end, End::Part { .. }));
            if let End::Split { first, .. } = node.end {
                let sides = &nodes[first as usize..][..2];
                cut += usize::from(!sides.iter().all(swept));
            }
            mended += spoilt(&|node| node.lines.clear());
            mended += spoilt(&|node| *node = Node::default());
            mended += spoilt(&|node| {
                for line in &mut node.lines {
                    let Line::Refute { how, .. } = line else { continue };
                    how.weights = [(0, 1.0)].into();
                }
            });
        }
    }
    println!("{clips} clips, {parted} parted, {cut} cut off, {mended} others");
    assert!(clips > 0 && parted > 0 && cut > 0 && mended > 0);
}

#[test]
fn trees_of_relu_splits_are_mended() {
    let property =
        std::fs::read_to_string(root().join("proofs/samples/tumour_146.vnnlib")).unwrap();
    let asked = asked(&root().join("models/breast_cancer/mlp_adv.onnx"), &property);
    let found = asked.found();
    let spoilt = |spoil: &dyn Fn(&mut Tree)| {
        let mut proof = found.clone();
        spoil(&mut proof.sections[0].tree);
        asked.mended(proof, leaves(&found))
    };
    // Multipliers, splits, sweeps of intermediate bounds: none of them, or others.
    assert!(
        spoilt(&|tree| {
            for line in tree.nodes.iter_mut().flat_map(|node| &mut node.lines) {
                let Line::Refute { how, .. } = line else { continue };
                *how = Refutation::default();
            }
        })
        .is_some()
    );
    assert!(spoilt(&|tree| tree.nodes[0].end = End::Leaf).is_some());
    assert!(spoilt(&|tree| tree.nodes[0].lines.clear()).is_some());
    assert!(
        spoilt(&|tree| {
            let (polytopes, how) = ([0].into(), Refutation::default());
            tree.nodes[0].end = End::Leaf;
            tree.line(0, Line::Refute { polytopes, how });
        })
        .is_some()
    );
    // An end that the tree does not show is left out, on either side.
    for upper in [true, false] {
        let places = spoilt(&|tree| {
            let node = first_split(tree);
            let (elements, hints) = ([0].into(), Hints::default());
            let mut shown = Tree::default();
            shown.line(0, Line::Tighten { node, elements, upper: Some(upper), hints });
            behind(tree, Lemma { node, element: 0, upper, at: 0.0, tree: shown });
        });
        // What is always so needs no mending.
        assert!(places.is_none_or(|places| places == 1));
    }
}

/// The node of the pre-activation that is split first.
fn first_split(tree: &Tree) -> usize {
    let End::Split { node, .. } = tree.nodes[0].end else { panic!("no split of a ReLU") };
    node
}

/// The tree goes on behind a lemma, which comes after what is done at its root.
fn behind(tree: &mut Tree, lemma: Lemma) {
    let mut rest = std::mem::take(tree);
    tree.lines(0, std::mem::take(&mut rest.nodes[0].lines));
    let left = tree.lemma(0, lemma);
    tree.graft(left, rest);
}

/// What lies beyond an upper end is shown at the end of its section, before the next one begins.
#[test]
fn sections_are_mended_one_after_the_other() {
    let property =
        std::fs::read_to_string(root().join("proofs/samples/tumour_146.vnnlib")).unwrap();
    let whole = "(assert (or (and (>= Y_0 Y_1))))";
    assert!(property.contains(whole));
    let side = |side: &str| format!("(and (>= Y_0 Y_1) ({side} X_0 -0.17))");
    let halves = format!("(assert (or {} {}))", side("<="), side(">="));
    let property = property.replace(whole, &halves);
    let asked = asked(&root().join("models/breast_cancer/mlp_adv.onnx"), &property);
    let mut proof = asked.found();
    let length = leaves(&proof);
    let [first, second] = &mut proof.sections[..] else { panic!("not two sections") };
    // An end that is far away: beyond it nothing lies.
    let node = first_split(&first.tree);
    let lemma = Lemma { node, element: 0, upper: true, at: 1e6, tree: Tree::default() };
    behind(&mut first.tree, lemma);
    second.tree.nodes[0].end = End::Leaf;
    assert!(asked.mended(proof, length).is_some());
}

/// Nothing is known but that it holds.
#[test]
fn proofs_are_mended_from_nothing() {
    let property =
        std::fs::read_to_string(root().join("proofs/samples/tumour_146.vnnlib")).unwrap();
    let tumour = asked(&root().join("models/breast_cancer/mlp_adv.onnx"), &property);
    for asked in [tumour, controller("(and (>= Y_0 0.8) (>= (+ X_0 X_1) 0.2))")] {
        let length = leaves(&asked.found());
        let mut proof = Proof::unknown(&asked.query);
        assert!(asked.mended(proof.clone(), length).is_some());
        // Time is up at once: what is not mended is not accepted.
        let up = || true;
        let limits = Limits { cancel: &up, ..Limits::starting_now(None, &up) };
        let (net, property) = (asked.query.network(), asked.query.property());
        let stopped = proof.mend(&asked.question, net, property, &limits).unwrap_err();
        let Unmended::NotFound(answer) = stopped else { panic!("{stopped:?}") };
        assert!(matches!(*answer, certus::internal::branch::Answer::Open(Reason::Cancelled)));
        assert!(!asked.holds(&proof, Mode::Outward));
    }
}

/// A box is clipped twice, and the second clip rests on relaxations of the box before the first.
#[test]
fn clips_are_recorded_as_the_checker_repeats_them() {
    let folder = root().join("tests/fixtures/clipped");
    let property = std::fs::read_to_string(folder.join("p.vnnlib")).unwrap();
    let model = folder.join("m.onnx");
    let bytes = SourceFile::read(&model).unwrap().bytes;
    let Asked { query, question } = asked(&model, &property);
    let limits = Limits::starting_now(None, &|| false);
    let ask = || Question::new(&bytes, property.as_bytes());
    let (proved, _) = proving::prove(&ask, &query, &limits).unwrap();
    let text = proved.proof.to_bytes();
    assert!(String::from_utf8_lossy(&text).matches("\nclip").count() >= 2);
    assert_eq!(proved.mended, 0);
    for mode in [Mode::Exact, Mode::Outward] {
        question.check(text.as_slice(), mode).unwrap();
    }
    assert!(load_network(&model).is_ok());
}

//! A proof that the checker rejects, mended: it is walked through with the checker, and proved anew where a line does not hold.
//!
//! Of what does not hold, the smallest part is replaced. A clip becomes a split whose other side is searched; a leaf that stays open is
//! searched from what the checker knows there, and where that leaf is found again, it is split. So mending ends with a proof, unless a
//! limit is reached first or a box is too small to be split.

use super::text::{Text, set};
use super::{Proof, Question, Section};
use crate::branch::{
    Again, Answer, End, Hints, Limits, Line, Node, Reason, SUM, Split, Tree, split_relus_from,
    suits_inputs,
};
use crate::net::{Boxes, Matrix, Network};
use crate::spec::Property;
use certus_check::Walk;

/// Why a proof could not be mended.
#[derive(Debug)]
pub enum Unmended {
    /// A search found no proof either.
    NotFound(Box<Answer>),
    /// The checker does not follow a line that holds whatever is known.
    Refused(certus_check::Reason),
}

fn open(reason: Reason) -> Unmended {
    Unmended::NotFound(Box::new(Answer::Open(reason)))
}

impl Proof {
    /// Walks through the proof with the checker and replaces what does not hold; returns the number of places.
    ///
    /// # Errors
    /// Where a limit is reached, or no split is left to be made.
    pub fn mend(
        &mut self,
        question: &Question,
        net: &Network,
        property: &Property,
        limits: &Limits,
    ) -> Result<usize, Unmended> {
        let walk = Walk::new(&question.0).map_err(Unmended::Refused)?;
        let again = suits_inputs(net, property).then(|| Again::new(net, property));
        let text = Text { names: &self.names, sums: 0 };
        let mut mender = Mender { net, property, limits, again, walk, text, mended: 0 };
        for (claim, section) in self.sections.iter_mut().enumerate() {
            if !section.cases.is_empty() {
                mender.section(claim, section)?;
            }
        }
        Ok(mender.mended)
    }
}

struct Mender<'a> {
    net: &'a Network,
    property: &'a Property,
    limits: &'a Limits<'a>,
    /// What searches boxes, where inputs are split.
    again: Option<Again<'a>>,
    walk: Walk<'a>,
    text: Text<'a>,
    /// Places where something did not hold.
    mended: usize,
}

/// A node of a tree that is still to be walked through.
#[derive(Clone)]
struct Task {
    at: u32,
    /// The first of its lines that has not been followed.
    from: usize,
    /// The sides of splits of pre-activations that it is on.
    splits: Vec<Split>,
    /// The polytopes that are not excluded.
    open: Vec<u32>,
    /// Whether every pre-activation was swept on a box that it is a part of.
    swept: bool,
    /// Whether it has been searched.
    searched: bool,
}

impl Task {
    /// The same at a node below.
    fn below(&self, at: u32) -> Self {
        Self { at, from: 0, searched: false, ..self.clone() }
    }

    fn on(mut self, side: Option<Split>) -> Self {
        self.splits.extend(side);
        self
    }

    fn about(mut self, keep: impl Fn(&u32) -> bool) -> Self {
        self.open.retain(keep);
        self
    }
}

/// How much less an end is moved that a tree does not show, as shares of its interval.
const LESS: [f64; 4] = [0.0, 1e-6, 1e-4, 1e-2];

impl Mender<'_> {
    fn holds(&mut self, line: &str) -> bool {
        let holds = self.walk.line(line).is_ok();
        self.mended += usize::from(!holds);
        holds
    }

    /// A line that holds whatever is known.
    fn must(&mut self, line: &str) -> Result<(), Unmended> {
        self.walk.line(line).map_err(Unmended::Refused)
    }

    fn section(&mut self, claim: usize, section: &mut Section) -> Result<(), Unmended> {
        let Section { cases, tree } = section;
        for (number, sum) in tree.sums.iter().enumerate() {
            self.must(&self.text.define(self.text.sums + number, sum))?;
        }
        self.must(&format!("cases {}", set(cases)))?;
        let (splits, open) = (Vec::new(), (0..cases.len() as u32).collect());
        let root = Task { at: 0, from: 0, splits, open, swept: false, searched: false };
        let mut next = vec![root];
        while let Some(mut task) = next.pop() {
            if let Some(reason) = self.limits.passed() {
                return Err(self::open(reason));
            }
            self.lines(&mut task, cases, tree);
            next.extend(self.end(task, claim, cases, tree)?);
        }
        self.text.sums += tree.sums.len();
        Ok(())
    }

    /// The lines of a node: those that hold. Of a clip that does not, the first end is made a split, behind which the rest stands.
    fn lines(&mut self, task: &mut Task, cases: &[usize], tree: &mut Tree) {
        let lines = &mut tree.nodes[task.at as usize].lines;
        let mut rest = lines.split_off(task.from).into_iter();
        let mut kept = Vec::new();
        while let Some(line) = rest.next() {
            // Nothing is left to be said of what no block comes after.
            let Some(text) = self.text.line(&line, cases) else { continue };
            let holds = self.holds(&text);
            task.swept |= holds && matches!(line, Line::Crown { after: None, .. });
            match line {
                Line::Refute { polytopes, how } => {
                    let mut named = polytopes.to_vec();
                    if named.is_empty() {
                        named.clone_from(&task.open);
                    }
                    if !holds && named.len() > 1 {
                        // Some of them may be excluded all the same.
                        named.retain(|&polytope| {
                            let one =
                                Line::Refute { polytopes: [polytope].into(), how: how.clone() };
                            let text = self.text.line(&one, cases);
                            let holds = text.is_some_and(|text| self.walk.line(&text).is_ok());
                            kept.extend(holds.then_some(one));
                            holds
                        });
                    } else if holds {
                        kept.push(Line::Refute { polytopes, how });
                    } else {
                        named.clear();
                    }
                    task.open.retain(|polytope| !named.contains(polytope));
                }
                Line::Clip { slabs, how } if !holds => {
                    let [first, others @ ..] = &*slabs else { continue };
                    let others: Box<[_]> = others.into();
                    let clip = (!others.is_empty()).then_some(Line::Clip { slabs: others, how });
                    let behind = clip.into_iter().chain(rest.by_ref()).collect();
                    let end = std::mem::take(&mut tree.nodes[task.at as usize].end);
                    let [below, above] = tree.split(task.at, 0, first.input as usize, first.at);
                    let left = if first.upper { below } else { above };
                    tree.nodes[left as usize] = Node { lines: behind, end };
                    break;
                }
                line if holds => kept.push(line),
                _ => {}
            }
        }
        tree.lines(task.at, kept);
        task.from = tree.nodes[task.at as usize].lines.len();
    }

    /// How a node ends: what is to be walked through then, the first child last.
    fn end(
        &mut self,
        task: Task,
        claim: usize,
        cases: &[usize],
        tree: &mut Tree,
    ) -> Result<Vec<Task>, Unmended> {
        let end = tree.nodes[task.at as usize].end.clone();
        let line = self.text.end(&end, cases);
        match end {
            End::Leaf if self.holds(&line) => Ok(Vec::new()),
            End::Leaf => self.leaf(task, claim, tree),
            End::Split { empty: Some(upper), first, .. } => {
                let [left, beyond] = if upper { [first, first + 1] } else { [first + 1, first] };
                if !self.lemma(task.at, (upper, beyond), cases, tree)? {
                    let left = std::mem::take(&mut tree.nodes[left as usize]);
                    tree.nodes[task.at as usize].end = left.end;
                    tree.lines(task.at, left.lines);
                    return Ok(vec![task]);
                }
                let left = task.below(left);
                // What lies beyond an upper end is the second child of its split, and so comes at the very end.
                Ok(if upper { vec![task.below(beyond), left] } else { vec![left] })
            }
            End::Split { node, element, at, first, .. } => {
                self.must(&line)?;
                let side = |active| {
                    let side = Split { node, element: element as usize, at, active };
                    // The search knows no sums, and of inputs their box says all.
                    (node != SUM && node != 0).then_some(side)
                };
                Ok([(first + 1, true), (first, false)]
                    .map(|(at, active)| task.below(at).on(side(active)))
                    .into())
            }
            End::Part { polytopes, first } => {
                self.must(&line)?;
                let own = task.below(first).about(|polytope| polytopes.contains(polytope));
                let others = task.below(first + 1).about(|polytope| !polytopes.contains(polytope));
                Ok(vec![others, own])
            }
        }
    }

    /// Whether a tree shows an end, or one that moves less; then the walk is in the side that is left, else where it was.
    fn lemma(
        &mut self,
        at: u32,
        (upper, beyond): (bool, u32),
        cases: &[usize],
        tree: &mut Tree,
    ) -> Result<bool, Unmended> {
        let End::Split { node, element, at: value, .. } = tree.nodes[at as usize].end else {
            return Ok(false);
        };
        let scale = self.width(node, element as usize).unwrap_or(value.abs());
        for less in LESS {
            let moved = if upper { value + less * scale } else { value - less * scale };
            if let End::Split { at, .. } = &mut tree.nodes[at as usize].end {
                *at = moved;
            }
            let before = self.walk.mark();
            let split = self.text.end(&tree.nodes[at as usize].end, cases);
            self.must(&split)?;
            if upper {
                self.walk.skip();
            }
            let holds = self.shown(tree, beyond, cases);
            if upper || !holds {
                self.walk.back(before);
            }
            if holds {
                if upper {
                    self.must(&split)?;
                }
                return Ok(true);
            }
            self.mended += usize::from(less == 0.0);
        }
        Ok(false)
    }

    /// The width of what is known of a pre-activation.
    fn width(&mut self, node: usize, element: usize) -> Option<f64> {
        let (_, block) = self.text.names.blocks().find(|(z, _)| *z == node)?;
        let (low, high) = self.walk.ends(Some(block))?;
        Some(high[element] - low[element]).filter(|width| width.is_finite())
    }

    /// Whether all of a tree from a node on holds.
    fn shown(&mut self, tree: &Tree, from: u32, cases: &[usize]) -> bool {
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            let Node { lines, end } = &tree.nodes[at as usize];
            let lines = lines.iter().filter_map(|line| self.text.line(line, cases));
            let lines: Vec<String> = lines.chain([self.text.end(end, cases)]).collect();
            if !lines.iter().all(|line| self.walk.line(line).is_ok()) {
                return false;
            }
            next.extend(end.first().into_iter().flat_map(|first| [first + 1, first]));
        }
        true
    }

    /// A leaf that does not hold: searched, and then split.
    fn leaf(
        &mut self,
        mut task: Task,
        claim: usize,
        tree: &mut Tree,
    ) -> Result<Vec<Task>, Unmended> {
        let at = task.at;
        // Of boxes that splits of neurons cut, what searches boxes knows too little.
        let by_inputs = self.again.is_some() && task.splits.is_empty();
        if !by_inputs && !task.swept {
            task.swept = true;
            tree.line(at, Line::Crown { after: None, hints: Hints::default() });
            return Ok(vec![task]);
        }
        if let (false, [first, _, ..]) = (by_inputs, &*task.open) {
            tree.part(at, &[*first]);
            return Ok(vec![task]);
        }
        let known = self.known();
        let Some(Some(input)) = known.first() else { return Err(open(Reason::Resolution)) };
        let (lower, upper) = (input.lower.as_slice(), input.upper.as_slice());
        // A box of which something was said has been searched.
        if task.searched || (by_inputs && task.from > 0) {
            let (node, element, value) = match by_inputs {
                true => {
                    let region = &self.property.claims[claim].region;
                    let ends = region.upper().iter().zip(region.lower());
                    let whole: Vec<f64> = ends.map(|(u, l)| u - l).collect();
                    widest(lower, upper, &whole).map(|(input, at)| (0, input, at))
                }
                false => undecided(&known),
            }
            .ok_or_else(|| open(Reason::Resolution))?;
            tree.split(at, node, element, value);
            return Ok(vec![task]);
        }
        let again = self.again.as_ref().filter(|_| by_inputs);
        let (answer, piece) = match (again, task.open.first()) {
            (Some(again), _) => again.prove(claim, (lower, upper), self.limits),
            (None, Some(&polytope)) => {
                let which = (claim, polytope as usize);
                let from = (&known[..], &task.splits[..]);
                split_relus_from(self.net, self.property, which, from, self.limits)
            }
            // The search excluded all, and the checker did not follow.
            (None, None) => return Err(open(Reason::BoundTooWeak)),
        };
        match answer {
            _ if piece.is_given_up() => return Err(open(Reason::MemoryLimit)),
            Answer::Proved => {}
            Answer::Open(Reason::Resolution | Reason::BoundTooWeak) if !by_inputs => {}
            answer => return Err(Unmended::NotFound(Box::new(answer))),
        }
        tree.graft(at, piece);
        task.searched = true;
        Ok(vec![task])
    }

    /// What the checker knows here of the inputs and pre-activations, by node.
    fn known(&mut self) -> Vec<Option<Boxes>> {
        let mut known = vec![None; self.net.nodes().len()];
        let blocks = self.text.names.blocks().map(|(z, block)| (z, Some(block)));
        for (node, block) in blocks.chain([(0, None)]) {
            let Some((low, high)) = self.walk.ends(block) else { continue };
            let column = |ends: &[f64]| Matrix::from_column_slice(ends.len(), 1, ends);
            known[node] = Some(Boxes { lower: column(low), upper: column(high) });
        }
        known
    }
}

/// The neuron that is farthest from being of known sign, or the widest input if there is none.
fn undecided(known: &[Option<Boxes>]) -> Option<(usize, usize, f64)> {
    let mut farthest: Option<(f64, (usize, usize, f64))> = None;
    for (node, boxes) in known.iter().enumerate().skip(1) {
        let Some(boxes) = boxes else { continue };
        for i in boxes.of_unknown_sign() {
            let reach = boxes.upper[i].min(-boxes.lower[i]);
            if farthest.is_none_or(|(most, _)| reach > most) {
                farthest = Some((reach, (node, i, 0.0)));
            }
        }
    }
    if let Some((_, neuron)) = farthest {
        return Some(neuron);
    }
    let inputs = known[0].as_ref()?;
    let (lower, upper) = (inputs.lower.as_slice(), inputs.upper.as_slice());
    let (input, at) = widest(lower, upper, &vec![1.0; lower.len()])?;
    Some((0, input, at))
}

/// The input whose interval is the largest share of the whole, and its middle; `None` where no number lies inside of any.
fn widest(lower: &[f64], upper: &[f64], whole: &[f64]) -> Option<(usize, f64)> {
    let middle = |i: usize| 0.5 * lower[i] + 0.5 * upper[i];
    let share = |i: usize| (upper[i] - lower[i]) / whole[i];
    let inside = |i: &usize| lower[*i] < middle(*i) && middle(*i) < upper[*i];
    let widest = (0..lower.len()).filter(inside).max_by(|&i, &j| share(i).total_cmp(&share(j)))?;
    Some((widest, middle(widest)))
}

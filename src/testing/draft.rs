//! A case taken apart, and the steps that make it smaller: what shrinking tries.

use super::case::Case;
use crate::net::{FinalOperator, Function, LinearMap, Network, NetworkBuilder, NodeId, Op, Term};
use crate::spec::{Claim, HalfSpace, Property, Region};

/// Weights beyond which single ones are not tried.
const FEW: usize = 300;

/// The entries of each row of a linear map.
type Rows = Vec<Vec<(usize, f64)>>;

/// A node.
#[derive(Debug, Clone)]
enum Part {
    Input(usize),
    Affine { terms: Vec<(NodeId, Rows)>, bias: Vec<f64> },
    Function(Function, Vec<NodeId>, usize),
}

/// A network and a property, in parts that can be taken away.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    parts: Vec<Part>,
    output: NodeId,
    left_out: Option<FinalOperator>,
    claims: Vec<Asked>,
}

/// A claim over a box of doubles.
#[derive(Debug, Clone)]
struct Asked {
    lower: Vec<f64>,
    upper: Vec<f64>,
    unsafe_set: Vec<Vec<HalfSpace>>,
}

/// A step; each makes the case smaller: fewer claims, elements, terms or weights, narrower regions, shorter numbers.
#[derive(Debug, Clone)]
pub(super) enum Step {
    OnlyClaim(usize),
    OnlyPolytope(usize, usize),
    DropHalf(usize, usize, usize),
    /// Elements of a node, and of all nodes that are functions of it element by element.
    DropElements(NodeId, std::ops::Range<usize>),
    /// What reads a node reads its operand instead.
    Bypass(NodeId),
    DropTerm(NodeId, usize),
    /// Inputs that are fixed become a part of biases.
    FoldInputs,
    FixInputs(std::ops::Range<usize>, Place),
    ZeroBias(NodeId),
    ZeroWeight(NodeId, usize, usize, usize),
    /// Weights and biases become multiples of 2⁻ᵏ.
    RoundWeights(NodeId, i32),
    RoundRegion(i32),
    RoundBounds(i32),
}

/// A place in an interval.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Lower,
    Upper,
    Middle,
}

fn rounded(x: f64, bits: i32) -> f64 {
    let scale = 2f64.powi(bits);
    let y = (x * scale).round() / scale;
    if y.is_finite() { y + 0.0 } else { x }
}

/// Halves, quarters, …, single elements of so many.
fn chunks(n: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let sizes = std::iter::successors(Some(n.div_ceil(2)), |&s| (s > 1).then(|| s.div_ceil(2)));
    sizes.flat_map(move |size| {
        (0..n).step_by(size.max(1)).map(move |from| from..(from + size).min(n))
    })
}

impl Draft {
    /// The parts of a case; the roundings of a network that no file holds exactly are left out.
    pub(super) fn of(case: &Case) -> Self {
        let (net, property) = (case.query().network(), case.query().property());
        let rows = |map: &LinearMap| -> Rows {
            let row = |i: usize| {
                let mut row = Vec::new();
                map.for_each_in_row(i, |j, w| {
                    if w != 0.0 {
                        row.push((j, w))
                    }
                });
                row
            };
            (0..map.outputs()).map(row).collect()
        };
        let part = |node: &crate::net::Node| match &node.op {
            Op::Input => Part::Input(node.len),
            Op::Affine(affine) => Part::Affine {
                terms: affine.terms.iter().map(|term| (term.source, rows(&term.map))).collect(),
                bias: affine.bias.clone(),
            },
            Op::Elementwise(function, operands) => {
                Part::Function(*function, operands.clone(), node.len)
            }
        };
        let claim = |claim: &Claim| Asked {
            lower: claim.region.lower().to_vec(),
            upper: claim.region.upper().to_vec(),
            unsafe_set: claim.unsafe_set.clone(),
        };
        Self {
            parts: net.nodes().iter().map(part).collect(),
            output: net.output(),
            left_out: net.left_out(),
            claims: property.claims.iter().map(claim).collect(),
        }
    }

    /// The case of these parts; `None` where they make none.
    pub(super) fn case(&self) -> Option<Case> {
        let mut b = NetworkBuilder::new(self.len(0), "x").ok()?;
        for part in &self.parts[1..] {
            match part {
                Part::Input(_) => return None,
                Part::Affine { terms, bias } => {
                    let term = |(source, rows): &(NodeId, Rows)| Term {
                        source: *source,
                        map: LinearMap::from_rows(self.len(*source), rows.clone()),
                    };
                    b.affine(terms.iter().map(term).collect(), bias.clone(), 0, "affine").ok()?;
                }
                Part::Function(function, operands, _) => {
                    b.elementwise(*function, operands, "function").ok()?;
                }
            }
        }
        let network: Network = b.finish(self.output).ok()?.leaving_out(self.left_out);
        let claim = |asked: &Asked| {
            let region = Region::from_f64(&asked.lower, &asked.upper).ok()?;
            Some(Claim { region, unsafe_set: asked.unsafe_set.clone() })
        };
        let claims = self.claims.iter().map(claim).collect::<Option<Vec<_>>>()?;
        Case::new(network, Property { claims, uses_inputs: false }).ok()
    }

    fn len(&self, id: NodeId) -> usize {
        match &self.parts[id] {
            Part::Input(len) | Part::Function(_, _, len) => *len,
            Part::Affine { bias, .. } => bias.len(),
        }
    }

    /// The nodes whose elements go together with those of this one, itself among them, in order.
    fn group(&self, id: NodeId) -> Vec<NodeId> {
        let mut group = vec![id];
        loop {
            let before = group.len();
            for (at, part) in self.parts.iter().enumerate() {
                let Part::Function(_, operands, _) = part else { continue };
                let all = operands.iter().copied().chain([at]);
                if all.clone().any(|id| group.contains(&id)) {
                    group.extend(all.filter(|id| !group.contains(id)).collect::<Vec<_>>());
                }
            }
            group.sort_unstable();
            group.dedup();
            if group.len() == before {
                return group;
            }
        }
    }

    fn weights(&self) -> usize {
        let of = |part: &Part| match part {
            Part::Affine { terms, .. } => {
                terms.iter().flat_map(|(_, rows)| rows).map(Vec::len).sum()
            }
            _ => 0,
        };
        self.parts.iter().map(of).sum()
    }

    /// The steps that may be tried, those that take most away first.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.claims.len() > 1 {
            steps.extend((0..self.claims.len()).map(Step::OnlyClaim));
        }
        for (c, asked) in self.claims.iter().enumerate() {
            if asked.unsafe_set.len() > 1 {
                steps.extend((0..asked.unsafe_set.len()).map(|p| Step::OnlyPolytope(c, p)));
            }
            for (p, polytope) in
                asked.unsafe_set.iter().enumerate().filter(|(_, polytope)| polytope.len() > 1)
            {
                steps.extend((0..polytope.len()).map(|h| Step::DropHalf(c, p, h)));
            }
        }
        let nodes = 0..self.parts.len();
        steps.extend(
            nodes.clone().skip(1).filter(|&id| self.bypass_of(id).is_some()).map(Step::Bypass),
        );
        for id in nodes.clone() {
            // A group is tried at its first node.
            if self.group(id)[0] == id && self.len(id) > 1 {
                steps.extend(chunks(self.len(id)).map(|range| Step::DropElements(id, range)));
            }
        }
        if self.fixed().iter().any(|fixed| *fixed) && self.len(0) > 1 {
            steps.push(Step::FoldInputs);
        }
        let open = |range: &std::ops::Range<usize>| {
            self.claims.iter().any(|a| range.clone().any(|i| a.lower[i] < a.upper[i]))
        };
        for range in std::iter::once(0..self.len(0)).chain(chunks(self.len(0))).filter(open) {
            let places = [Place::Middle, Place::Lower, Place::Upper];
            steps.extend(places.map(|place| Step::FixInputs(range.clone(), place)));
        }
        let few = self.weights() <= FEW;
        for id in nodes {
            let Part::Affine { terms, bias } = &self.parts[id] else { continue };
            if terms.len() > 1 {
                steps.extend((0..terms.len()).map(|t| Step::DropTerm(id, t)));
            }
            if bias.iter().any(|b| *b != 0.0) {
                steps.push(Step::ZeroBias(id));
            }
            steps.extend([0, 2, 6, 12, 20].map(|bits| Step::RoundWeights(id, bits)));
            if few {
                for (t, (_, rows)) in terms.iter().enumerate() {
                    let entries = rows.iter().enumerate();
                    steps.extend(entries.flat_map(|(i, row)| {
                        (0..row.len()).map(move |k| Step::ZeroWeight(id, t, i, k))
                    }));
                }
            }
        }
        steps.extend([0, 2, 6, 12, 20].map(Step::RoundRegion));
        steps.extend([0, 2, 6, 12, 20].map(Step::RoundBounds));
        steps
    }

    /// What reads a node may read instead.
    fn bypass_of(&self, id: NodeId) -> Option<NodeId> {
        let source = match &self.parts[id] {
            Part::Input(_) => return None,
            Part::Function(_, operands, _) => operands[0],
            Part::Affine { terms, .. } => terms.first()?.0,
        };
        (self.len(source) == self.len(id)).then_some(source)
    }

    /// Which inputs are the same single number in all claims.
    fn fixed(&self) -> Vec<bool> {
        let Some(first) = self.claims.first() else { return vec![false; self.len(0)] };
        let same = |i: usize| {
            self.claims.iter().all(|a| a.lower[i] == a.upper[i] && a.lower[i] == first.lower[i])
        };
        (0..self.len(0)).map(same).collect()
    }

    /// The draft after a step; `None` where it changes nothing or cannot be done.
    pub(super) fn after(&self, step: &Step) -> Option<Self> {
        let mut new = self.clone();
        match step {
            Step::OnlyClaim(c) => new.claims = vec![self.claims[*c].clone()],
            Step::OnlyPolytope(c, p) => {
                new.claims[*c].unsafe_set = vec![self.claims[*c].unsafe_set[*p].clone()]
            }
            Step::DropHalf(c, p, h) => drop(new.claims[*c].unsafe_set[*p].remove(*h)),
            Step::DropElements(id, range) => new.drop_elements(*id, range)?,
            Step::Bypass(id) => new.bypass(*id)?,
            Step::DropTerm(id, t) => {
                let Part::Affine { terms, .. } = &mut new.parts[*id] else { return None };
                terms.remove(*t);
            }
            Step::FoldInputs => new.fold_inputs()?,
            Step::FixInputs(range, place) => {
                for asked in &mut new.claims {
                    for i in range.clone() {
                        let (l, u) = (asked.lower[i], asked.upper[i]);
                        let at = match place {
                            Place::Lower => l,
                            Place::Upper => u,
                            Place::Middle => rounded(0.5 * l + 0.5 * u, 20).clamp(l, u),
                        };
                        (asked.lower[i], asked.upper[i]) = (at, at);
                    }
                }
            }
            Step::ZeroBias(id) => {
                let Part::Affine { bias, .. } = &mut new.parts[*id] else { return None };
                bias.iter_mut().for_each(|b| *b = 0.0);
            }
            Step::ZeroWeight(id, t, i, k) => {
                let Part::Affine { terms, .. } = &mut new.parts[*id] else { return None };
                terms[*t].1[*i].remove(*k);
            }
            Step::RoundWeights(id, bits) => {
                let Part::Affine { terms, bias } = &mut new.parts[*id] else { return None };
                let rows = terms.iter_mut().flat_map(|(_, rows)| rows).flatten().map(|(_, w)| w);
                if !round_all(rows.chain(bias), *bits) {
                    return None;
                }
            }
            Step::RoundRegion(bits) => {
                let ends =
                    new.claims.iter_mut().flat_map(|a| a.lower.iter_mut().chain(&mut a.upper));
                if !round_all(ends, *bits) {
                    return None;
                }
            }
            Step::RoundBounds(bits) => {
                let mut changed = false;
                for half in new.claims.iter_mut().flat_map(|a| &mut a.unsafe_set).flatten() {
                    let bound = rounded(half.bound_up, *bits);
                    changed |= bound != half.bound_up || half.bound_down != half.bound_up;
                    (half.bound_up, half.bound_down) = (bound, bound);
                    changed |= round_all(half.coefficients.iter_mut().map(|(_, a)| a), *bits);
                    half.coefficients.retain(|(_, a)| *a != 0.0);
                }
                if !changed {
                    return None;
                }
            }
        }
        Some(new)
    }

    fn drop_elements(&mut self, id: NodeId, range: &std::ops::Range<usize>) -> Option<()> {
        let group = self.group(id);
        let (count, len) = (range.len(), self.len(id));
        if count >= len {
            return None;
        }
        // Where an element is afterwards.
        let place = |i: usize| {
            if i < range.start { Some(i) } else { i.checked_sub(count).filter(|_| i >= range.end) }
        };
        if group.contains(&self.output) {
            if self.left_out.is_some() {
                return None;
            }
            for half in self.claims.iter_mut().flat_map(|a| &mut a.unsafe_set).flatten() {
                for (j, _) in &mut half.coefficients {
                    *j = place(*j)?;
                }
            }
        }
        for (at, part) in self.parts.iter_mut().enumerate() {
            match part {
                Part::Input(len) if group.contains(&at) => *len -= count,
                Part::Function(_, _, len) if group.contains(&at) => *len -= count,
                Part::Affine { terms, bias } => {
                    if group.contains(&at) {
                        bias.drain(range.clone());
                        terms.iter_mut().for_each(|(_, rows)| drop(rows.drain(range.clone())));
                    }
                    for (_, rows) in terms.iter_mut().filter(|(source, _)| group.contains(source)) {
                        for row in rows {
                            *row = row.iter().filter_map(|&(j, w)| Some((place(j)?, w))).collect();
                        }
                    }
                }
                _ => {}
            }
        }
        if group.contains(&0) {
            for asked in &mut self.claims {
                asked.lower.drain(range.clone());
                asked.upper.drain(range.clone());
            }
        }
        Some(())
    }

    fn bypass(&mut self, id: NodeId) -> Option<()> {
        let source = self.bypass_of(id)?;
        let new = |at: NodeId| if at == id { source } else { at };
        // Later nodes move up by one.
        let moved = |at: NodeId| if at > id { at - 1 } else { at };
        for part in &mut self.parts {
            match part {
                Part::Input(_) => {}
                Part::Affine { terms, .. } => {
                    terms.iter_mut().for_each(|(at, _)| *at = moved(new(*at)))
                }
                Part::Function(_, operands, _) => {
                    operands.iter_mut().for_each(|at| *at = moved(new(*at)))
                }
            }
        }
        self.output = moved(new(self.output));
        self.parts.remove(id);
        Some(())
    }

    fn fold_inputs(&mut self) -> Option<()> {
        let fixed = self.fixed();
        let values = self.claims.first()?.lower.clone();
        if self.group(0).len() > 1 || self.output == 0 || fixed.iter().all(|fixed| *fixed) {
            return None;
        }
        for part in &mut self.parts {
            let Part::Affine { terms, bias } = part else { continue };
            for (_, rows) in terms.iter().filter(|(source, _)| *source == 0) {
                for (row, b) in rows.iter().zip(bias.iter_mut()) {
                    row.iter().filter(|(j, _)| fixed[*j]).for_each(|(j, w)| *b += w * values[*j]);
                }
            }
        }
        for i in (0..fixed.len()).rev().filter(|&i| fixed[i]) {
            self.drop_elements(0, &(i..i + 1))?;
        }
        Some(())
    }
}

/// Rounds numbers to multiples of 2⁻ᵏ; whether any changed.
fn round_all<'a>(numbers: impl Iterator<Item = &'a mut f64>, bits: i32) -> bool {
    let mut changed = false;
    for x in numbers {
        let y = rounded(*x, bits);
        changed |= y != *x;
        *x = y;
    }
    changed
}

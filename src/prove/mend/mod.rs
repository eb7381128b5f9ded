//! A proof that the checker rejects, mended: it is walked through with the checker, and proved anew where a line does not hold.
//!
//! Of what does not hold, the smallest part is replaced. A clip becomes a split whose other side is searched; a leaf that stays open is
//! searched from what the checker knows there, and where that leaf is found again, it is split first. So mending ends with a proof,
//! unless a limit is reached first or a box is too small to be split.

mod inputs;
mod relus;

use super::text::Text;
use super::tree::{Body, Proof};
use super::{Question, Section};
use crate::branch::{
    Again, Answer, ClaimRecord, Hints, Improve, Limits, Reason, Record, Refutation, suits_inputs,
};
use crate::net::Network;
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
        let again = Again::new(net, property);
        let Self { sections, record, names, .. } = self;
        let text = Text { names, sums: 0 };
        let inputs = suits_inputs(net, property);
        let mut mender = Mender { net, property, limits, again, inputs, walk, text, mended: 0 };
        for (claim, section) in sections.iter_mut().enumerate() {
            if !section.cases.is_empty() {
                mender.section(claim, section, record)?;
            }
        }
        Ok(mender.mended)
    }
}

struct Mender<'a> {
    net: &'a Network,
    property: &'a Property,
    limits: &'a Limits<'a>,
    again: Again<'a>,
    /// Whether inputs are split where nothing has been split yet.
    inputs: bool,
    walk: Walk<'a>,
    text: Text<'a>,
    /// Places where something did not hold.
    mended: usize,
}

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

    fn section(
        &mut self,
        claim: usize,
        section: &mut Section,
        steps: &mut Record,
    ) -> Result<(), Unmended> {
        let first = self.text.sums;
        let mut sums = first;
        if let Body::Relus(record) = &section.body {
            for sum in record.trees.iter().flat_map(|tree| &tree.sums) {
                self.must(&self.text.define(sums, sum))?;
                sums += 1;
            }
        }
        let cases = &section.cases;
        self.must(&format!("cases {}", super::text::set(cases)))?;
        let mut fresh = false;
        if let Body::Bounds = section.body {
            if self.holds("refute all") {
                return self.must("leaf");
            }
            section.body = self.anew(claim, steps);
            fresh = true;
        }
        if let Body::Relus(record) = &mut section.body {
            let whole = self.walk.mark();
            let unsplit = self.inputs && !record.splits();
            if !unsplit {
                self.relus(record, claim, cases)?;
            } else if self.relaxed(record, cases) {
                self.must("leaf")?;
            } else {
                self.walk.back(whole);
                section.body = self.anew(claim, steps);
                fresh = true;
            }
        }
        self.text.sums = sums;
        match section.body {
            Body::Inputs(root) => self.inputs((claim, root), cases, fresh, steps),
            _ => Ok(()),
        }
    }

    /// A proof of a claim of which nothing is known.
    fn anew(&self, claim: usize, steps: &mut Record) -> Body {
        if self.inputs {
            return Body::Inputs(steps.open());
        }
        let polytopes = self.property.claims[claim].unsafe_set.len();
        Body::Relus(ClaimRecord {
            lines: vec![Improve::Crown { after: None, hints: Hints::default() }],
            refuted: (0..polytopes).map(|polytope| (polytope, Refutation::default())).collect(),
            trees: Vec::new(),
        })
    }
}

/// The input whose interval is the largest share of the whole, and its middle; `None` where no number lies inside of any.
fn widest(lower: &[f64], upper: &[f64], whole: &[f64]) -> Option<(usize, f64)> {
    let middle = |i: usize| 0.5 * lower[i] + 0.5 * upper[i];
    let share = |i: usize| (upper[i] - lower[i]) / whole[i];
    let inside = |i: &usize| lower[*i] < middle(*i) && middle(*i) < upper[*i];
    let widest = (0..lower.len()).filter(inside).max_by(|&i, &j| share(i).total_cmp(&share(j)))?;
    Some((widest, middle(widest)))
}

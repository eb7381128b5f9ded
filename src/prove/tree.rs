//! A proof as data: a section for each claim, the steps of its search, and how to go on where the checker wants more.

use super::write::Names;
use crate::branch::{ClaimRecord, Halves, Limits, Record, Step, prove_leaves_by_sweeps};
use crate::net::Network;
use crate::spec::Property;

/// A proof of a statement.
#[derive(Debug, Clone)]
pub struct Proof {
    /// One section a claim, in the order of the property.
    pub sections: Vec<Section>,
    /// The steps of all trees; halves follow what they are halves of.
    pub steps: Vec<Step>,
    /// Cases without inputs.
    pub empty: Vec<usize>,
    /// What the network's pre-activations are called.
    pub names: Names,
}

/// The proof of one claim.
#[derive(Debug, Clone)]
pub struct Section {
    /// The numbers of its cases in the file, increasing.
    pub cases: Vec<usize>,
    /// How.
    pub body: Body,
}

/// How one claim is proved.
#[derive(Debug, Clone)]
pub enum Body {
    /// By a sweep over interval bounds.
    Bounds,
    /// By a tree of splits of inputs, perhaps of one leaf; its first step.
    Inputs(u32),
    /// By optimised sweeps and splits of ReLUs.
    Relus(ClaimRecord),
}

impl Proof {
    /// Proves the leaves of trees of input splits again by what the checker has: sweeps, no forward bounds.
    pub fn by_sweeps(&mut self, net: &Network, property: &Property, limits: &Limits) {
        let root = |(claim, section): (usize, &Section)| match section.body {
            Body::Inputs(root) => Some((claim, root)),
            _ => None,
        };
        let roots: Vec<(usize, u32)> = self.sections.iter().enumerate().filter_map(root).collect();
        let mut record = Record::from(std::mem::take(&mut self.steps));
        // Leaves that this leaves open are the checker's to reject.
        let _ = prove_leaves_by_sweeps(net, property, &roots, &mut record, limits);
        self.steps = record.steps;
    }

    /// Does more where the checker found a bound too weak: halves the leaf at `path` (as the checker names it) or leaves out
    /// what was refuted and clipped before its box was halved. Returns whether that was possible.
    pub fn mend(&mut self, path: &str, property: &Property) -> bool {
        let Some((section, turns)) = path.split_once(':') else { return false };
        let Ok(number) = section.parse::<usize>() else { return false };
        let (Some(section), Some(claim)) =
            (self.sections.get_mut(number), property.claims.get(number))
        else {
            return false;
        };
        let root = match section.body {
            Body::Bounds => {
                // Intermediate bounds by sweeps, too.
                section.body = Body::Inputs(self.steps.len() as u32);
                self.steps.push(Step::default());
                return true;
            }
            Body::Inputs(root) => root,
            Body::Relus(_) => return false,
        };
        let region = &claim.region;
        let (mut lower, mut upper) = (region.lower().to_vec(), region.upper().to_vec());
        let mut at = root as usize;
        for turn in turns.chars() {
            let step = &self.steps[at];
            for slab in step.clips.iter().flat_map(|clip| &clip.slabs) {
                (if slab.upper { &mut upper } else { &mut lower })[slab.input as usize] = slab.at;
            }
            let Some(halves) = step.halves else { return false };
            (if turn == '<' { &mut upper } else { &mut lower })[halves.input as usize] = halves.at;
            at = halves.below as usize + usize::from(turn == '>');
        }
        let step = &mut self.steps[at];
        let forgot = step.forget();
        if step.halves.is_some() {
            return forgot;
        }
        // The input that is widest for its region.
        let share = |i: usize| (upper[i] - lower[i]) / (region.upper()[i] - region.lower()[i]);
        let middle = |i: usize| 0.5 * lower[i] + 0.5 * upper[i];
        let widest = (0..lower.len())
            .filter(|&i| lower[i] < middle(i) && middle(i) < upper[i])
            .max_by(|&i, &j| share(i).total_cmp(&share(j)));
        let Some(i) = widest else { return false };
        let below = self.steps.len() as u32;
        self.steps[at].halves = Some(Halves { input: i as u32, at: middle(i), below });
        self.steps.extend([Step::default(), Step::default()]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::from_f64;
    use crate::spec::{Claim, Region};

    #[test]
    fn mending_goes_on_where_the_checker_stopped() {
        let ends = |a: f64, b: f64| (from_f64(a).unwrap(), from_f64(b).unwrap());
        let region = Region::from_bounds(&[ends(0.0, 1.0), ends(0.0, 4.0)]).unwrap();
        let claims = vec![Claim { region, unsafe_set: vec![] }];
        let property = Property { claims, uses_inputs: false };
        let sections = vec![Section { cases: vec![0], body: Body::Bounds }];
        let names = Names::default();
        let mut proof = Proof { sections, steps: vec![], empty: vec![], names };
        assert!(proof.mend("0:", &property));
        assert!(matches!(proof.sections[0].body, Body::Inputs(0)));
        assert!(proof.mend("0:", &property) && proof.mend("0:>", &property));
        assert_eq!(proof.steps[0].halves, Some(Halves { input: 1, at: 2.0, below: 1 }));
        assert_eq!(proof.steps[2].halves, Some(Halves { input: 0, at: 0.5, below: 3 }));
        assert!(!proof.mend("1:", &property) && !proof.mend("top", &property));
        assert!(!proof.mend("0:<<", &property) && !proof.mend("0:", &property));
    }
}

//! Certus: certified robustness of neural networks, with evidence for every verdict.
//!
//! # The mathematics in one page
//!
//! A network is a function N over the reals; a *region* R is a box of inputs; a *claim* says that no x ∈ R has N(x) in an
//! unsafe set, a union of polytopes { y : aᵢᵀy ≤ bᵢ for all i }. For a classifier with label c the polytopes are
//! { y : y_c − y_t ≤ 0 }, one for each other class t.
//!
//! *Bounds.* Interval arithmetic encloses every neuron. On an interval l < 0 < u a ReLU lies between lines,
//! α z ≤ max(z, 0) ≤ s z + t for any α, s ∈ \[0, 1\] and t = max(−s l, (1 − s) u). Substituting lines backwards through the
//! graph turns a functional aᵀN(x) into a lower bound that is linear in x (CROWN), whose minimum over R is at a corner.
//! If it exceeds b, the half-space aᵀy ≤ b is unreachable.
//!
//! *Rounding.* Every dot product of length n may err by γₙ Σ|aᵢ||wᵢ|, γₙ ≈ n 2⁻⁵³, whatever the order of summation; each
//! step charges that to the bound, so the library matrix product can be used as it is. See docs/soundness.md.
//!
//! *Search proposes, evaluation disposes.* Slopes, multipliers of splits and LP duals are hints; one backward sweep turns
//! them into a bound, and nothing else may decide that a claim holds. A counterexample counts when an outward-rounded
//! enclosure of N at a point of the exact region lies in the unsafe set.
//!
//! # The modules, in dependency order: each uses only those before it
//!
//! [`num`] → [`net`] → [`spec`] → [`load`] → [`query`] → [`attack`] → [`bound`] → [`lp`] → [`branch`] → [`prove`] → [`verify`] →
//! [`audit`] → [`report`] → [`cli`]
pub mod num;

pub mod net;

pub mod spec;

pub mod load;

pub mod query;

pub mod attack;

pub mod bound;

pub mod lp;

pub mod branch;

pub mod prove;

pub mod verify;

pub mod audit;

pub mod report;

pub mod cli;

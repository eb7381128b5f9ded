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
//!
//! # Features
//!
//! All are on unless `default-features = false`. `cli`: the program, audits and reports, which are most of the packages. `solvers`: linear and
//! mixed-integer programs; without them the methods `lp` and `milp` prove what the stages before them do. `npz`: data in NumPy's archives.
//! `tables`: data in CSV files, and settings in a file beside the data.
//!
//! # From outside
//!
//! A [`Query`] is what is asked; [`verify`], [`verify_with_proof`], [`attack`] and [`bounds`] answer it. What else the modules hold is
//! public for the command, the tests and the curious, is not shown here, and may change at any time.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod num;

#[doc(hidden)]
pub mod net;

#[doc(hidden)]
pub mod spec;

#[doc(hidden)]
pub mod load;

#[doc(hidden)]
pub mod query;

#[doc(hidden)]
pub mod attack;

#[doc(hidden)]
pub mod bound;

#[doc(hidden)]
pub mod lp;

#[doc(hidden)]
pub mod branch;

#[doc(hidden)]
pub mod prove;

#[doc(hidden)]
pub mod verify;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod audit;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod report;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use attack::{AttackKind, AttackSettings, Counterexample, attack, attack_any};
pub use bound::{Intermediate, OutputBounds, bounds};
pub use load::{
    DataSettings, Dataset, DatasetError, LoadedNetwork, NetworkError, PropertyError, WriteError,
    load_network, load_network_bytes, write_onnx,
};
pub use net::{BuildError, LinearMap, Matrix, Network, NetworkBuilder};
pub use num::{Rational, parse_rational};
pub use prove::{Mode, Model, NotProved, Proof, Proved, certify};
pub use query::{Classifier, ClassifierError, OpenError, Query, QueryError};
pub use spec::{Claim, HalfSpace, Norm, Property, Region, RegionError};
pub use verify::{
    AssuranceLevel, Certificate, Method, Outcome, ProofWish, Settings, Verdict, verify,
    verify_with_proof,
};

/// The matrices of [`Matrix`].
pub use nalgebra;

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
//! `num` → `net` → `spec` → `load` → `query` → `attack` → `bound` → `lp` → `branch` → `prove` → `verify` →
//! `testing` → `audit` → `report` → `cli`
//!
//! # Features
//!
//! All are on unless `default-features = false`. `cli`: the program, audits and reports, which are most of the packages. `solvers`: linear and
//! mixed-integer programs; without them the methods `lp` and `milp` prove what the stages before them do. `npz`: data in NumPy's archives.
//! `tables`: data in CSV files, and settings in a file beside the data. Off unless asked for: `testing`, the laws of verification with strategies
//! for proptest (docs/testing.md).
//!
//! # From outside
//!
//! A [`Query`] is what is asked; [`verify`], [`verify_with_proof`], [`attack`] and [`bounds`] answer it. What else the
//! modules hold is their own; the program and the tests reach it through a hidden module.

#![forbid(unsafe_code)]
// What only the program uses.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

mod attack;
mod bound;
mod branch;
mod load;
mod lp;
mod net;
mod num;
mod prove;
mod query;
mod spec;
mod verify;

#[cfg(any(feature = "cli", feature = "testing"))]
#[cfg_attr(not(feature = "testing"), doc(hidden))]
pub mod testing;

#[cfg(feature = "cli")]
mod audit;

#[cfg(feature = "cli")]
mod report;

#[cfg(feature = "cli")]
mod cli;

pub use attack::{AttackKind, AttackSettings, Counterexample, attack, attack_any};
pub use bound::{Intermediate, OutputBounds, bounds};
pub use load::{
    DataSettings, DataWarning, Dataset, DatasetError, LoadSettings, LoadedNetwork, Meant,
    NetworkError, PropertyError, RawArray, WriteError, load_network, load_network_as,
    load_network_bytes, write_onnx,
};
pub use net::{BuildError, LinearMap, Matrix, Network, NetworkBuilder, NotSingle, Semantics};
pub use num::{Rational, parse_rational};
pub use prove::{Checker, Mode, Model, NotProved, Proof, Proved, Verified, certify};
pub use query::{Classifier, ClassifierError, FirstLook, OpenError, Query, QueryError, Warning};
pub use spec::{Claim, HalfSpace, Norm, Property, Region, RegionError};
pub use verify::{
    AssuranceLevel, Certificate, Method, Outcome, ProofWish, Settings, Verdict, verify,
    verify_with_proof,
};

/// The matrices of [`Matrix`].
pub use nalgebra;

/// What the program, the tests and the benches reach into: no part of the interface, and free to change at any time.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "cli")]
    pub use crate::cli::{Call, Called, Failure, Started, call, main, main_as};
    pub mod num {
        pub use crate::num::{
            Rational, exact_decimal, from_f64, parse_rational, round_nearest, to_f64_nearest,
        };
    }
    pub mod net {
        pub use crate::net::{
            Boxes, BuildError, Computed, Conv, ConvGeometry, Elu, FinalOperator, Function,
            GeluTanh, LinearMap, Matrix, Network, NetworkBuilder, Node, NodeId, Op, Parameter,
            Power, Semantics, Sparse, Step, Term,
        };
    }
    pub mod spec {
        pub use crate::spec::{Claim, HalfSpace, Norm, Polytope, Property, Region};
    }
    pub mod load {
        pub use crate::load::{
            DataSettings, Dataset, DatasetError, EncodingProblem, ExternalProblem, Layout,
            LoadSettings, LoadedNetwork, ModelProblem, NetworkError, NodeProblem, Problem,
            PropertyError, SourceFile, Statement, TensorProblem, WriteError, load_network,
            load_network_as, load_network_bytes, load_reference, load_statement, parse_statement,
            sha256_hex, write_onnx, write_vnnlib,
        };
    }
    pub mod query {
        pub use crate::query::{Classifier, ClassifierError, Query, QueryError};
    }
    pub mod attack {
        pub use crate::attack::{
            AttackKind, AttackSettings, Counterexample, Loss, Motion, Schedule, SplitMix64, attack,
            attack_any, attack_suite, minimum_norm, probe_gradients, search_batch, validate,
        };
    }
    pub mod bound {
        pub use crate::bound::{
            Analysis, Climb, Costs, Functionals, Goal, Intermediate, Layers, Lift, Multipliers,
            Reduced, Start, Sweep, Swept, climb, default_slopes, optimise_intermediate,
        };
    }
    pub mod lp {
        pub use crate::lp::{
            Answer, Clarabel, DualSolver, Prepared, Program, TriangleLp, lower_in_leaf, prospect,
            raise, reached, tighten,
        };
        pub mod milp {
            pub use crate::lp::milp::{MilpAnswer, MilpSolver, reachable};
        }
    }
    pub mod branch {
        pub use crate::branch::{
            Answer, End, Hints, Interlude, Lemma, Limits, Line, Node, Reason, Refutation, Searched,
            Tree, refine_intermediate, search, split_inputs, split_relus,
        };
    }
    pub mod prove {
        pub use crate::prove::{
            Ask, Mode, NotProved, Proof, Proved, Question, Unmended, Wish, certify,
        };
    }
    pub mod verify {
        pub use crate::verify::{
            AssuranceLevel, Method, Outcome, ProofWish, Settings, Stage, Verdict, find_proof,
            verify, verify_with_proof,
        };
    }
    #[cfg(feature = "cli")]
    pub use crate::testing;
    #[cfg(feature = "cli")]
    pub mod audit {
        pub use crate::audit::{Classification, Finding, Prediction, Share};
        pub mod classification {
            pub use crate::audit::classification::{Averages, ClassFigures, roc_auc};
        }
        pub mod interval {
            pub use crate::audit::interval::{Interval, clopper_pearson};
        }
        pub mod semantic {
            pub use crate::audit::semantic::{
                Fill, Patch, Perturbation, PerturbationError, Scene, SemanticError, SemanticQuery,
                certify,
            };
        }
        pub mod shift {
            pub use crate::audit::shift::{Corruption, Frame, Image, Severity};
        }
    }
}

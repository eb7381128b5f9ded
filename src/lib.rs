//! Certus: certified robustness of neural networks, with evidence for every verdict.
pub mod attack;
pub mod bound;
pub mod load;
pub mod net;
pub mod num;
pub mod spec;

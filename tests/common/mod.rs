//! Shared by the integration tests: random networks and exact evaluation.
#![allow(dead_code)]

pub mod exact;
pub mod nets;
pub mod seeded;

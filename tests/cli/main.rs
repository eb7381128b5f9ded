//! The program as its users meet it: arguments in; exit code, files and text out.

mod again;
mod audit;
mod bench;
mod browser;
#[path = "../common/mod.rs"]
mod common;
mod errors;
mod evidence;
mod first_use;
mod help;
mod json;
mod laws;
mod layout;
mod proofs;
mod radius;
mod report;
mod resume;
mod schema;
mod shards;
#[path = "../common/skip.rs"]
mod skip;
mod statistics;
mod support;
mod verify;
mod wrong_data;

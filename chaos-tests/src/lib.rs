//! The core's own sources once more, over a [`sync`] in which everything that may happen to a caller happens all the time:
//! an exchange fails although nobody came between, and another thread runs before every look, lock and look-up.
//!
//! `tests/contract.rs` runs the core's tests over it. What it is and what it is not is in `docs/concurrency.md`.

pub mod chance;
mod sync;
#[cfg(test)]
mod weak;

include!(concat!(env!("OUT_DIR"), "/core/lib.rs"));

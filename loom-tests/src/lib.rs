//! The kernel's own files once more, over modelled atomics and locks: one model per promise, each with a broken twin
//! that must be found. See `docs/concurrency.md`.
//!
//! An ordinary test crate: `cargo test` runs every model, without a feature, a `cfg` or a compiler flag that could
//! turn the real build into a model.

#[cfg(test)]
mod alone;
#[cfg(test)]
mod breaks;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod history;
#[cfg(test)]
#[expect(dead_code, reason = "compiled whole, as the core has it; a model uses what its promise needs")]
#[path = "../../crates/enforce-core/src/kernel/mod.rs"]
mod kernel;
#[cfg(test)]
mod models;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod race;
#[cfg(test)]
mod sync;

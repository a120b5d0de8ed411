//! Tails: what a step costs at worst while executions come and go, and while their tables grow.

mod come_and_go;
mod growth;
mod tail;

pub use come_and_go::{Steps, enact_while_others_come_and_go, ours_while_others_come_and_go};
pub use growth::{Grown, enact_growing, ours_growing};
pub use tail::{Percentiles, Tail};

/// The id of a live execution that is asked.
fn id(number: u64) -> String {
    format!("exec_{number:027}")
}

/// One of a thousand tenants.
fn tenant(number: u64) -> String {
    format!("tenant_{:025}", number % 1_000)
}

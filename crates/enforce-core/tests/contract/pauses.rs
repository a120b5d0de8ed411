//! Pauses, what ends them, and limits that change while an execution runs (E2, E3, L1).

mod approvals;
mod changes;
mod next_period;
mod time;

use enforce_core::{Approval, Execution, PauseTicket};

fn ticket(run: &Execution) -> PauseTicket {
    run.pause_ticket().unwrap()
}

fn approval() -> Approval {
    Approval::new("ada", "go on")
}

//! Each limit at its edges, each action, what a refusal says and what error it becomes.

use enforce_core::{Action, Cause, EnforcementPolicy, LimitActions, Status};

mod allowances;
mod amounts;
pub(crate) mod budgets;
mod errors;
mod guards;
mod hosts;
mod order;
mod overdrafts;
mod rates;
mod times;

/// The policy in which every limit that may has this action.
pub(crate) fn all(action: Action) -> EnforcementPolicy {
    let actions = LimitActions {
        steps: action,
        tokens: action,
        cost: action,
        wall_time: action,
        idle: action,
        same_step_loop: action,
        memory: action,
        discovered_steps: action,
        cost_threshold: action,
        allowances: action,
        ..LimitActions::default()
    };
    EnforcementPolicy { actions, ..EnforcementPolicy::default() }
}

/// What becomes of an execution by an exhausted limit with this action.
pub(crate) fn outcome(action: Action, cause: Cause) -> Status {
    match action {
        Action::Halt => Status::Halted(cause),
        Action::Pause => Status::Paused(cause),
        Action::Refuse | Action::Observe => Status::Live,
    }
}

pub(crate) const ACTIONS: [Action; 4] = [Action::Refuse, Action::Halt, Action::Pause, Action::Observe];

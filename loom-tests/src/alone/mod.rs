//! The kernel one step at a time, in one thread: what no race is needed for, and a model of many threads passes by. Most of
//! this is here because a small mutation of the kernel had gone unnoticed.

mod attachments;
mod bounds;
mod epochs;
mod outbox;
mod own;
mod queue;
mod rate;
mod repetition;
mod state;
mod tally;
mod timers;
mod wheel;
mod window;

/// One thread, one order.
fn alone(scenario: impl Fn() + Send + Sync + 'static) {
    loom::model::Builder::new().check(scenario);
}

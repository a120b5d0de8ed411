//! The kernel one step at a time, in one thread: what no race is needed for, and a model of many threads passes by. Most of
//! this is here because a small mutation of the kernel had gone unnoticed.

mod attachments;
mod bounds;
mod epochs;
mod outbox;
mod own;
mod queue;
mod repetition;

/// One thread, one order.
fn alone(scenario: impl Fn() + Send + Sync + 'static) {
    loom::model::Builder::new().check(scenario);
}

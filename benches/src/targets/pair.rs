//! Two threads at once.

use super::SHARED_ROUNDS;
use crate::report::{Row, Target};
use crate::{Rounds, ours, rivals, words};

pub(super) fn rows() -> Vec<Row> {
    use Target::{AtLeast, AtMost, None};
    let two = Rounds::all(SHARED_ROUNDS)
        .with([
            ours::usual_on_two_threads(),
            rivals::enact::whole_on_two_threads(),
            ours::shared::register_and_finish(),
            rivals::enact::registering_on_two_threads(),
            ours::shared::by_id(),
            rivals::mutex_map::on_two_threads(),
            ours::budgets::on_two_threads(),
            rivals::budget_context::on_two_threads(),
            ours::shared::one(),
            words::gauge_on_two_threads(),
            rivals::semaphore::on_two_threads(),
        ])
        .run();
    vec![
        Row::under(
            "whole cycle, two workers, one execution",
            &two,
            "handle, usual, two threads",
            "enact whole, two threads",
            AtLeast(25.0),
        ),
        Row::under(
            "register + finish, two threads",
            &two,
            "register + finish, two threads",
            "enact register + unregister, two threads",
            AtLeast(8.0),
        ),
        Row::under(
            "steps, tokens, money, two workers",
            &two,
            "steps, tokens, money, two threads",
            "budget-context, two threads",
            AtLeast(5.0),
        ),
        Row::under(
            "by id, bare, 1k, two threads",
            &two,
            "by id, bare, two threads",
            "Mutex<HashMap>, two threads",
            None,
        ),
        Row::over(
            "handle, bare, two workers, one execution",
            &two,
            "handle, bare, two threads",
            "tokio Semaphore, two threads",
            None,
        ),
        Row::over(
            "take + give back, two threads",
            &two,
            "take + give back, two threads",
            "tokio Semaphore, two threads",
            AtMost(1.0),
        ),
    ]
}

//! The rows of `ratios`, subject by subject. What stands in one row was measured in the same rounds.

mod awaited;
mod crowd;
mod hot;
mod pair;
mod tree;

use crate::report::Row;
use crate::rounds::{Case, Rounds};

/// How often every case takes its turn.
pub const ROUNDS: usize = 1_001;
/// The same on two threads, where a turn is ten times as long.
pub const SHARED_ROUNDS: usize = 101;

/// Every row that is a time; `about` is told what is measured next.
pub fn rows(mut about: impl FnMut(&str)) -> Vec<Row> {
    let mut rows = Vec::new();
    for (subject, measure) in SUBJECTS {
        about(subject);
        rows.extend(measure());
    }
    rows
}

type Subject = (&'static str, fn() -> Vec<Row>);

const SUBJECTS: [Subject; 5] = [
    ("the hot paths", hot::rows),
    ("tasks", awaited::rows),
    ("trees", tree::rows),
    ("two threads", pair::rows),
    ("few and many executions", crowd::rows),
];

fn quiet(cases: impl IntoIterator<Item = Case>) -> Rounds {
    Rounds::quiet(ROUNDS).with(cases)
}

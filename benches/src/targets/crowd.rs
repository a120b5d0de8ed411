//! A thousand live executions, a hundred thousand, a million: what fits into the caches and what does not.

use crate::ids::Ids;
use crate::ours::crowd::Crowd;
use crate::report::{Row, Target};
use crate::{floor, ours, rivals};

/// How many, and how that is written.
const SIZES: [(usize, &str); 3] = [(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")];

pub(super) fn rows() -> Vec<Row> {
    SIZES.iter().flat_map(|(live, label)| of(*live, label)).collect()
}

/// One size after the other, so that the memory of one is free for the next.
fn of(live: usize, label: &str) -> Vec<Row> {
    use Target::{AtMost, None};
    let ids = Ids::of(live);
    let crowd = Crowd::new(&ids);
    let named = |what: &str| format!("{what}, {label}");
    let figures = super::quiet([
        floor::cas(),
        crowd.by_handle(named("handle")),
        crowd.by_id(named("by id")),
        floor::map_get_of(named("map get"), ids.clone()),
        rivals::enact::step_of(named("enact step"), &ids),
        rivals::mutex_map::step(named("Mutex<HashMap>"), &ids),
        ours::rates::by_key(named("rate by key"), &ids),
        rivals::governor::keyed(named("governor keyed"), &ids),
        rivals::governor::keyed_clock(named("governor keyed, own clock"), &ids),
    ])
    .run();
    let row = |what: &str| format!("{what}, live {label}");
    vec![
        Row::over(row("handle, bare"), &figures, &named("handle"), "CAS", None),
        Row::over(row("by id, bare"), &figures, &named("by id"), &named("map get"), AtMost(1.6)),
        Row::under(row("– beside a step of enact's"), &figures, &named("by id"), &named("enact step"), None),
        Row::over(row("– beside Mutex<HashMap>"), &figures, &named("by id"), &named("Mutex<HashMap>"), None),
        Row::over(row("– beside governor keyed"), &figures, &named("by id"), &named("governor keyed"), None),
        Row::over(row("rate by key"), &figures, &named("rate by key"), &named("governor keyed"), AtMost(0.8)),
        Row::over(
            row("– beside governor's own clock"),
            &figures,
            &named("rate by key"),
            &named("governor keyed, own clock"),
            None,
        ),
    ]
}

//! Others' answers to single questions, and ours beside them.

use enforce_benches::{Ids, bench, ours, rivals, words};

fn main() {
    let ids = Ids::hot();
    let trees = (1..=4).flat_map(|scopes| {
        [
            ours::trees::step(format!("step, scopes {scopes}"), scopes),
            ours::trees::whole(format!("steps, tokens, money, scopes {scopes}"), scopes),
            rivals::budget_context::step(format!("budget-context step, scopes {scopes}"), scopes),
            rivals::budget_context::whole(format!("budget-context, scopes {scopes}"), scopes),
        ]
    });
    let cells = [
        words::rate(),
        rivals::governor::direct(),
        rivals::governor::direct_clock(),
        rivals::ratelimit::given(),
        rivals::ratelimit::own_clock(),
        rivals::leaky_bucket::try_acquire(),
        ours::rates::by_key("rate by key, 1k", &ids),
        rivals::governor::keyed("governor keyed, 1k", &ids),
        rivals::governor::keyed_clock("governor keyed, 1k, own clock", &ids),
        rivals::mutex_map::step("Mutex<HashMap>, 1k", &ids),
        words::gauge(),
        rivals::semaphore::try_acquire(),
        ours::budgets::money(),
        rivals::llm_budget::agent(),
        rivals::llm_budget::counter(),
        rivals::semaphore::acquire(),
        ours::rates::acquired(),
        rivals::governor::until_ready(),
        rivals::leaky_bucket::acquire(),
    ];
    bench(cells.into_iter().chain(trees));
}

//! Rates around an execution: one cell for each tenant, and one that a task waits for.

use std::hint::black_box;

use enforce_async::ExecutionExt;
use enforce_core::{Demand, Enforcer, ProviderKey, RateLimit, RatePeriod, RateUnit};

use super::{Ticks, register};
use crate::Case;
use crate::ids::Ids;
use crate::rounds::ready;

/// One request a nanosecond, a second's worth at once: refuses nobody.
const REQUESTS: u64 = 60_000_000_000;
const BURST: u64 = 1_000_000_000;

/// An enforcer that limits the requests of each tenant with a provider, and nothing else.
#[expect(clippy::expect_used, reason = "a rate and a name that are known to be valid")]
fn enforcer() -> (Enforcer, ProviderKey) {
    let rate = RateLimit::tenant_provider(RateUnit::Requests, REQUESTS, RatePeriod::Minute).burst(BURST);
    let enforcer = Enforcer::builder().rate(rate).build().expect("a valid rate");
    let provider = enforcer.provider("anthropic").expect("a valid name");
    (enforcer, provider)
}

/// By id, the time given: a request of an execution whose tenant has a rate for itself alone. Two tables are asked, that
/// of the executions and that of the tenant's rates.
#[expect(clippy::expect_used, reason = "ids that are free")]
pub fn by_key(name: impl Into<String>, ids: &Ids) -> Case {
    let (enforcer, provider) = enforcer();
    for id in ids.sorted() {
        enforcer.execution(id, id).register().expect("a free id");
    }
    let (mut ids, mut ticks) = (ids.clone(), Ticks::from(enforcer.clock().now()));
    Case::new(name, move || {
        drop(enforcer.reserve_at(ids.next_id(), Demand::none().provider(provider), ticks.tick()));
    })
}

/// Awaited, ready at its first poll: a request under a rate. The clock is the enforcer's.
pub fn acquired() -> Case {
    let (enforcer, provider) = enforcer();
    let run = register(&enforcer, "exec_000000000000000000000000000");
    Case::new("acquire, rate", move || {
        black_box(ready(run.acquire(Demand::none().provider(provider))));
    })
}

//! A tenant's rates go with it, and only when they have passed (G2).

use std::time::Duration;

use enforce_core::{Actual, Demand, Enforcer, RateLimit, RatePeriod, RateUnit, RegisterError, Retry, Timestamp};

use super::{after, provider};
use crate::common::{NOON, SECOND, builder, noon, pass, register};

fn rated(time: &enforce_core::ManualClock, max_tenants: u64) -> Enforcer {
    let rate = RateLimit::tenant_provider(RateUnit::TotalTokens, 60, RatePeriod::Minute).burst(10);
    builder(time).rate(rate).max_tenants(max_tenants).build().unwrap()
}

fn use_tokens(enforcer: &Enforcer, tenant: &str, tokens: u64) {
    let run = register(enforcer, "exec", tenant);
    let demand = Demand::step().provider(provider(enforcer, "lab")).tokens(tokens, 0);
    run.reserve(demand).unwrap().settle(Actual::tokens(tokens, 0));
    run.finish();
}

#[test]
fn g2_a_tenant_whose_rates_have_not_passed_is_kept_and_one_whose_have_is_let_go() {
    let time = noon();
    let enforcer = rated(&time, 1);
    use_tokens(&enforcer, "tenant", 10);
    let next = |name: &str| enforcer.execution("next", name.to_owned()).register().map(|run| run.finish().steps);
    pass(&time, 10 * SECOND - 1);
    assert_eq!(next("other"), Err(RegisterError::Full { table: "tenants" }));
    assert!(enforcer.evict_idle_tenants().is_empty());
    pass(&time, 1);
    assert_eq!(next("other"), Ok(0));
    assert!(enforcer.tenant_usage("tenant").is_none());
}

#[test]
fn g2_debt_keeps_a_tenant_until_it_has_drained() {
    let time = noon();
    let enforcer = rated(&time, 9);
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(provider(&enforcer, "lab"));
    run.reserve(demand).unwrap().settle(Actual::tokens(1_000, 0));
    drop(run.finish());
    drop(run);
    pass(&time, 1_000 * SECOND - 1);
    assert!(enforcer.evict_idle_tenants().is_empty());
    pass(&time, 1);
    assert_eq!(enforcer.evict_idle_tenants().len(), 1);
}

#[test]
fn g2_who_steps_back_behind_an_eviction_is_granted_nothing_by_it() {
    let time = noon();
    let enforcer = rated(&time, 9);
    use_tokens(&enforcer, "tenant", 10);
    pass(&time, 10 * SECOND);
    assert_eq!(enforcer.evict_idle_tenants().len(), 1);
    time.set(Timestamp::from_nanos(NOON + 2 * SECOND));
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(provider(&enforcer, "lab"));
    assert_eq!(run.reserve(demand.tokens(3, 0)).unwrap_err().retry, after(1), "two have drained by then, as before");
    assert!(run.reserve(demand.tokens(2, 0)).is_ok());
}

#[test]
fn g2_a_handle_that_is_held_keeps_its_tenants_rates() {
    let time = noon();
    let enforcer = rated(&time, 1);
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(provider(&enforcer, "lab"));
    let hold = run.reserve_owned(demand.tokens(10, 0)).unwrap();
    run.finish();
    drop(run);
    pass(&time, 60 * SECOND);
    assert!(enforcer.evict_idle_tenants().is_empty(), "its hold is open");
    hold.settle(Actual::tokens(70, 0));
    assert!(enforcer.evict_idle_tenants().is_empty(), "it owes");
    let next = register(&enforcer, "next", "tenant");
    let refused = next.reserve(demand).unwrap_err();
    assert_eq!(refused.retry, Retry::After(Duration::from_secs(50)), "whoever comes next owes it, too");
}

#[test]
fn a_stranger_who_names_ever_new_tenants_is_held_to_the_cap() {
    let time = noon();
    let enforcer = rated(&time, 8);
    for number in 0..500 {
        use_tokens(&enforcer, &format!("tenant_{number}"), 10);
        pass(&time, 2 * SECOND);
        assert!(enforcer.tenant_count() <= 8);
    }
}

//! Absurd amounts, times, names and table sizes (N1): an answer each time, never a panic, a wrap or a residue.

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, LimitActions, ResourceLimits, Retry, Status, ViolationType,
};

use crate::common::{MAX, builder, kind, nano, noon, register, run, unlimited};

#[test]
fn n1_check_and_reserve_agree_that_a_sum_past_the_bound_fits_nothing() {
    for demand in [
        Demand::none().tokens(MAX, 0),
        Demand::none().memory_bytes(MAX),
        Demand::none().cost(nano(MAX)),
        Demand::none().discovered_steps(MAX),
    ] {
        for actions in [LimitActions::default(), LimitActions::observe()] {
            let policy = EnforcementPolicy { actions, ..Default::default() };
            let run = register(&builder(&noon()).policy(policy).build().unwrap(), "exec", "tenant");
            let _first = run.reserve(demand).unwrap();
            assert!(run.check(demand).is_blocked(), "{demand:?}");
            assert!(run.reserve(demand).is_err(), "{demand:?}");
            assert_eq!(run.status(), Status::Live);
        }
    }
}

#[test]
fn n1_an_absurd_demand_of_an_exhausted_limit_halts_as_any_other_does() {
    for amount in [1, MAX, MAX + 1, u64::MAX] {
        let run = run(ResourceLimits { max_tokens: 10, ..unlimited() });
        run.charge(Actual::tokens(10, 0));
        assert_eq!(kind(run.reserve(Demand::none().tokens(amount, 0))), Some(ViolationType::TokenLimit));
        assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::TokenLimit)), "{amount}");
    }
}

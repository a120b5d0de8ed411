//! What becomes of a hold that is dropped unsettled, as it chose.

use std::panic::{AssertUnwindSafe, catch_unwind};

use enforce_core::{
    Actual, Cause, Demand, Execution, LongRunningExecutionPolicy, OnDrop, ResourceLimits, Status, TenantPolicy,
    ViolationType,
};

use super::{committed, outstanding, roomy};
use crate::common::{builder, disabled, nano, noon, register, run, run_long, unlimited};

/// 60 input and 40 output tokens, 31 nano-dollars, 7 bytes, one step, two discovered.
fn whole(on_drop: OnDrop) -> Demand {
    Demand::step().tokens(60, 40).cost(nano(31)).memory_bytes(7).discovered_steps(2).on_drop(on_drop)
}

type Committed = (u64, u64, u64, u64, u64);

const POLICIES: [(OnDrop, Committed); 3] = [
    (OnDrop::GiveBack, (1, 0, 0, 0, 2)),
    (OnDrop::ChargeAll, (1, 60, 40, 31, 2)),
    // 31 · 60 / 100 = 18.6
    (OnDrop::ChargeInput, (1, 60, 0, 19, 2)),
];

#[test]
fn r1_a_dropped_hold_is_committed_as_its_policy_says_and_nothing_of_it_stays_open() {
    let drops: [fn(&Execution, Demand); 3] = [
        |run, demand| drop(run.reserve(demand).unwrap()),
        |run, demand| drop(run.reserve_owned(demand).unwrap()),
        |run, demand| {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _hold = run.reserve(demand).unwrap();
                std::panic::resume_unwind(Box::new(()));
            }));
            assert!(panicked.is_err());
        },
    ];
    for (policy, expected) in POLICIES {
        for dropping in drops {
            let run = run(roomy());
            dropping(&run, whole(policy));
            assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), expected), "{policy:?}");
        }
    }
}

#[test]
fn r1_a_hold_changes_its_mind_while_it_is_open_and_a_settle_asks_no_policy() {
    for (policy, expected) in POLICIES {
        let run = run(roomy());
        let mut hold = run.reserve(whole(OnDrop::ChargeAll)).unwrap();
        hold.on_drop(policy);
        drop(hold);
        assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), expected), "{policy:?}");

        let run = crate::common::run(roomy());
        run.reserve(whole(policy)).unwrap().settle(Actual::none());
        assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 0, 0, 0, 2)), "{policy:?}");
    }
}

#[test]
fn r1_a_policy_covers_what_the_hold_was_extended_by() {
    for (policy, expected) in [
        (OnDrop::GiveBack, (1, 0, 0, 0, 0)),
        (OnDrop::ChargeAll, (1, 30, 70, 30, 0)),
        (OnDrop::ChargeInput, (1, 30, 0, 9, 0)),
    ] {
        let run = run(roomy());
        let mut hold = run.reserve(Demand::step().tokens(20, 10).cost(nano(10)).on_drop(policy)).unwrap();
        hold.extend(Demand::none().tokens(10, 60).cost(nano(20))).unwrap();
        drop(hold);
        assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), expected), "{policy:?}");
    }
}

#[test]
fn r1_a_policy_named_with_a_step_alone_covers_what_the_hold_was_extended_by() {
    for (policy, tokens) in [(OnDrop::GiveBack, 0), (OnDrop::ChargeAll, 70), (OnDrop::ChargeInput, 10)] {
        // Nothing is limited, or steps alone: one exchange is the whole decision.
        for limits in [unlimited(), ResourceLimits { max_steps: 9, ..unlimited() }] {
            let run = run(limits);
            let mut hold = run.reserve_owned(Demand::step().on_drop(policy)).unwrap();
            hold.extend(Demand::none().tokens(10, 60)).unwrap();
            drop(hold);
            assert_eq!(run.snapshot().total_tokens, tokens, "{policy:?}");
        }
    }
}

#[test]
fn c1_what_a_policy_charges_goes_up_the_whole_chain() {
    for (policy, (steps, input, output, cost, discovered)) in POLICIES {
        let budget = TenantPolicy { budget_usd: Some(nano(100)), ..Default::default() };
        let enforcer = builder(&noon()).limits(roomy()).tenant(budget).build().unwrap();
        let root = register(&enforcer, "root", "tenant");
        let child = root.child("child").register().unwrap();
        drop(child.reserve(whole(policy)).unwrap());
        for run in [&child, &root] {
            assert_eq!((outstanding(run), committed(run)), ((0, 0, 0), (steps, input, output, cost, discovered)));
        }
        let tenant = enforcer.tenant_usage("tenant").unwrap();
        assert_eq!((tenant.total_tokens, tenant.cost_nano_usd), (input + output, cost), "{policy:?}");
        let budget = tenant.budget.unwrap();
        assert_eq!((budget.committed, budget.outstanding), (cost, 0), "{policy:?}");
    }
}

#[test]
fn r1_what_a_policy_charges_after_the_end_is_in_the_sums_all_the_same() {
    let enforcer = builder(&noon()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(whole(OnDrop::ChargeAll)).unwrap();
    run.finish();
    drop(hold);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 60, 40, 31, 2)));
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().cost_nano_usd, 31);
}

#[test]
fn a_cost_threshold_that_a_dropped_hold_reaches_acts_before_the_drop_returns() {
    let long_running = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(31)), ..disabled() };
    for (policy, status) in [
        (OnDrop::GiveBack, Status::Live),
        (OnDrop::ChargeInput, Status::Live),
        (OnDrop::ChargeAll, Status::Paused(Cause::own(ViolationType::CostThreshold))),
    ] {
        let run = run_long(long_running.clone());
        drop(run.reserve(whole(policy)).unwrap());
        assert_eq!(run.status(), status, "{policy:?}");
    }
}

#[test]
fn n1_the_share_of_the_input_is_rounded_half_up_and_never_more_than_the_whole() {
    const MAX: u64 = crate::common::MAX;
    for (input, output, cost, charged) in [
        (0, 0, 9, 9),
        (0, 5, 9, 0),
        (5, 0, 9, 9),
        (1, 1, 1, 1),
        (1, 2, 1, 0),
        (2, 1, 1, 1),
        (1, 3, 2, 1),
        (1, MAX - 1, MAX, 1),
        (MAX - 1, 1, MAX, MAX - 1),
        (MAX / 2, MAX / 2 + 1, MAX, MAX / 2),
    ] {
        let run = run(unlimited());
        drop(run.reserve(Demand::none().tokens(input, output).cost(nano(cost)).on_drop(OnDrop::ChargeInput)).unwrap());
        assert_eq!(committed(&run), (0, input, 0, charged, 0), "{cost} for {input} and {output}");
    }
}

#[test]
fn a_slice_gives_back_what_was_not_used_whatever_its_demand_says_of_drops() {
    let root = run(ResourceLimits { max_tokens: 100, ..unlimited() });
    let child = root.child("child").slice(Demand::none().tokens(80, 0).on_drop(OnDrop::ChargeAll)).register().unwrap();
    drop(child.reserve(Demand::none().tokens(5, 0)).unwrap());
    child.charge(Actual::tokens(20, 0));
    child.finish();
    assert_eq!((outstanding(&root), committed(&root)), ((0, 0, 0), (0, 20, 0, 0, 0)));
}

//! Names and tables: ids come from strangers, every table is capped, and a refusal leaves nothing behind.

use enforce_core::{
    Actual, Cause, Demand, EnforcementResult, ProviderError, RegisterError, ResourceLimits, Retry, TenantPolicy,
    Timestamp, ViolationType,
};

use crate::common::{MAX, builder, kind, nano, noon, register, unlimited};

/// Ids that a stranger may think of.
fn weird() -> Vec<String> {
    let mut ids: Vec<String> = [
        "\0",
        "\n",
        " ",
        "../../etc/passwd",
        "\u{202e}txe",
        "'; DROP TABLE--",
        "\u{feff}",
        "🦀",
        "a\0b",
        "%s%n",
        "\u{10ffff}",
    ]
    .map(String::from)
    .into();
    ids.extend(["x".repeat(128), "é".repeat(64), "\u{1F980}".repeat(32)]);
    ids
}

#[test]
fn ids_of_1_to_128_bytes_are_names_whatever_is_in_them() {
    let enforcer = builder(&noon()).build().unwrap();
    for id in weird() {
        let run = register(&enforcer, &id, &id);
        assert_eq!((run.id(), run.tenant_id()), (id.as_str(), id.as_str()));
        assert!(enforcer.reserve(&id, Demand::step()).is_ok());
        assert_eq!(enforcer.provider(&id), enforcer.provider(&id));
        assert_eq!(enforcer.finish(&id).unwrap().execution_id, id);
        assert_eq!(enforcer.tenant_usage(&id).unwrap().steps, 1);
    }
    assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (0, weird().len() as u64));
}

#[test]
fn ids_of_0_or_129_bytes_are_refused_and_leave_nothing_behind() {
    let enforcer = builder(&noon()).build().unwrap();
    for (id, bytes) in
        [(String::new(), 0), ("x".repeat(129), 129), ("é".repeat(65), 130), ("x".repeat(1 << 20), 1 << 20)]
    {
        for (execution, tenant) in [(id.as_str(), "tenant"), ("exec", id.as_str())] {
            match enforcer.execution(execution, tenant).register() {
                Err(RegisterError::InvalidId(error)) => assert_eq!(error.bytes, bytes),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(enforcer.provider(&id), Err(ProviderError::InvalidName(error)) if error.bytes == bytes));
        assert_eq!(kind(enforcer.reserve(&id, Demand::step())), Some(ViolationType::UnknownExecution));
    }
    assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (0, 0));
}

#[test]
fn an_execution_that_is_not_registered_is_refused_by_every_verb() {
    let enforcer = builder(&noon()).build().unwrap();
    let kinds = [
        kind(enforcer.reserve("exec", Demand::none())),
        kind(enforcer.reserve_at("exec", Demand::none(), Timestamp::ZERO)),
        kind(enforcer.charge("exec", Actual::none())),
        kind(enforcer.touch("exec")),
        kind(enforcer.halt("exec", Cause::own(ViolationType::StepLimit))),
        kind(enforcer.finish("exec")),
    ];
    assert_eq!(kinds, [Some(ViolationType::UnknownExecution); 6]);
    let EnforcementResult::Blocked(violation) = enforcer.check("exec", Demand::none()) else {
        panic!("it fails closed")
    };
    assert_eq!((violation.retry, violation.to_error().is_fatal()), (Retry::Never, true));
    assert!(enforcer.get("exec").is_none() && enforcer.snapshot("exec").is_none());
    assert!(enforcer.tenant_usage("tenant").is_none());
}

#[test]
fn g1_a_full_table_of_executions_refuses_and_takes_neither_slot_nor_tenant() {
    for cap in [0, 1, 3] {
        let limits = ResourceLimits { max_concurrent_executions: Some(9), ..unlimited() };
        let enforcer = builder(&noon()).limits(limits).max_executions(cap).build().unwrap();
        let runs: Vec<_> = (0..cap).map(|number| register(&enforcer, &format!("exec_{number}"), "tenant")).collect();
        for tenant in ["tenant", "other"] {
            let refused = enforcer.execution("one_more", tenant).register();
            assert_eq!(refused.unwrap_err(), RegisterError::Full { table: "executions" });
        }
        assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (cap, u64::from(cap > 0)));
        assert_eq!(enforcer.tenant_usage("tenant").map_or(0, |usage| usage.live_executions), cap);
        for run in runs {
            run.finish();
            assert!(enforcer.execution("one_more", "other").register().is_ok_and(|next| next.finish().steps == 0));
        }
    }
}

#[test]
fn a_full_table_of_tenants_refuses_while_all_are_needed_and_evicts_one_that_is_not() {
    let enforcer = builder(&noon()).max_tenants(2).build().unwrap();
    let (first, second) = (register(&enforcer, "first", "tenant_1"), register(&enforcer, "second", "tenant_2"));
    first.charge(Actual::tokens(1, 1));
    let full = || enforcer.execution("third", "tenant_3").register().map(|_| ()).unwrap_err();
    assert_eq!(full(), RegisterError::Full { table: "tenants" });
    first.halt(Cause::own(ViolationType::StepLimit));
    assert_eq!(full(), RegisterError::Full { table: "tenants" }, "a halted execution has not left");
    let hold = first.reserve_owned(Demand::step()).err();
    first.finish();
    assert_eq!(full(), RegisterError::Full { table: "tenants" }, "whoever has a handle may still settle");
    drop((first, hold));
    let third = register(&enforcer, "third", "tenant_3");
    assert_eq!((enforcer.tenant_count(), enforcer.tenant_usage("tenant_1")), (2, None));
    drop((second.finish(), third.finish()));
}

#[test]
fn g2_an_open_hold_keeps_its_tenant_and_a_used_budget_does_too() {
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let enforcer = builder(&noon()).tenant(tenant).max_tenants(1).build().unwrap();
    let full =
        || matches!(enforcer.execution("other", "other").register(), Err(RegisterError::Full { table: "tenants" }));
    let hold =
        enforcer.execution("exec", "tenant").register().unwrap().reserve_owned(Demand::step().cost(nano(4))).unwrap();
    enforcer.finish("exec").unwrap();
    assert!(full() && enforcer.evict_idle_tenants().is_empty(), "its hold is open");
    hold.settle(Actual::none().cost(nano(1)));
    assert!(full() && enforcer.evict_idle_tenants().is_empty(), "its budget is used");
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().budget.unwrap().committed, 1);
}

#[test]
fn a_tenant_that_never_did_anything_leaves_by_itself() {
    let enforcer = builder(&noon()).max_tenants(1).build().unwrap();
    for number in 0..100 {
        register(&enforcer, "exec", &format!("tenant_{number}")).finish();
        assert_eq!(enforcer.tenant_count(), 0);
    }
}

#[test]
fn g2_a_tenant_that_has_left_and_comes_again_is_the_one_that_everybody_finds() {
    let enforcer = builder(&noon()).build().unwrap();
    for _again in 0..3 {
        let run = register(&enforcer, "exec", "tenant");
        assert_eq!((enforcer.tenant_count(), enforcer.live_executions("tenant")), (1, 1));
        run.finish();
        drop(run);
        assert_eq!((enforcer.tenant_count(), enforcer.tenant_usage("tenant")), (0, None));
    }
}

#[test]
fn tenants_that_take_turns_in_one_thread_each_count_their_own() {
    let enforcer = builder(&noon()).build().unwrap();
    let tenants: Vec<_> = (0..10).map(|number| format!("tenant_{number}")).collect();
    let register = |turn| tenants.iter().map(move |tenant| (turn, tenant));
    let runs: Vec<_> = (0..3)
        .flat_map(register)
        .map(|(turn, tenant)| enforcer.execution(format!("{tenant}_{turn}"), tenant).register().unwrap())
        .collect();
    assert!(tenants.iter().all(|tenant| enforcer.live_executions(tenant) == 3));
    assert!(runs.iter().all(|run| run.id().starts_with(run.tenant_id())));
}

#[test]
fn a_stranger_who_names_ever_new_tenants_is_held_to_the_cap() {
    let enforcer = builder(&noon()).max_tenants(8).build().unwrap();
    for number in 0..1_000 {
        let run = register(&enforcer, "exec", &format!("tenant_{number}"));
        run.charge(Actual::tokens(1, 0));
        run.finish();
        assert!(enforcer.tenant_count() <= 8);
    }
}

#[test]
fn a_full_table_of_providers_refuses_and_those_in_it_go_on() {
    let enforcer = builder(&noon()).max_providers(2).build().unwrap();
    let keys = [enforcer.provider("a").unwrap(), enforcer.provider("b").unwrap()];
    assert_ne!(keys[0], keys[1]);
    for name in ["c", "d", "c"] {
        assert_eq!(enforcer.provider(name), Err(ProviderError::Full { cap: 2 }));
    }
    assert_eq!([enforcer.provider("a"), enforcer.provider("b")], keys.map(Ok));
    assert_eq!(builder(&noon()).max_providers(0).build().unwrap().provider("a"), Err(ProviderError::Full { cap: 0 }));
}

#[test]
fn caps_may_be_any_number() {
    let enforcer =
        builder(&noon()).max_executions(u64::MAX).max_tenants(u64::MAX).max_providers(u64::MAX).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.reserve(Demand::step().provider(enforcer.provider("provider").unwrap())).is_ok());
    assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (1, 1));
}

#[test]
fn refused_registrations_say_why_in_one_line() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).max_executions(1).build().unwrap();
    let _run = register(&enforcer, "exec", "tenant");
    let message = |id: &str, tenant: &str| {
        enforcer.execution(id.to_owned(), tenant.to_owned()).register().unwrap_err().to_string()
    };
    assert_eq!(message("exec", "tenant"), "execution \"exec\" is registered already; finish it first");
    assert_eq!(message("next", "tenant"), "concurrency_limit exceeded: 2 / 1 (200%)");
    assert_eq!(message("next", "other"), "the table of executions is full; finish some or raise max_executions");
    let own = ResourceLimits { max_steps: MAX + 1, ..unlimited() };
    let refused = enforcer.execution("next", "other").limits(own).register();
    assert!(matches!(refused, Err(RegisterError::Config(error)) if error.key == "max_steps"));
}

#[test]
fn tenants_whose_budget_is_used_up_for_good_are_never_in_the_way_of_one_that_can_go() {
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let enforcer = builder(&noon()).tenant(tenant).max_tenants(100).build().unwrap();
    for number in 0..100 {
        let run = register(&enforcer, "exec", &format!("tenant_{number}"));
        // All but the last have spent something.
        run.charge(Actual::tokens(1, 1).cost(nano(u64::from(number < 99))));
        run.finish();
    }
    register(&enforcer, "exec", "one_more").charge(Actual::tokens(1, 1));
    assert!(enforcer.tenant_usage("tenant_99").is_none() && enforcer.tenant_usage("tenant_0").is_some());
    assert_eq!(enforcer.execution("next", "another").register().unwrap_err(), RegisterError::Full { table: "tenants" });
}

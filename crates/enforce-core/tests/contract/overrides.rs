//! Limits of one tenant, changed while its executions run.

use std::sync::Barrier;
use std::thread;

use enforce_core::{
    Action, Actual, BudgetPeriod, Demand, Enforcer, LongRunningExecutionPolicy, NetworkPolicy, RegisterError,
    ResourceLimits, Retry, ScopeKind, TenantPolicy, ViolationType,
};

use crate::common::{builder, disabled, nano, noon, register, unlimited};

fn budget(amount: u64) -> TenantPolicy {
    TenantPolicy { budget_usd: Some(nano(amount)), ..TenantPolicy::default() }
}

fn spend(amount: u64) -> Demand {
    Demand::step().cost(nano(amount))
}

fn enforcer() -> Enforcer {
    Enforcer::builder().tenant(budget(100)).build().unwrap()
}

#[test]
fn a_tenant_that_is_not_known_yet_begins_with_its_own_limits() {
    let enforcer = enforcer();
    enforcer.set_tenant("a", budget(10)).unwrap();
    let [a, b] = ["a", "b"].map(|tenant| enforcer.execution(tenant, tenant).register().unwrap());
    assert_eq!(a.reserve(spend(11)).unwrap_err().limit, 10);
    assert!(b.reserve(spend(100)).is_ok());
}

#[test]
fn l1_a_raise_is_seen_by_the_next_attempt_and_what_is_used_stays() {
    let enforcer = enforcer();
    let run = enforcer.execution("1", "a").register().unwrap();
    run.reserve(spend(100)).unwrap().settle(Actual::none().cost(nano(100)));
    assert!(run.reserve(spend(1)).is_err());
    enforcer.set_tenant("a", budget(150)).unwrap();
    let refused = run.reserve(spend(51)).unwrap_err();
    assert_eq!((refused.used, refused.limit, refused.remaining), (100, 150, 50));
    assert!(run.reserve(spend(50)).is_ok());
}

#[test]
fn l1_a_limit_below_what_is_used_leaves_debt_which_blocks() {
    let enforcer = enforcer();
    let run = enforcer.execution("1", "a").register().unwrap();
    run.reserve(spend(60)).unwrap().settle(Actual::none().cost(nano(60)));
    enforcer.set_tenant("a", budget(40)).unwrap();
    let refused = run.reserve(Demand::step()).unwrap_err();
    assert_eq!((refused.scope, refused.used, refused.limit), (ScopeKind::Tenant, 60, 40));
    let usage = enforcer.tenant_usage("a").unwrap().budget.unwrap();
    assert_eq!((usage.committed, usage.limit, usage.debt), (60, 40, 20));
}

#[test]
fn a_budget_that_is_new_counts_from_the_next_reservation_and_records_what_earlier_holds_use() {
    let enforcer = Enforcer::builder().build().unwrap();
    let run = enforcer.execution("1", "a").register().unwrap();
    let early = run.reserve(spend(30)).unwrap();
    enforcer.set_tenant("a", budget(50)).unwrap();
    assert_eq!(enforcer.tenant_usage("a").unwrap().budget.unwrap().outstanding, 0);
    assert!(run.reserve(spend(51)).is_err());
    early.settle(Actual::none().cost(nano(70)));
    let usage = enforcer.tenant_usage("a").unwrap().budget.unwrap();
    assert_eq!((usage.committed, usage.debt), (70, 20));
    assert!(run.reserve(Demand::step()).is_err());
}

#[test]
fn a_budget_reaches_an_execution_that_nothing_limited_before() {
    let enforcer = Enforcer::builder().build().unwrap();
    let run = enforcer.execution("1", "a").register().unwrap();
    let policy = TenantPolicy { budget_action: Action::Halt, ..budget(5) };
    enforcer.set_tenant("a", policy).unwrap();
    run.charge(Actual::none().cost(nano(6)));
    assert_eq!(run.reserve(Demand::step()).unwrap_err().violation_type, ViolationType::CostLimit);
    assert_eq!(run.reserve(Demand::step()).unwrap_err().violation_type, ViolationType::Halted);
}

#[test]
fn slots_follow_their_limit_up_and_down_and_back() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build().unwrap();
    let register = |id: &str| enforcer.execution(id.to_owned(), "a").register();
    let first = register("1").unwrap();
    assert!(matches!(register("2"), Err(RegisterError::Refused(_))));
    enforcer.set_tenant("a", TenantPolicy { max_concurrent_executions: Some(2), ..Default::default() }).unwrap();
    let second = register("2").unwrap();
    enforcer.reset_tenant("a");
    first.finish();
    let Err(RegisterError::Refused(refused)) = register("3") else { panic!("one of one slot is taken") };
    assert_eq!((refused.limit, refused.retry), (1, Retry::WhenFreed));
    second.finish();
    assert!(register("3").is_ok());
}

#[test]
fn a_budget_whose_period_changes_begins_a_new_period() {
    let enforcer = enforcer();
    let run = enforcer.execution("1", "a").register().unwrap();
    run.charge(Actual::none().cost(nano(100)));
    enforcer.set_tenant("a", TenantPolicy { budget_period: BudgetPeriod::Day, ..budget(100) }).unwrap();
    assert!(run.reserve(spend(100)).is_ok());
}

#[test]
fn limits_that_make_no_sense_leave_the_old_ones() {
    let enforcer = enforcer();
    let absurd = TenantPolicy { max_concurrent_executions: Some(u64::MAX - 1), ..budget(1) };
    assert_eq!(enforcer.set_tenant("a", absurd).unwrap_err().key, "max_concurrent_executions");
    assert_eq!(enforcer.set_tenant(&"x".repeat(129), budget(1)).unwrap_err().key, "tenant");
    let run = enforcer.execution("1", "a").register().unwrap();
    assert!(run.reserve(spend(100)).is_ok());
}

#[test]
fn g2_as_many_tenants_may_have_limits_of_their_own_as_may_be_known() {
    let enforcer = Enforcer::builder().max_tenants(1).build().unwrap();
    enforcer.set_tenant("a", budget(1)).unwrap();
    assert!(enforcer.set_tenant("b", budget(1)).is_err());
    enforcer.set_tenant("a", budget(2)).unwrap();
    enforcer.reset_tenant("a");
    assert!(enforcer.set_tenant("b", budget(1)).is_ok());
}

#[test]
fn l1_under_changes_used_never_passes_the_largest_limit_and_sums_are_exact() {
    const WORKERS: u64 = 8;
    const TURNS: u64 = 2_000;
    let enforcer = Enforcer::builder().tenant(budget(500)).build().unwrap();
    let runs: Vec<_> =
        (0..WORKERS).map(|worker| enforcer.execution(worker.to_string(), "a").register().unwrap()).collect();
    let start = Barrier::new(WORKERS as usize + 1);
    let spent: u64 = thread::scope(|scope| {
        let workers: Vec<_> = runs
            .iter()
            .map(|run| {
                scope.spawn(|| {
                    start.wait();
                    let mut spent = 0;
                    for turn in 0..TURNS {
                        let Ok(hold) = run.reserve(spend(3)) else { continue };
                        if turn % 2 == 0 {
                            hold.settle(Actual::none().cost(nano(1)));
                            spent += 1;
                        }
                    }
                    spent
                })
            })
            .collect();
        scope.spawn(|| {
            start.wait();
            for limit in (0..200).map(|turn| [700, 20, 400][turn % 3]) {
                enforcer.set_tenant("a", budget(limit)).unwrap();
                let usage = enforcer.tenant_usage("a").unwrap().budget.unwrap();
                assert!(usage.committed + usage.outstanding <= 700, "{usage:?}");
            }
        });
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let usage = enforcer.tenant_usage("a").unwrap();
    assert_eq!((usage.cost_nano_usd, usage.budget.unwrap().committed), (spent, spent));
    assert_eq!(usage.budget.unwrap().outstanding, 0);
}

#[test]
fn l1_a_limit_of_every_tenant_is_another_at_once_for_those_without_one_of_their_own() {
    let limits = |slots| TenantPolicy { max_concurrent_executions: Some(slots), ..TenantPolicy::default() };
    let enforcer = builder(&noon()).tenant(limits(1)).build().unwrap();
    let register = |id: &str, tenant: &str| enforcer.execution(id, tenant).register().is_ok();
    enforcer.set_tenant("own", limits(1)).unwrap();
    assert!(register("a", "known") && register("b", "own"));
    enforcer.set_every_tenant(&limits(2)).unwrap();
    assert!(register("c", "known") && !register("d", "known"), "what is used counts");
    assert!(!register("e", "own"));
    assert!(register("f", "new") && register("g", "new") && !register("h", "new"));
    enforcer.reset_tenant("own");
    assert!(register("i", "own"));
    assert!(enforcer.set_every_tenant(&limits(u64::MAX)).is_err());
    assert!(!register("j", "new"));
}

#[test]
fn defaults_are_those_of_executions_that_are_registered_from_then_on() {
    let enforcer = builder(&noon()).build().unwrap();
    let before = register(&enforcer, "before", "tenant");
    let limits = ResourceLimits { max_steps: 1, ..unlimited() };
    let flat = LongRunningExecutionPolicy { max_discovery_depth: Some(0), ..disabled() };
    enforcer.set_defaults(limits, flat).unwrap();
    let after = register(&enforcer, "after", "tenant");
    assert!(before.reserve(Demand::step().steps(2)).is_ok() && before.enter_discovery().is_ok());
    assert!(after.reserve(Demand::step().steps(2)).is_err() && after.enter_discovery().is_err());
}

#[test]
fn a_network_policy_is_another_at_the_next_look() {
    let enforcer = builder(&noon()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.check_host("api.example.com").is_ok());
    enforcer.set_network(NetworkPolicy::AirGapped).unwrap();
    assert!(run.check_host("api.example.com").is_err());
}

#[cfg(feature = "policy-file")]
mod policy_files {
    use super::*;
    use enforce_core::PolicyFile;

    const FIRST: &str = "[limits]\nmax_steps = 5\nmax_concurrent_executions = 1\n[allowances]\nweb_search = 2";

    fn read(text: &str) -> PolicyFile {
        PolicyFile::parse(text).unwrap()
    }

    #[test]
    fn a_policy_file_replaces_what_the_one_before_it_said() {
        let enforcer = Enforcer::builder().policy_file(read(FIRST)).build().unwrap();
        let first = enforcer.execution("exec_1", "tenant").register().unwrap();
        assert!(enforcer.execution("exec_2", "tenant").register().is_err());
        let next = FIRST.replace("max_steps = 5", "max_steps = 0").replace("executions = 1", "executions = 2");
        enforcer.set_policy_file(&read(&next)).unwrap();
        let second = enforcer.execution("exec_2", "tenant").register().unwrap();
        assert!(enforcer.execution("exec_3", "tenant").register().is_err(), "the slots of [limits] are every tenant's");
        assert!(first.reserve(Demand::step()).is_ok(), "who runs keeps what it has");
        assert!(second.reserve(Demand::step()).is_err());
    }

    #[test]
    fn a_policy_files_long_running_limits_are_those_of_executions_to_come() {
        let enforcer = Enforcer::builder().policy_file(read(FIRST)).build().unwrap();
        enforcer.set_policy_file(&read(&format!("{FIRST}\n[long_running]\nmax_discovery_depth = 0"))).unwrap();
        let run = enforcer.execution("exec", "tenant").register().unwrap();
        assert!(run.enter_discovery().is_err());
    }

    #[test]
    fn a_policy_files_rates_are_those_of_the_enforcer_that_is_built_with_it() {
        let text = "[[rate]]\non = \"model\"\nunit = \"requests\"\nlimit = 1\nper = \"minute\"";
        let enforcer = Enforcer::builder().policy_file(read(text)).build().unwrap();
        let run = enforcer.execution("exec", "tenant").register().unwrap();
        let demand = Demand::step().model(enforcer.model("small").unwrap());
        assert!(run.reserve(demand).is_ok() && run.reserve(demand).is_err());
    }

    #[test]
    fn a_policy_file_that_cannot_be_taken_over_changes_nothing() {
        let enforcer = Enforcer::builder().policy_file(read(FIRST)).build().unwrap();
        // Each raises the steps and has something else that cannot be.
        let raised = FIRST.replace("max_steps = 5", "max_steps = 9");
        let refused = [
            format!("{raised}\n[actions]\nsteps = \"observe\""),
            format!("{raised}\n[enforcement]\nwarning_threshold = 50"),
            raised.replace("web_search = 2", "web_search = 3"),
            raised.replace("web_search", "web_fetch"),
            format!("{raised}\nother = 1"),
        ];
        for text in &refused {
            assert!(enforcer.set_policy_file(&read(text)).is_err(), "{text}");
        }
        let mut too_many = read(&raised);
        too_many.tenant.max_concurrent_executions = Some(u64::MAX);
        assert!(enforcer.set_policy_file(&too_many).is_err());
        let run = enforcer.execution("exec_1", "tenant").register().unwrap();
        assert!(run.reserve(Demand::step().steps(6)).is_err());
        assert!(run.reserve(Demand::step().steps(5)).is_ok());
    }
}

//! Limits on amounts: steps, tokens, money, memory, discovered steps, and a tenant's budget.

use enforce_core::{
    Action, Actual, AllowanceKey, BudgetPeriod, Cause, Demand, EnforcementPolicy, EnforcementResult, EnforcerBuilder,
    Execution, LongRunningExecutionPolicy, ResourceLimits, Retry, ScopeKind, Status, TenantPolicy, UNLIMITED,
    ViolationType,
};

use crate::common::{MAX, builder, disabled, nano, noon, register, run, unlimited};

use super::budgets::{RESOURCES, Resource, SCOPES, with};
use super::{ACTIONS, all, outcome};

/// One limit on an amount, and how to set and meet it.
struct Amount {
    cause: Cause,
    /// In which unit the limit is configured.
    unit: u64,
    set: Box<dyn Fn(EnforcerBuilder, Option<u64>, Action) -> EnforcerBuilder>,
    ask: fn(u64) -> Demand,
    used: fn(u64) -> Option<Actual>,
    /// Committed by being taken, so that waiting never helps.
    beginnings: bool,
}

fn limits(builder: EnforcerBuilder, limits: ResourceLimits, action: Action) -> EnforcerBuilder {
    builder.limits(limits).policy(all(action))
}

/// The key of an enforcer's first allowance, whatever enforcer it is.
fn first_allowance() -> AllowanceKey {
    builder(&noon()).allowance("tool", 0).build().unwrap().allowance("tool").unwrap()
}

fn amounts() -> Vec<Amount> {
    let own = Cause::own;
    let rows = [
        Amount {
            cause: own(ViolationType::StepLimit),
            unit: 1,
            set: Box::new(|it, max, action| {
                limits(it, ResourceLimits { max_steps: max.unwrap_or(UNLIMITED), ..unlimited() }, action)
            }),
            ask: |amount| Demand::none().steps(amount),
            used: |amount| Some(Actual::none().steps(amount)),
            beginnings: true,
        },
        Amount {
            cause: own(ViolationType::TokenLimit),
            unit: 1,
            set: Box::new(|it, max, action| {
                limits(it, ResourceLimits { max_tokens: max.unwrap_or(UNLIMITED), ..unlimited() }, action)
            }),
            ask: |amount| Demand::none().tokens(amount / 2, amount - amount / 2),
            used: |amount| Some(Actual::tokens(amount, 0)),
            beginnings: false,
        },
        Amount {
            cause: own(ViolationType::CostLimit),
            unit: 1,
            set: Box::new(|it, max, action| {
                limits(it, ResourceLimits { max_cost_usd: max.map(nano), ..unlimited() }, action)
            }),
            ask: |amount| Demand::none().cost(nano(amount)),
            used: |amount| Some(Actual::none().cost(nano(amount))),
            beginnings: false,
        },
        Amount {
            cause: own(ViolationType::MemoryLimit),
            unit: 1 << 20,
            set: Box::new(|it, max, action| limits(it, ResourceLimits { max_memory_mb: max, ..unlimited() }, action)),
            ask: |amount| Demand::none().memory_bytes(amount),
            used: |_| None,
            beginnings: false,
        },
        Amount {
            cause: own(ViolationType::DiscoveredStepLimit),
            unit: 1,
            set: Box::new(|it, max, action| {
                let long_running = LongRunningExecutionPolicy { max_discovered_steps: max, ..disabled() };
                it.long_running(long_running).policy(all(action))
            }),
            ask: |amount| Demand::none().discovered_steps(amount),
            used: |amount| Some(Actual::none().discovered_steps(amount)),
            beginnings: true,
        },
        Amount {
            cause: own(ViolationType::AllowanceLimit),
            unit: 1,
            set: Box::new(|it, max, action| it.allowance("tool", max.unwrap_or(UNLIMITED)).policy(all(action))),
            ask: |amount| Demand::none().allowance_units(first_allowance(), amount),
            used: |_| None,
            beginnings: true,
        },
        Amount {
            cause: Cause { violation_type: ViolationType::CostLimit, scope: ScopeKind::Tenant },
            unit: 1,
            set: Box::new(|it, max, budget_action| {
                it.tenant(TenantPolicy { budget_usd: max.map(nano), budget_action, ..Default::default() })
            }),
            ask: |amount| Demand::none().cost(nano(amount)),
            used: |amount| Some(Actual::none().cost(nano(amount))),
            beginnings: false,
        },
    ];
    rows.into_iter().chain(SCOPES.into_iter().flat_map(|scope| RESOURCES.map(|of| budget(scope, of)))).collect()
}

fn budget(scope: ScopeKind, of: Resource) -> Amount {
    Amount {
        cause: of.cause(scope),
        unit: of.unit,
        set: Box::new(move |it, max, action| {
            let budgets = max.map(|max| of.budget(max, BudgetPeriod::Total).action(action));
            with(it, scope, budgets.into_iter().collect())
        }),
        ask: of.ask,
        used: of.used,
        beginnings: of.beginnings,
    }
}

impl Amount {
    fn run(&self, max: Option<u64>, action: Action) -> Execution {
        register(&(self.set)(builder(&noon()), max, action).build().unwrap(), "exec", "tenant")
    }

    /// `max` configured units are so many counted ones.
    fn limit(&self, max: u64) -> u64 {
        max * self.unit
    }
}

#[test]
fn t1_a_demand_up_to_the_limit_is_admitted_and_one_above_it_refused_without_a_halt() {
    for amount in amounts() {
        for action in [Action::Refuse, Action::Halt, Action::Pause] {
            for max in [1, 2, 10, 100, (MAX / amount.unit) - 1, MAX / amount.unit] {
                let limit = amount.limit(max);
                let ask = |demand| amount.run(Some(max), action).reserve((amount.ask)(demand)).map(drop);
                assert_eq!(ask(limit - 1), Ok(()), "{}", amount.cause);
                assert_eq!(ask(limit), Ok(()), "{}", amount.cause);
                if limit < MAX {
                    let run = amount.run(Some(max), action);
                    let refused = run.reserve((amount.ask)(limit + 1)).unwrap_err();
                    assert_eq!(refused.as_cause(), amount.cause);
                    assert_eq!((refused.used, refused.asked, refused.current), (0, limit + 1, limit + 1));
                    assert_eq!((refused.limit, refused.remaining, refused.retry), (limit, limit, Retry::Never));
                    assert_eq!(run.status(), Status::Live, "too large is not exhausted");
                    assert!(run.reserve((amount.ask)(limit)).is_ok(), "a refusal took nothing");
                }
            }
        }
    }
}

#[test]
fn a_limit_of_0_allows_nothing_and_is_exhausted_at_the_first_ask() {
    for amount in amounts() {
        for action in ACTIONS {
            let run = amount.run(Some(0), action);
            assert!(run.reserve(Demand::none()).is_ok(), "who asks nothing of it passes");
            let asked = run.reserve((amount.ask)(1)).map(|hold| hold.observed());
            let violation = if action == Action::Observe { asked.unwrap().unwrap() } else { asked.unwrap_err() };
            let line =
                if violation.violation_type == ViolationType::CostLimit { "$0.000000001 / $0.00" } else { "1 / 0" };
            assert_eq!(violation.to_string(), format!("{} exceeded: {line}", amount.cause.violation_type));
            assert_eq!(run.status(), outcome(action, amount.cause), "{}", amount.cause);
        }
    }
}

#[test]
fn no_limit_admits_any_amount_that_can_be_counted() {
    for amount in amounts() {
        let run = amount.run(None, Action::Halt);
        let hold = run.reserve((amount.ask)(MAX)).unwrap();
        assert_eq!((hold.warning(), hold.observed()), (None, None), "{}", amount.cause);
    }
}

#[test]
fn a_demand_kept_out_by_open_holds_is_refused_until_they_are_freed_and_nothing_is_halted() {
    for amount in amounts().iter().filter(|amount| !amount.beginnings) {
        for action in [Action::Refuse, Action::Halt, Action::Pause] {
            let (run, limit) = (amount.run(Some(10), action), amount.limit(10));
            let hold = run.reserve((amount.ask)(limit)).unwrap();
            let refused = run.reserve((amount.ask)(1)).unwrap_err();
            assert_eq!((refused.as_cause(), refused.retry), (amount.cause, Retry::WhenFreed));
            assert_eq!((refused.used, refused.asked, refused.remaining), (limit, 1, 0));
            assert!(run.reserve(Demand::none()).is_ok(), "who asks nothing of it passes");
            drop(hold);
            assert_eq!((run.status(), run.reserve((amount.ask)(limit)).is_ok()), (Status::Live, true));
        }
    }
}

#[test]
fn an_exhausted_limit_acts_at_the_next_ask_and_not_before() {
    for amount in amounts() {
        let Some(all_of_it) = (amount.used)(10) else { continue };
        for action in ACTIONS {
            let run = amount.run(Some(10), action);
            run.charge(all_of_it);
            assert!(run.reserve(Demand::none()).is_ok(), "at the limit is not above it");
            assert_eq!(run.status(), Status::Live, "nobody has asked for more yet");
            let asked = run.reserve((amount.ask)(1)).map(|hold| hold.observed());
            let violation = if action == Action::Observe { asked.unwrap().unwrap() } else { asked.unwrap_err() };
            assert_eq!((violation.as_cause(), violation.used, violation.retry), (amount.cause, 10, Retry::Never));
            assert_eq!(run.status(), outcome(action, amount.cause));
            let next = run.reserve(Demand::none()).map(drop).map_err(|refused| (refused.violation_type, refused.cause));
            let expected = match action {
                Action::Halt => Err((ViolationType::Halted, Some(amount.cause))),
                Action::Pause => Err((ViolationType::Paused, Some(amount.cause))),
                // What was observed has been counted: it is above the limit now, and observed again.
                Action::Refuse | Action::Observe => Ok(()),
            };
            assert_eq!(next, expected, "{} {action}", amount.cause);
        }
    }
}

#[test]
fn debt_is_exhausted_whoever_asks_and_whatever() {
    for amount in amounts() {
        let Some(too_much) = (amount.used)(11) else { continue };
        let run = amount.run(Some(10), Action::Halt);
        run.charge(too_much);
        let refused = run.reserve(Demand::none()).unwrap_err();
        assert_eq!((refused.as_cause(), refused.current, refused.remaining), (amount.cause, 11, 0));
        assert_eq!(run.status(), Status::Halted(amount.cause));
    }
}

#[test]
fn a_warning_comes_with_the_demand_that_reaches_the_threshold_rounded_down() {
    for amount in amounts() {
        for (max, threshold, first) in
            [(10, 80, 8), (7, 80, 6), (1, 80, 1), (1_000, 0, 0), (3, 34, 2), (3, 33, 1), (10, 100, 10)]
        {
            let limit = amount.limit(max);
            if first == 0 && amount.cause.violation_type == ViolationType::AllowanceLimit {
                continue; // one that is not asked of is not looked at
            }
            let first = if amount.unit == 1 { first } else { (limit * threshold).div_ceil(100) };
            let policy = EnforcementPolicy { warning_threshold: threshold as u32, ..all(Action::Halt) };
            let run = || {
                let builder = (amount.set)(builder(&noon()), Some(max), Action::Halt).policy(policy.clone());
                register(&builder.build().unwrap(), "exec", "tenant")
            };
            let at = |asked: u64| run().reserve((amount.ask)(asked)).unwrap().warning();
            let warning = at(first).unwrap();
            assert_eq!((warning.warning_type, warning.scope), (amount.cause.violation_type, amount.cause.scope));
            assert_eq!((warning.current, warning.limit), (first, limit));
            assert_eq!(u64::from(warning.usage_percent), first * 100 / limit);
            assert_eq!(first.checked_sub(1).and_then(at), None, "{}: {max}", amount.cause);
            let check = run().check((amount.ask)(first));
            assert_eq!(check, EnforcementResult::Warning(warning));
        }
    }
}

#[test]
fn a_limit_above_the_bound_is_an_error_when_it_is_built() {
    let too_large = |limits: ResourceLimits| builder(&noon()).limits(limits).build().err().map(|error| error.key);
    assert_eq!(too_large(ResourceLimits { max_steps: MAX + 1, ..unlimited() }), Some("max_steps"));
    assert_eq!(too_large(ResourceLimits { max_tokens: UNLIMITED - 1, ..unlimited() }), Some("max_tokens"));
    assert_eq!(too_large(ResourceLimits { max_memory_mb: Some(1 << 36), ..unlimited() }), Some("max_memory_mb"));
    assert_eq!(
        too_large(ResourceLimits { max_concurrent_executions: Some(MAX + 1), ..unlimited() }),
        Some("max_concurrent_executions")
    );
    let edge = ResourceLimits { max_steps: MAX, max_memory_mb: Some((1 << 36) - 1), ..unlimited() };
    assert_eq!(too_large(edge), None);
}

#[test]
fn what_a_limit_only_observes_may_be_as_much_as_can_be_counted() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let run =
        register(&builder(&noon()).limits(limits).policy(all(Action::Observe)).build().unwrap(), "exec", "tenant");
    let _most = run.reserve(Demand::step().tokens(MAX - 5, 0)).unwrap();
    assert!(run.reserve(Demand::step().tokens(6, 0)).is_err(), "one too many");
    assert!(run.reserve(Demand::step().tokens(5, 0)).unwrap().observed().is_some());
}

#[test]
fn amounts_that_are_the_same_are_all_taken_and_given_back() {
    let limits = ResourceLimits { max_tokens: 10, max_cost_usd: Some(nano(10)), ..unlimited() };
    let run = run(limits);
    let hold = run.reserve(Demand::step().tokens(0, 9).memory_bytes(9)).unwrap();
    assert_eq!((run.snapshot().outstanding.tokens, run.snapshot().outstanding.memory_bytes), (9, 9));
    drop(hold);
    let hold = run.reserve(Demand::step().memory_bytes(9).cost(nano(9))).unwrap();
    assert_eq!((run.snapshot().outstanding.memory_bytes, run.snapshot().outstanding.cost_nano_usd), (9, 9));
    drop(hold);
    assert!(run.snapshot().outstanding.is_zero());
}

//! Overdrafts: how far an overrun may pass a budget before that blocks what asks nothing of it.

use enforce_core::{
    Action, Actual, BudgetPeriod, BudgetResource, Cause, Demand, EnforcerBuilder, Execution, ResourceLimits, Retry,
    ScopeKind, Status, TenantPolicy, ViolationType,
};

use super::budgets::{RESOURCES, Resource, SCOPES, shown, with};
use super::{ACTIONS, all, outcome};
use crate::common::{builder, nano, noon, register, unlimited};

/// Reads (committed, debt, overdraft).
type Shown = dyn Fn(&Execution, &enforce_core::Enforcer) -> (u64, u64, u64);

/// One budget that may have an overdraft.
struct Overdrawn {
    cause: Cause,
    set: Box<dyn Fn(EnforcerBuilder, u64, u64, Action) -> EnforcerBuilder>,
    ask: fn(u64) -> Demand,
    used: Box<dyn Fn(u64) -> Actual>,
    /// (committed, debt, overdraft) as a snapshot shows them.
    shown: Box<Shown>,
}

fn budgets() -> Vec<Overdrawn> {
    let rows = [
        Overdrawn {
            cause: Cause::own(ViolationType::TokenLimit),
            set: Box::new(|it, max_tokens, token_overdraft, action| {
                it.limits(ResourceLimits { max_tokens, token_overdraft, ..unlimited() }).policy(all(action))
            }),
            ask: |amount| Demand::none().tokens(amount, 0),
            used: Box::new(|amount| Actual::tokens(amount, 0)),
            shown: Box::new(|run, _| {
                let usage = run.snapshot();
                (usage.total_tokens, usage.debt_tokens, usage.overdraft_tokens)
            }),
        },
        Overdrawn {
            cause: Cause::own(ViolationType::CostLimit),
            set: Box::new(|it, limit, overdraft, action| {
                let (max_cost_usd, cost_overdraft_usd) = (Some(nano(limit)), nano(overdraft));
                it.limits(ResourceLimits { max_cost_usd, cost_overdraft_usd, ..unlimited() }).policy(all(action))
            }),
            ask: |amount| Demand::none().cost(nano(amount)),
            used: Box::new(|amount| Actual::none().cost(nano(amount))),
            shown: Box::new(|run, _| {
                let usage = run.snapshot();
                (usage.cost_nano_usd, usage.debt_nano_usd, usage.overdraft_nano_usd)
            }),
        },
        Overdrawn {
            cause: Cause { violation_type: ViolationType::CostLimit, scope: ScopeKind::Tenant },
            set: Box::new(|it, limit, overdraft, budget_action| {
                let (budget_usd, budget_overdraft_usd) = (Some(nano(limit)), nano(overdraft));
                it.tenant(TenantPolicy { budget_usd, budget_overdraft_usd, budget_action, ..Default::default() })
            }),
            ask: |amount| Demand::none().cost(nano(amount)),
            used: Box::new(|amount| Actual::none().cost(nano(amount))),
            shown: Box::new(|_, enforcer| {
                let budget = enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
                (budget.committed, budget.debt, budget.overdraft)
            }),
        },
    ];
    // A gauge has no debt but that of a limit that was lowered.
    let of_scopes = RESOURCES.into_iter().filter(|of| of.name != BudgetResource::Memory);
    let of_scopes = of_scopes.flat_map(|of| SCOPES.map(|scope| of_scope(scope, of)));
    rows.into_iter().chain(of_scopes).collect()
}

fn of_scope(scope: ScopeKind, of: Resource) -> Overdrawn {
    Overdrawn {
        cause: of.cause(scope),
        set: Box::new(move |it, limit, overdraft, action| {
            let budget = of.budget(limit, BudgetPeriod::Total).overdraft((of.amount)(overdraft));
            with(it, scope, vec![budget.action(action)])
        }),
        ask: of.ask,
        used: Box::new(move |amount| (of.used)(amount).unwrap()),
        shown: Box::new(move |_, enforcer| {
            let [budget] = shown(enforcer, scope)[..] else { panic!("one budget") };
            (budget.committed, budget.debt, budget.overdraft)
        }),
    }
}

#[test]
fn r2_debt_up_to_the_overdraft_blocks_nothing_that_asks_nothing_of_it_and_one_more_does() {
    for budget in budgets() {
        for action in ACTIONS {
            for (limit, overdraft, blocks_at) in [(10, 0, 11), (10, 5, 16), (1, 1, 3), (10, 1 << 55, u64::MAX)] {
                let enforcer = (budget.set)(builder(&noon()), limit, overdraft, action).build().unwrap();
                let run = register(&enforcer, "exec", "tenant");
                for committed in 1..=20_u64 {
                    run.charge((budget.used)(1));
                    assert_eq!(
                        (budget.shown)(&run, &enforcer),
                        (committed, committed.saturating_sub(limit), overdraft),
                        "{}",
                        budget.cause
                    );
                    let asked = run.reserve(Demand::none()).map(|hold| (hold.warning(), hold.observed()));
                    let refused = match asked {
                        Ok((_, Some(observed))) if action == Action::Observe => observed,
                        Ok((warning, _)) => {
                            assert!(committed < blocks_at, "{}: {committed}", budget.cause);
                            assert_eq!(warning.is_some(), committed * 100 / limit >= 80, "{}", budget.cause);
                            continue;
                        }
                        Err(refused) => refused,
                    };
                    assert_eq!((refused.as_cause(), committed), (budget.cause, blocks_at));
                    assert_eq!((refused.used, refused.asked, refused.limit), (blocks_at, 0, limit));
                    assert_eq!((refused.overdraft, refused.remaining, refused.retry), (overdraft, 0, Retry::Never));
                    assert_eq!(run.status(), outcome(action, budget.cause));
                    break;
                }
            }
        }
    }
}

#[test]
fn t1_no_overdraft_admits_what_asks_for_more_than_the_limit() {
    for budget in budgets() {
        let enforcer = (budget.set)(builder(&noon()), 10, 5, Action::Refuse).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let refused = run.reserve((budget.ask)(11)).unwrap_err();
        assert_eq!((refused.remaining, refused.overdraft), (10, 5));
        assert!(!run.check((budget.ask)(10)).is_blocked());
        run.charge((budget.used)(10));
        assert_eq!(run.reserve((budget.ask)(1)).unwrap_err().current, 11, "{}", budget.cause);
        run.charge((budget.used)(3));
        assert_eq!(run.reserve((budget.ask)(1)).unwrap_err().used, 13, "{}", budget.cause);
        assert!(run.reserve(Demand::none()).is_ok(), "{}", budget.cause);
    }
}

#[test]
fn a_limit_that_has_been_reached_is_exhausted_whatever_its_overdraft() {
    for budget in budgets() {
        let enforcer = (budget.set)(builder(&noon()), 10, 5, Action::Halt).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge((budget.used)(12));
        assert!(run.check(Demand::none()).is_allowed());
        assert_eq!(run.reserve((budget.ask)(1)).unwrap_err().as_cause(), budget.cause);
        assert_eq!(run.status(), Status::Halted(budget.cause));
    }
}

#[test]
fn a_limit_of_0_allows_nothing_and_has_no_overdraft() {
    for budget in budgets() {
        let enforcer = (budget.set)(builder(&noon()), 0, 5, Action::Refuse).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        assert_eq!((budget.shown)(&run, &enforcer), (0, 0, 0));
        run.charge((budget.used)(1));
        assert_eq!(run.reserve(Demand::none()).unwrap_err().as_cause(), budget.cause);
    }
}

#[test]
fn a_pool_tolerates_the_debt_of_those_who_share_it() {
    let limits = ResourceLimits { max_tokens: 10, token_overdraft: 5, ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).policy(all(Action::Refuse)).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let child = root.child("child").register().unwrap();
    child.charge(Actual::tokens(15, 0));
    assert!(child.reserve(Demand::step()).is_ok() && root.reserve(Demand::step()).is_ok());
    child.charge(Actual::tokens(1, 0));
    let refused = child.reserve(Demand::step()).unwrap_err();
    assert_eq!((refused.scope, refused.used, refused.overdraft), (ScopeKind::Parent, 16, 5));
}

#[test]
fn l1_an_overdraft_changes_with_the_limits() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let run = register(&builder(&noon()).policy(all(Action::Refuse)).limits(limits.clone()).build().unwrap(), "a", "t");
    run.charge(Actual::tokens(12, 0));
    assert!(run.reserve(Demand::step()).is_err());
    run.set_limits(ResourceLimits { token_overdraft: 2, ..limits.clone() }).unwrap();
    assert!(run.reserve(Demand::step()).is_ok());
    run.set_limits(ResourceLimits { token_overdraft: 1, ..limits }).unwrap();
    assert!(run.reserve(Demand::step()).is_err());
}

#[test]
fn an_overdraft_without_its_limit_is_an_error_when_it_is_built() {
    let key = |limits: ResourceLimits| builder(&noon()).limits(limits).build().err().map(|error| error.key);
    assert_eq!(key(ResourceLimits { token_overdraft: 1, ..unlimited() }), Some("token_overdraft"));
    assert_eq!(key(ResourceLimits { cost_overdraft_usd: nano(1), ..unlimited() }), Some("cost_overdraft_usd"));
    let too_large = ResourceLimits { max_tokens: 1, token_overdraft: 1 << 56, ..unlimited() };
    assert_eq!(key(too_large), Some("token_overdraft"));
    let largest = ResourceLimits { max_tokens: 1, token_overdraft: (1 << 56) - 1, ..unlimited() };
    assert_eq!(key(largest), None);
    let tenant = TenantPolicy { budget_overdraft_usd: nano(1), ..Default::default() };
    assert_eq!(builder(&noon()).tenant(tenant).build().unwrap_err().key, "budget_overdraft_usd");
}

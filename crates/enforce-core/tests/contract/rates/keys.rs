//! Which rates a demand meets.

use std::time::Duration;

use enforce_core::{
    Action, Actual, Demand, EnforcementPolicy, EnforcementResult, LimitActions, ModelError, ProviderPolicy, RateLimit,
    RateOn, RatePeriod, RateUnit, RatesRefused, ResourceLimits, Retry, ScopeKind, ViolationType,
};

use super::{PERIODS, after, model, of_each_kind, provider, step};
use crate::common::{SECOND, builder, kind, noon, pass, register, unlimited};

const UNITS: [RateUnit; 4] = [RateUnit::Requests, RateUnit::InputTokens, RateUnit::OutputTokens, RateUnit::TotalTokens];

/// A demand that asks `amount` of that unit, and little of the others.
fn asking(unit: RateUnit, amount: u64) -> (Demand, Actual) {
    let (input, output) = match unit {
        RateUnit::Requests => (0, 0),
        RateUnit::OutputTokens => (9, amount),
        RateUnit::InputTokens => (amount, 9),
        _ => (amount - 1, 1),
    };
    (Demand::step().tokens(input, output), Actual::tokens(input, output))
}

#[test]
fn q1_each_unit_of_each_kind_of_key_is_admitted_to_its_burst_and_refills_with_its_period() {
    for unit in UNITS {
        for (per, seconds) in PERIODS {
            let limit = RateLimit { burst: Some(3), ..RateLimit::provider(unit, 2, per) };
            for (limit, scope) in
                of_each_kind(limit).into_iter().zip([ScopeKind::Provider, ScopeKind::Tenant, ScopeKind::Model])
            {
                let time = noon();
                let enforcer = builder(&time).rate(limit).build().unwrap();
                let run = register(&enforcer, "exec", "tenant");
                let (demand, actual) = asking(unit, 1);
                let demand = demand.provider(provider(&enforcer, "lab")).model(model(&enforcer, "large"));
                let ask = || run.reserve(demand).map(|hold| hold.settle(actual).overrun_tokens);
                assert_eq!([ask(), ask(), ask()], [Ok(0); 3], "{unit} {per}");
                let refused = ask().unwrap_err();
                assert_eq!((refused.violation_type, refused.scope), (ViolationType::RateLimit, scope));
                assert_eq!((refused.used, refused.asked, refused.limit), (3, 1, 3), "{unit} {per}");
                let which = if unit == RateUnit::Requests { RatesRefused::Requests } else { RatesRefused::Tokens };
                assert_eq!(refused.rates, Some(which));
                let EnforcementResult::Blocked(checked) = run.check(demand) else { panic!("{unit} {per}") };
                assert_eq!(checked, refused, "a check says the same");
                // Two in a period, so one in half of it, to the nanosecond.
                let half = seconds * SECOND / 2;
                assert_eq!(refused.retry, Retry::After(Duration::from_nanos(half)));
                pass(&time, half - 1);
                assert!(ask().is_err(), "{unit} {per}");
                pass(&time, 1);
                assert_eq!(ask(), Ok(0), "{unit} {per}");
            }
        }
    }
}

#[test]
fn each_tenant_has_its_own_with_each_provider_and_a_provider_or_model_is_everyones() {
    for limit in of_each_kind(RateLimit::provider(RateUnit::Requests, 1, RatePeriod::Day)) {
        let on = limit.on;
        let enforcer = builder(&noon()).rate(limit).build().unwrap();
        let admitted = |tenant: &str, provider_name: &str, model_name: &str| {
            let demand =
                Demand::step().provider(provider(&enforcer, provider_name)).model(model(&enforcer, model_name));
            let run = enforcer.execution(format!("{tenant} {provider_name} {model_name}"), tenant.to_owned());
            run.register().unwrap().reserve(demand).is_ok()
        };
        let asked = [("a", "lab", "large"), ("b", "lab", "small"), ("a", "other", "large"), ("b", "other", "small")];
        let admitted = asked.map(|(tenant, provider, model)| admitted(tenant, provider, model));
        let expected = match on {
            RateOn::Provider => [true, false, true, false],
            RateOn::Model => [true, true, false, false],
            _ => [true, true, true, true],
        };
        assert_eq!(admitted, expected, "{on}");
    }
}

#[test]
fn who_names_no_key_asks_no_rate() {
    let rates = of_each_kind(RateLimit::provider(RateUnit::Requests, 0, RatePeriod::Minute));
    let enforcer = rates.into_iter().fold(builder(&noon()), |builder, rate| builder.rate(rate)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let refused = |demand: Demand| run.reserve(demand).err().map(|violation| violation.scope);
    assert_eq!(refused(Demand::step()), None);
    assert_eq!(refused(Demand::step().provider(provider(&enforcer, "lab"))), Some(ScopeKind::Provider));
    assert_eq!(refused(Demand::step().model(model(&enforcer, "large"))), Some(ScopeKind::Model));
}

#[test]
fn a_rate_of_a_name_stands_in_for_the_one_of_every_name() {
    let of = |limit| RateLimit::provider(RateUnit::Requests, limit, RatePeriod::Minute);
    let hour = RateLimit::provider(RateUnit::Requests, 4, RatePeriod::Hour);
    let enforcer = builder(&noon()).rate(of(2)).rate(of(6).named("lab")).rate(of(1).named("other")).rate(hour).build();
    let enforcer = enforcer.unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let admitted = |name: &str| {
        let demand = Demand::step().provider(provider(&enforcer, name));
        (0..9).take_while(|_| run.reserve(demand).is_ok()).count()
    };
    assert_eq!(["lab", "other", "any"].map(admitted), [4, 1, 2], "the hour's rate is everyone's as before");
}

#[test]
fn t2_all_rates_and_budgets_are_taken_together_or_not_at_all() {
    let rates = of_each_kind(RateLimit::provider(RateUnit::Requests, 2, RatePeriod::Day));
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let builder = rates.into_iter().fold(builder(&noon()).limits(limits), |builder, rate| builder.rate(rate));
    let tokens = RateLimit::model(RateUnit::OutputTokens, 5, RatePeriod::Day);
    let enforcer = builder.rate(tokens).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    for _ in 0..5 {
        assert_eq!(kind(run.reserve(step(&enforcer).tokens(0, 6))), Some(ViolationType::RateLimit));
        assert_eq!(kind(run.reserve(step(&enforcer).tokens(11, 0))), Some(ViolationType::TokenLimit));
    }
    let holds = [0; 2].map(|_| run.reserve(step(&enforcer).tokens(2, 2)).unwrap());
    assert_eq!((run.snapshot().steps, run.snapshot().outstanding.tokens), (2, 8));
    assert_eq!(run.reserve(step(&enforcer)).unwrap_err().scope, ScopeKind::Provider, "the first is the violation");
    drop(holds);
}

#[test]
fn the_retry_is_the_latest_of_all_that_refuse_and_never_if_one_never_fits() {
    let enforcer = builder(&noon())
        .provider(ProviderPolicy { requests_per_minute: Some(60), request_burst: Some(1), ..Default::default() })
        .rate(RateLimit::tenant_provider(RateUnit::Requests, 12, RatePeriod::Minute).burst(1))
        .rate(RateLimit::model(RateUnit::TotalTokens, 1, RatePeriod::Hour).burst(2))
        .build()
        .unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = step(&enforcer);
    run.reserve(demand.tokens(1, 1)).unwrap().settle(Actual::tokens(1, 1));
    let refused = run.reserve(demand).unwrap_err();
    assert_eq!(
        (refused.scope, refused.rates, refused.retry),
        (ScopeKind::Provider, Some(RatesRefused::Requests), after(5))
    );
    let refused = run.reserve(demand.tokens(1, 0)).unwrap_err();
    assert_eq!((refused.rates, refused.retry), (Some(RatesRefused::Both), after(3_600)));
    let never = run.reserve(demand.tokens(3, 0)).unwrap_err();
    assert_eq!((never.scope, never.retry, never.used), (ScopeKind::Provider, Retry::Never, 1));
}

#[test]
fn observed_rates_are_charged_together_for_what_all_of_them_would_have_admitted() {
    let actions = LimitActions { rate: Action::Observe, ..Default::default() };
    let rates = of_each_kind(RateLimit::provider(RateUnit::TotalTokens, 60, RatePeriod::Minute));
    let builder = builder(&noon()).policy(EnforcementPolicy { actions, ..Default::default() });
    let enforcer = rates.into_iter().fold(builder, |builder, rate| builder.rate(rate)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let observed = |tokens: u64, used: u64| {
        let hold = run.reserve(step(&enforcer).tokens(tokens, 0)).unwrap();
        let observed = hold.observed().map(|violation| violation.used);
        hold.settle(Actual::tokens(used, 0));
        observed
    };
    assert_eq!(observed(60, 40), None);
    assert_eq!(observed(30, 90), Some(40), "not charged, and so not corrected");
    assert_eq!(observed(20, 20), None);
}

#[test]
fn a_key_of_another_enforcer_is_admitted_by_no_rate() {
    let rate = RateLimit::model(RateUnit::Requests, 1, RatePeriod::Second);
    let enforcer = builder(&noon()).rate(rate).build().unwrap();
    let other = builder(&noon()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let refused = run.reserve(Demand::step().model(model(&other, "large"))).unwrap_err();
    assert_eq!((refused.scope, refused.retry), (ScopeKind::Model, Retry::Never));
    assert!(run.reserve(Demand::step().provider(provider(&other, "lab"))).is_ok(), "no rate of a provider is set");
}

#[test]
fn a_full_table_of_models_refuses_and_those_in_it_go_on() {
    let enforcer = builder(&noon()).max_models(2).build().unwrap();
    let keys = [enforcer.model("a").unwrap(), enforcer.model("b").unwrap()];
    for name in ["c", "d", "c"] {
        assert_eq!(enforcer.model(name), Err(ModelError::Full { cap: 2 }));
    }
    assert_eq!([enforcer.model("a"), enforcer.model("b")], keys.map(Ok));
    assert!(matches!(enforcer.model(""), Err(ModelError::InvalidName(error)) if error.bytes == 0));
    assert_eq!(enforcer.model("c").unwrap_err().to_string(), "2 models are known already; raise max_models");
}

#[test]
fn what_makes_no_sense_together_is_refused_when_it_is_built() {
    let error = |rates: &[RateLimit]| {
        let policy = ProviderPolicy { requests_per_minute: Some(60), ..Default::default() };
        let builder = rates.iter().fold(builder(&noon()).provider(policy), |builder, rate| builder.rate(rate.clone()));
        builder.build().err().map(|error| error.to_string())
    };
    let requests = RateLimit::provider(RateUnit::Requests, 5, RatePeriod::Minute);
    assert_eq!(
        error(std::slice::from_ref(&requests)).unwrap(),
        "rate: two rates of provider, requests per minute; write one"
    );
    assert_eq!(error(&[requests.clone().named("lab")]), None, "an override is not a second one");
    assert_eq!(error(&[requests.named("")]).map(|error| error.contains("name: ")), Some(true));
    let tokens: Vec<_> = [RateUnit::InputTokens, RateUnit::OutputTokens, RateUnit::TotalTokens]
        .into_iter()
        .flat_map(|unit| PERIODS.map(|(per, _)| RateLimit::provider(unit, 1, per)))
        .collect();
    assert_eq!(error(&tokens[..6]), None);
    assert_eq!(error(&tokens[..7]).unwrap(), "rate: 7 rates of tokens could meet in one demand; write at most 6");
    let of_model = RateLimit::model(RateUnit::InputTokens, 1, RatePeriod::Day).named("large");
    assert!(error(&[&tokens[..6], &[of_model]].concat()).is_some(), "of all keys together");
}

#[test]
fn as_many_rates_as_there_may_be_are_all_exact() {
    let requests = PERIODS.map(|(per, _)| of_each_kind(RateLimit::provider(RateUnit::Requests, 1_000, per))).concat();
    let tokens = PERIODS.map(|(per, _)| RateLimit::provider(RateUnit::InputTokens, 1_000, per));
    let more = PERIODS.map(|(per, _)| RateLimit::model(RateUnit::OutputTokens, 1_000, per));
    let rates = requests.into_iter().chain(tokens).chain(more.into_iter().take(2));
    let enforcer = rates.fold(builder(&noon()), |builder, rate| builder.rate(rate)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    for number in 0..1_000 {
        let hold = run.reserve(step(&enforcer).tokens(9, 9)).unwrap();
        if number % 2 == 0 {
            hold.settle(Actual::tokens(1, 1));
        }
    }
    let refused = run.reserve(step(&enforcer)).unwrap_err();
    assert_eq!((refused.rates, refused.used), (Some(RatesRefused::Requests), 1_000));
    let thousandth_of_a_day = Duration::from_millis(86_400);
    assert_eq!(refused.retry, Retry::After(thousandth_of_a_day));
    assert_eq!(run.reserve(step(&enforcer).tokens(1_000, 0)).unwrap_err().rates, Some(RatesRefused::Both));
}

#[test]
fn q1_all_rates_that_a_demand_meets_are_charged_however_many_there_are() {
    let kinds = [RateLimit::provider, RateLimit::tenant_provider, RateLimit::model];
    let periods = [RatePeriod::Second, RatePeriod::Minute, RatePeriod::Hour, RatePeriod::Day];
    let all = || kinds.into_iter().flat_map(|kind| periods.map(|per| (kind, per)));
    for least in 0..all().count() {
        let limit = |number| if number == least { 1 } else { 100 };
        let rates = all().enumerate().map(|(number, (kind, per))| kind(RateUnit::Requests, limit(number), per));
        let enforcer = rates.fold(builder(&noon()), |builder, rate| builder.rate(rate)).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let demand = Demand::step().provider(enforcer.provider("lab").unwrap());
        let demand = demand.model(enforcer.model("small").unwrap());
        assert!(run.reserve(demand).is_ok());
        assert!(run.reserve(demand).is_err(), "{least}");
    }
}

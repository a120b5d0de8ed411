//! States that make no sense, each refused by its place, with nothing taken over.

use enforce_core::{
    Cause, Demand, EnforcerBuilder, EnforcerState, LongRunningExecutionPolicy, ManualClock, RateLimit, RatePeriod,
    RateUnit, ResourceLimits, RestoreError, RestoreOptions, Timestamp, ViolationType,
};
use serde_json::{Value, json};

use super::saved;
use crate::common::{MAX, SECOND, builder, disabled, nano, noon, pass, register, unlimited};

/// Two tenants; a tree of three, one of them with a slice; a pause; a hold that is open.
pub(super) fn state() -> Value {
    let before =
        builder(&noon()).tenant(enforce_core::TenantPolicy { budget_usd: Some(nano(1_000)), ..Default::default() });
    let before = before.build().unwrap();
    let run = register(&before, "root", "tenant_a");
    let sliced = run.child("sliced").slice(Demand::none().steps(9).tokens(0, 50).cost(nano(40))).register().unwrap();
    let _below = sliced.child("below").slice(Demand::none().tokens(0, 20)).register().unwrap();
    let hold = run.reserve_owned(Demand::step().tokens(10, 10).cost(nano(7))).unwrap();
    register(&before, "zz_other", "tenant_b").pause("wait");
    let state = serde_json::to_value(saved(&before)).unwrap();
    drop(hold);
    state
}

/// Refused, with nothing left behind; the place.
fn refused(state: &Value) -> String {
    let state: EnforcerState = serde_json::from_value(state.clone()).unwrap();
    let mut after = builder(&noon()).max_executions(4).max_tenants(2).build().unwrap();
    let error = after.restore(&state, RestoreOptions::new()).unwrap_err();
    assert_eq!((after.execution_count(), after.tenant_count()), (0, 0));
    match error {
        RestoreError::Invalid { place, .. } => place,
        error => error.to_string(),
    }
}

#[test]
fn n1_what_makes_no_sense_is_refused_by_its_place() {
    let too_much = json!(MAX + 1);
    let cases: [(&str, Value, &str); 24] = [
        ("/version", json!(2), "a state of version 2; this library reads version 1"),
        ("/last_pause", json!(1_u64 << 40), "last_pause"),
        ("/executions/0/id", json!(""), "executions[0].id"),
        ("/executions/0/id", json!("x".repeat(129)), "executions[0].id"),
        ("/executions/3/id", json!("root"), "executions[3].id"),
        ("/executions/0/tenant", json!("nobody"), "executions[0].tenant"),
        ("/executions/1/tenant", json!("tenant_b"), "executions[1].tenant"),
        ("/executions/1/parent", json!("nobody"), "executions[1].parent"),
        ("/executions/1/parent", json!("sliced"), "executions[1].parent"),
        ("/executions/0/parent", json!("below"), "executions[0].parent"),
        ("/executions/2/slice/tokens", json!(51), "executions[2].slice"),
        ("/executions/1/slice/cost_nano_usd", too_much.clone(), "executions[1].slice.cost_nano_usd"),
        ("/executions/1/parent", Value::Null, "executions[1].slice"),
        ("/executions/0/committed/steps", too_much.clone(), "executions[0].committed.steps"),
        ("/executions/0/outstanding/tokens", json!(u64::MAX), "executions[0].outstanding.tokens"),
        ("/executions/0/started_at", json!(u64::MAX), "executions[0].started_at"),
        ("/executions/0/paused_since", json!(u64::MAX), "executions[0].started_at"),
        ("/executions/0/paused_ns", json!(u64::MAX), ""),
        ("/executions/3/pause/number", json!(2), "executions[3].pause.number"),
        ("/tenants/0/id", json!("tenant_b"), "tenants[1].id"),
        ("/tenants/0/ended/cost_nano_usd", too_much.clone(), "tenants[0].ended.cost_nano_usd"),
        ("/tenants/0/budgets/0/committed", too_much, "tenants[0].budgets[0].committed"),
        ("/tenants/0/budgets/0/ends", json!(5), "tenants[0].budgets[0].ends"),
        ("/executions/0/max_discovery_depth", json!(u32::MAX), ""),
    ];
    let whole = state();
    for (pointer, value, place) in cases {
        let mut state = whole.clone();
        *state.pointer_mut(pointer).unwrap() = value;
        if place.is_empty() {
            let state: EnforcerState = serde_json::from_value(state).unwrap();
            assert!(super::try_into(builder(&noon()), &state).is_ok());
        } else {
            assert_eq!(refused(&state), place, "{pointer}");
        }
    }
}

#[test]
fn t1_slices_that_are_together_more_than_the_one_that_they_are_of_are_refused() {
    let mut whole = state();
    let mut beside = whole["executions"][2].clone();
    beside["id"] = json!("beside");
    whole["executions"].as_array_mut().unwrap().push(beside);
    let with = |tokens: u64| {
        let mut state = whole.clone();
        state["executions"][4]["slice"]["tokens"] = json!(tokens);
        serde_json::from_value::<EnforcerState>(state).unwrap()
    };
    assert!(super::try_into(builder(&noon()), &with(30)).is_ok());
    let error = super::try_into(builder(&noon()), &with(31)).map(|_| ()).unwrap_err();
    let wrong = "51 tokens, with those beside it, are more than the 50 of the slice that it is of";
    assert_eq!(error.to_string(), format!("invalid state at executions[4].slice: {wrong}"));
}

#[test]
fn more_than_fits_a_table_and_trees_that_are_too_deep_are_refused() {
    let mut many = state();
    let one = many["executions"][3].clone();
    many["executions"].as_array_mut().unwrap().push(one);
    assert_eq!(refused(&many), "the state has more than 4 executions; raise max_executions");
    let mut many = state();
    let mut third = many["tenants"][0].clone();
    third["id"] = json!("tenant_c");
    many["tenants"].as_array_mut().unwrap().push(third);
    assert_eq!(refused(&many), "the state has more than 2 tenants; raise max_tenants");

    let mut deep: EnforcerState = serde_json::from_value(state()).unwrap();
    deep.executions.truncate(1);
    for depth in 1..10 {
        let mut child = deep.executions[depth - 1].clone();
        child.parent = Some(std::mem::replace(&mut child.id, format!("child_{depth}")));
        deep.executions.push(child);
    }
    let error = super::try_into(builder(&noon()), &deep).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "invalid state at executions[9].parent: a tree is at most 8 deep");
}

#[test]
fn an_enforcer_that_is_used_or_shared_is_no_place_for_a_state() {
    let state: EnforcerState = serde_json::from_value(state()).unwrap();
    let mut used = builder(&noon()).build().unwrap();
    let run = register(&used, "exec", "tenant");
    assert_eq!(used.restore(&state, RestoreOptions::new()), Err(RestoreError::NotFresh));
    run.charge(enforce_core::Actual::tokens(1, 0));
    run.finish();
    drop(run);
    assert_eq!(used.restore(&state, RestoreOptions::new()), Err(RestoreError::NotFresh));
    let mut shared = builder(&noon()).build().unwrap();
    let clone = shared.clone();
    assert_eq!(shared.restore(&state, RestoreOptions::new()), Err(RestoreError::Shared));
    drop(clone);
    // A tenant that has left without a trace is in nobody's way.
    register(&shared, "exec", "tenant").finish();
    assert!(shared.restore(&state, RestoreOptions::new()).is_ok());
    assert_eq!(shared.restore(&state, RestoreOptions::new()), Err(RestoreError::NotFresh), "twice");
}

#[test]
fn limits_of_the_caller_that_make_no_sense_are_refused_by_the_id() {
    let state: EnforcerState = serde_json::from_value(state()).unwrap();
    let mut after = builder(&noon()).build().unwrap();
    let wrong = LongRunningExecutionPolicy { max_same_step_repetitions: Some(1), ..disabled() };
    let options = RestoreOptions::new().limits(|it| (it.id == "below").then(|| (unlimited(), wrong.clone())));
    let error = after.restore(&state, options).unwrap_err();
    assert!(matches!(&error, RestoreError::Config { id, .. } if id == "below"), "{error}");
    let from = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().ends_with(&from), "{error} comes from {from}");
    assert_eq!(after.execution_count(), 0);
    assert!(after.restore(&state, RestoreOptions::new()).is_ok());
}

#[test]
fn an_unknown_field_is_an_error() {
    let mut state = state();
    state["executions"][0]["max_steps"] = json!(1_000_000);
    assert!(serde_json::from_value::<EnforcerState>(state).is_err());
}

#[test]
fn e1_what_stands_below_a_halt_is_halted_whatever_the_state_says() {
    let mut text = state();
    text["executions"][0]["halted"] = json!({"violation_type": "step_limit", "scope": "execution"});
    let state: EnforcerState = serde_json::from_value(text).unwrap();
    let after = super::into(builder(&noon()).limits(ResourceLimits::unlimited()), &state);
    let by = Cause { violation_type: ViolationType::StepLimit, scope: enforce_core::ScopeKind::Parent };
    assert_eq!(after.get("below").unwrap().status(), enforce_core::Status::Halted(by));
}

/// The state of an enforcer that has used rates of a provider, of a model, and of a tenant with a provider.
fn rated() -> Value {
    let rates = [RateLimit::provider, RateLimit::model, RateLimit::tenant_provider];
    let rates = rates.map(|on| on(RateUnit::Requests, 9, RatePeriod::Minute));
    let before = rates.into_iter().fold(builder(&noon()), EnforcerBuilder::rate).build().unwrap();
    let demand = Demand::step().provider(before.provider("lab").unwrap()).model(before.model("small").unwrap());
    drop(register(&before, "exec", "tenant").reserve(demand).unwrap());
    serde_json::to_value(saved(&before)).unwrap()
}

#[test]
fn n1_rates_that_make_no_sense_are_refused_by_their_place() {
    let whole = rated();
    let of = |on: &str| {
        let place = whole["rates"].as_array().unwrap().iter().position(|rate| rate["on"] == on);
        place.expect("it was used")
    };
    let (provider, both) = (of("provider"), of("tenant_provider"));
    for (number, field, value) in [
        (provider, "name", json!("")),
        (provider, "tenant", json!("tenant")),
        (both, "tenant", Value::Null),
        (both, "tenant", json!("nobody")),
        (provider, "interval", json!(0)),
        (provider, "scale", json!(0)),
    ] {
        let mut state = whole.clone();
        state["rates"][number][field] = value;
        let field = if field == "scale" { "interval" } else { field };
        assert_eq!(refused(&state), format!("rates[{number}].{field}"));
    }
}

#[test]
fn providers_and_models_of_a_state_have_room_in_their_own_tables() {
    let mut state = rated();
    let one = state["rates"].as_array().unwrap().iter().find(|rate| rate["on"] == "model").unwrap().clone();
    for name in ["medium", "large"] {
        let rate =
            Value::Object(one.as_object().unwrap().clone().into_iter().chain([("name".into(), json!(name))]).collect());
        state["rates"].as_array_mut().unwrap().push(rate);
    }
    let state: EnforcerState = serde_json::from_value(state).unwrap();
    let into = |models, providers| {
        super::try_into(builder(&noon()).max_models(models).max_providers(providers), &state).map(drop)
    };
    assert_eq!(into(3, 1), Ok(()));
    assert_eq!(into(2, 9), Err(RestoreError::Full { table: "models", cap: 2 }));
    assert_eq!(into(9, 0), Err(RestoreError::Full { table: "providers", cap: 0 }));
}

#[test]
fn the_largest_amounts_and_the_earliest_clock_are_taken_over() {
    let start = |seconds| ManualClock::starting_at(Timestamp::from_nanos(seconds * SECOND));
    let time = start(0);
    let before = builder(&time).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.charge(enforce_core::Actual::tokens(MAX, 0));
    pass(&time, 10 * SECOND);
    let state = saved(&before);
    assert_eq!(
        super::try_into(builder(&start(9)), &state).map(drop).unwrap_err().to_string(),
        "the clock stands at 9000000000 ns; it must stand at 10000000000 ns at least"
    );
    assert_eq!(super::into(builder(&start(10)), &state).snapshot("exec").unwrap().input_tokens, MAX);
}

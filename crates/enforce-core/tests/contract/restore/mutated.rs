//! Text that was changed at random: never a panic, and never more room than limits allow or the text itself says is used.

use enforce_core::{Demand, EnforcerState, ResourceLimits, RestoreOptions};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use super::hostile::state;
use crate::common::{builder, noon, unlimited};

const STEPS: u64 = 40;
const TOKENS: u64 = 90;

/// Restores it if it can be read, and looks at the room that this leaves.
fn restore(text: &str) {
    let Ok(state) = serde_json::from_str::<EnforcerState>(text) else { return };
    let limits = ResourceLimits { max_steps: STEPS, max_tokens: TOKENS, ..unlimited() };
    let mut after = builder(&noon()).limits(limits).max_executions(8).max_tenants(4).build().unwrap();
    if after.restore(&state, RestoreOptions::new()).is_err() {
        assert_eq!((after.execution_count(), after.tenant_count()), (0, 0));
        return;
    }
    assert_eq!(after.execution_count(), state.executions.len() as u64);
    for it in &state.executions {
        let run = after.get(&it.id).unwrap();
        let usage = run.snapshot();
        let said = it.committed.input_tokens.saturating_add(it.committed.output_tokens);
        assert!(usage.steps >= it.committed.steps);
        assert!(usage.total_tokens >= said.saturating_add(it.outstanding.tokens).min((1 << 56) - 1));
        assert!(usage.cost_nano_usd >= it.committed.cost_nano_usd);
        if it.parent.is_none() {
            let left = TOKENS.saturating_sub(said);
            assert!(run.check(Demand::none().tokens(0, left + 1)).is_blocked(), "T1");
            assert!(run.check(Demand::step().steps(STEPS.saturating_sub(it.committed.steps) + 1)).is_blocked(), "T1");
        }
    }
}

/// Every value in it that has none below.
fn leaves(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(item, &format!("{path}/{at}"), all))
        }
        _ => all.push(path.to_owned()),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![0, 1, 7, 1 << 40, (1 << 56) - 1, 1 << 56, u64::MAX]).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::sample::select(vec!["", "root", "sliced", "below", "zz_other", "tenant_b", "day", "tokens", "tenant"])
            .prop_map(Value::from),
        Just(Value::Null),
        Just(serde_json::json!({"violation_type": "step_limit", "scope": "tenant"})),
        Just(serde_json::json!([])),
    ]
}

#[test]
fn n1_text_that_is_cut_off_anywhere_is_an_error() {
    let text = state().to_string();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(serde_json::from_str::<EnforcerState>(&text[..end]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn t1_no_change_of_fields_leaves_more_room_than_there_is(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4)
    ) {
        let mut value = state();
        let mut all = Vec::new();
        leaves(&value, "", &mut all);
        for (which, to) in changes {
            if let Some(field) = value.pointer_mut(&all[which.index(all.len())]) {
                *field = to;
            }
        }
        restore(&value.to_string());
    }

    #[test]
    fn n1_no_change_of_bytes_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = state().to_string().into_bytes();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            restore(&text);
        }
    }
}

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rate::rate_ratio;
use super::*;
use crate::money::NanoUsd;

const JUST_TOO_LARGE: u64 = MAX_AMOUNT + 1;

fn usd(dollars: u64) -> Option<NanoUsd> {
    NanoUsd::from_usd_whole(dollars).ok()
}

fn limits(change: impl FnOnce(&mut ResourceLimits)) -> Result<(), ConfigError> {
    let mut limits = ResourceLimits::default();
    change(&mut limits);
    limits.validate()
}

fn long_running(change: impl FnOnce(&mut LongRunningExecutionPolicy)) -> Result<(), ConfigError> {
    let mut policy = LongRunningExecutionPolicy::default();
    change(&mut policy);
    policy.validate()
}

fn requests(per_minute: Option<u64>, burst: Option<u64>) -> Result<(), ConfigError> {
    ProviderPolicy { requests_per_minute: per_minute, request_burst: burst, ..Default::default() }.validate()
}

fn key(result: Result<(), ConfigError>) -> &'static str {
    result.unwrap_err().key
}

#[test]
fn the_largest_amount_is_accepted_and_one_more_is_not() {
    assert_eq!(limits(|it| it.max_steps = MAX_AMOUNT), Ok(()));
    assert_eq!(key(limits(|it| it.max_steps = JUST_TOO_LARGE)), "max_steps");
    assert_eq!(limits(|it| it.max_tokens = MAX_AMOUNT), Ok(()));
    assert_eq!(key(limits(|it| it.max_tokens = JUST_TOO_LARGE)), "max_tokens");
    assert_eq!(limits(|it| it.max_concurrent_executions = Some(MAX_AMOUNT)), Ok(()));
    assert_eq!(key(limits(|it| it.max_concurrent_executions = Some(JUST_TOO_LARGE))), "max_concurrent_executions");
    assert_eq!(long_running(|it| it.max_discovered_steps = Some(MAX_AMOUNT)), Ok(()));
    assert_eq!(key(long_running(|it| it.max_discovered_steps = Some(JUST_TOO_LARGE))), "max_discovered_steps");
    assert_eq!(key(long_running(|it| it.max_discovery_depth = Some(JUST_TOO_LARGE))), "max_discovery_depth");
    assert_eq!(key(long_running(|it| it.max_same_step_repetitions = Some(UNLIMITED))), "max_same_step_repetitions");
}

#[test]
fn unlimited_is_accepted_in_plain_fields_only() {
    assert_eq!(ResourceLimits::unlimited().validate(), Ok(()));
    assert_eq!(key(limits(|it| it.max_memory_mb = Some(UNLIMITED))), "max_memory_mb");
}

#[test]
fn memory_is_bounded_by_its_bytes() {
    assert_eq!(limits(|it| it.max_memory_mb = Some((1 << 36) - 1)), Ok(()));
    assert_eq!(key(limits(|it| it.max_memory_mb = Some(1 << 36))), "max_memory_mb");
}

#[test]
fn a_time_may_be_any_number() {
    assert_eq!(limits(|it| it.max_wall_time_ms = UNLIMITED - 1), Ok(()));
    assert_eq!(long_running(|it| it.idle_timeout_seconds = Some(u64::MAX)), Ok(()));
    assert_eq!(EnforcementPolicy { timeout_grace_ms: u64::MAX, ..Default::default() }.validate(), Ok(()));
}

#[test]
fn a_limit_of_nothing_is_accepted() {
    assert_eq!(limits(|it| (it.max_steps, it.max_memory_mb, it.max_cost_usd) = (0, Some(0), usd(0))), Ok(()));
    assert_eq!(requests(Some(0), None), Ok(()));
    assert_eq!(requests(Some(60), Some(0)), Ok(()));
}

#[test]
fn a_loop_has_at_least_two_steps() {
    assert_eq!(key(long_running(|it| it.max_same_step_repetitions = Some(0))), "max_same_step_repetitions");
    assert_eq!(key(long_running(|it| it.max_same_step_repetitions = Some(1))), "max_same_step_repetitions");
    assert_eq!(long_running(|it| it.max_same_step_repetitions = Some(2)), Ok(()));
}

#[test]
fn a_cycle_has_one_to_eight_steps() {
    for (length, accepted) in [(0, false), (1, true), (8, true), (9, false)] {
        assert_eq!(long_running(|it| it.max_cycle_length = length).is_ok(), accepted, "{length}");
    }
}

#[test]
fn a_warning_comes_at_a_hundred_percent_at_the_latest() {
    assert_eq!(EnforcementPolicy { warning_threshold: 100, ..Default::default() }.validate(), Ok(()));
    assert_eq!(key(EnforcementPolicy { warning_threshold: 101, ..Default::default() }.validate()), "warning_threshold");
}

#[test]
fn what_frees_itself_can_only_refuse_or_observe() {
    type Set = fn(&mut LimitActions, Action);
    let passing: [(&str, Set); 3] = [
        ("discovery_depth", |actions, action| actions.discovery_depth = action),
        ("concurrency", |actions, action| actions.concurrency = action),
        ("rate", |actions, action| actions.rate = action),
    ];
    for (name, set) in passing {
        for action in [Action::Refuse, Action::Observe, Action::Pause, Action::Halt] {
            let mut policy = EnforcementPolicy::default();
            set(&mut policy.actions, action);
            match action {
                Action::Refuse | Action::Observe => assert_eq!(policy.validate(), Ok(())),
                Action::Pause | Action::Halt => assert_eq!(key(policy.validate()), name),
            }
        }
    }
}

#[test]
fn observing_everything_blocks_nothing() {
    let actions = serde_json::to_value(LimitActions::observe()).unwrap();
    assert!(actions.as_object().unwrap().values().all(|action| action == "observe"));
    assert_eq!(LimitActions::observe().validate(), Ok(()));
}

#[test]
fn a_burst_needs_its_limit() {
    assert_eq!(key(requests(None, Some(5))), "request_burst");
    let policy = ProviderPolicy { token_burst: Some(5), requests_per_minute: Some(60), ..Default::default() };
    assert_eq!(key(policy.validate()), "token_burst");
}

#[test]
fn a_rate_is_reduced_to_lowest_terms() {
    for (limit, ratio) in [
        (300, (200_000_000, 1)),
        (350, (1_200_000_000, 7)),
        (400_000, (150_000, 1)),
        (3_000_000, (20_000, 1)),
        (999_999_937, (60_000_000_000, 999_999_937)),
        (1, (60_000_000_000, 1)),
    ] {
        assert_eq!(rate_ratio(RatePeriod::Minute, limit), ratio, "{limit}");
    }
}

#[test]
fn rates_that_last_ten_years_are_accepted() {
    for limit in [1, 300, 350, 400_000, 3_000_000, 58, 60_000_000_000, 58 * 60_000_000_000] {
        assert_eq!(requests(Some(limit), None), Ok(()), "{limit}");
    }
}

#[test]
fn rates_that_do_not_last_ten_years_name_the_nearest_that_do() {
    for (limit, right) in [
        (61, "write 60 or 62"),
        (361, "write 360 or 368"),
        (999_999_937, "write 998400000 or 1000000000"),
        (MAX_AMOUNT, "write 3480000000000"),
    ] {
        let error = requests(Some(limit), None).unwrap_err();
        assert_eq!((error.key, error.right.as_str()), ("requests_per_minute", right), "{limit}");
    }
}

#[test]
fn a_burst_must_fit_its_cell() {
    // 60e9 units each: 2^62 / 60e9 of them.
    assert_eq!(requests(Some(1), Some(76_861_433)), Ok(()));
    assert_eq!(key(requests(Some(1), Some(76_861_434))), "request_burst");
    assert_eq!(requests(Some(60), Some(JUST_TOO_LARGE)).unwrap_err().key, "request_burst");
}

#[test]
fn an_error_reads_in_one_line() {
    assert_eq!(
        limits(|it| it.max_steps = JUST_TOO_LARGE).unwrap_err().to_string(),
        "max_steps: 72057594037927936 is too large; write at most 72057594037927935, or 18446744073709551615 for no limit"
    );
}

#[test]
fn the_defaults_are_the_seed_s() {
    let limits = ResourceLimits::default();
    assert_eq!((limits.max_steps, limits.max_tokens, limits.max_wall_time_ms), (100, 100_000, 300_000));
    assert_eq!((limits.max_memory_mb, limits.max_concurrent_executions, limits.max_cost_usd), (None, None, None));
    let policy = EnforcementPolicy::default();
    assert_eq!((policy.warning_threshold, policy.timeout_grace_ms), (80, 1_000));
    assert!(policy.emit_warning_events && policy.emit_block_events);
    assert_eq!(LongRunningExecutionPolicy::default(), LongRunningExecutionPolicy::standard());
    assert_eq!(TenantPolicy::default().budget_action, Action::Refuse);
    assert_eq!(TenantPolicy::default().budget_period, BudgetPeriod::Total);
}

#[test]
fn the_presets_are_those_of_the_table() {
    for (name, steps, depth, cost, idle, repetitions) in [
        ("standard", Some(50), Some(5), usd(5), Some(1_800), Some(3)),
        ("extended", Some(300), Some(10), usd(50), Some(14_400), Some(5)),
        ("unlimited", None, None, usd(100), Some(86_400), None),
        ("disabled", None, None, None, None, None),
    ] {
        let expected = LongRunningExecutionPolicy {
            max_discovered_steps: steps,
            max_discovery_depth: depth,
            cost_alert_threshold_usd: cost,
            approval_ceiling_usd: None,
            idle_timeout_seconds: idle,
            max_same_step_repetitions: repetitions,
            max_cycle_length: 1,
        };
        assert_eq!(LongRunningExecutionPolicy::preset(name), Some(expected), "{name}");
    }
    assert_eq!(LongRunningExecutionPolicy::preset("Standard"), None);
}

fn assert_json_has_defaults<T: Default + PartialEq + fmt::Debug + Serialize + DeserializeOwned>() {
    assert_eq!(serde_json::from_str::<T>("{}").unwrap(), T::default());
    let json = serde_json::to_string(&T::default()).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), T::default());
    assert!(serde_json::from_str::<T>(r#"{"max_stepz": 1}"#).is_err());
}

#[test]
fn serde_fills_in_defaults_and_refuses_unknown_fields() {
    assert_json_has_defaults::<ResourceLimits>();
    assert_json_has_defaults::<LongRunningExecutionPolicy>();
    assert_json_has_defaults::<LimitActions>();
    assert_json_has_defaults::<EnforcementPolicy>();
    assert_json_has_defaults::<TenantPolicy>();
    assert_json_has_defaults::<ProviderPolicy>();
}

#[test]
fn names_print_as_they_serialize() {
    for action in [Action::Refuse, Action::Pause, Action::Halt, Action::Observe] {
        assert_eq!(serde_json::to_value(action).unwrap(), action.to_string());
    }
    for period in [BudgetPeriod::Total, BudgetPeriod::Day] {
        assert_eq!(serde_json::to_value(period).unwrap(), period.to_string());
    }
}

proptest! {
    #[test]
    fn a_reduced_rate_is_the_rate(limit in 1..=MAX_AMOUNT) {
        let (p, q) = rate_ratio(RatePeriod::Minute, limit);
        prop_assert_eq!(u128::from(p) * u128::from(limit), u128::from(q) * 60_000_000_000);
    }

    #[test]
    fn what_an_error_proposes_is_accepted(limit in 1..=5_000_000_u64) {
        if let Err(error) = requests(Some(limit), None) {
            for proposed in error.right.trim_start_matches("write ").split(" or ") {
                prop_assert_eq!(requests(Some(proposed.parse().unwrap()), None), Ok(()));
            }
        }
    }
}

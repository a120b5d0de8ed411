use proptest::prelude::*;

use super::*;
use crate::limits::{Action, Budget, BudgetAmount, BudgetPeriod, UNLIMITED};
use crate::money::NanoUsd;

fn parse(text: &str) -> PolicyFile {
    PolicyFile::parse(text).unwrap()
}

fn refusal(text: &str) -> String {
    PolicyFile::parse(text).unwrap_err().to_string()
}

fn usd(text: &str) -> Option<NanoUsd> {
    text.parse().ok()
}

#[test]
fn an_empty_file_sets_no_limit() {
    let file = parse("# nothing\n");
    assert_eq!(file, PolicyFile::unlimited());
    assert_eq!(file.limits, ResourceLimits::unlimited());
    assert_eq!(file.long_running, LongRunningExecutionPolicy::disabled());
    assert_eq!(file.enforcement, EnforcementPolicy::default());
}

#[test]
fn every_key_of_every_section_is_read() {
    let file = parse(
        r#"
        [limits]
        max_steps = 1
        max_tokens = 2
        max_wall_time_ms = 3
        max_memory_mb = 4
        max_concurrent_executions = 5
        max_cost_usd = "6.50"
        max_active_time_ms = 16
        max_children = 17
        max_children_total = 18
        token_overdraft = 21
        cost_overdraft_usd = "0.22"
        [long_running]
        max_discovered_steps = 7
        max_discovery_depth = 8
        cost_alert_threshold_usd = 9
        approval_ceiling_usd = 20
        idle_timeout_seconds = 10
        max_same_step_repetitions = 11
        max_cycle_length = 8
        [enforcement]
        warning_threshold = 90
        emit_warning_events = false
        emit_block_events = false
        timeout_grace_ms = 12
        [actions]
        steps = "observe"
        rate = "observe"
        [tenant]
        budget_usd = "13"
        budget_period = "day"
        budget_action = "pause"
        max_concurrent_executions = 19
        budget_overdraft_usd = "0.23"
        [process]
        max_concurrent_executions = 25
        [provider]
        requests_per_minute = 60
        request_burst = 14
        tokens_per_minute = 400_000
        token_burst = 15
        [network]
        allowed_hosts = ["api.example.com", "*.internal"]
        [[rate]]
        on = "provider"
        name = "lab"
        unit = "requests"
        limit = 19
        per = "second"
        burst = 20
        [[rate]]
        on = "tenant_provider"
        unit = "total_tokens"
        limit = 21
        per = "day"
        [[budget]]
        on = "tenant"
        cost_usd = "26"
        per = "month"
        action = "halt"
        overdraft_usd = "0.27"
        utc_offset_minutes = -330
        [[budget]]
        on = "process"
        memory_mb = 28
        overdraft = 1
        [allowances]
        web_search = 24
        "send mail" = 0
        "#,
    );
    let limits = ResourceLimits {
        max_steps: 1,
        max_tokens: 2,
        max_wall_time_ms: 3,
        max_memory_mb: Some(4),
        max_concurrent_executions: Some(5),
        max_cost_usd: usd("6.5"),
        max_active_time_ms: Some(16),
        max_children: Some(17),
        max_children_total: Some(18),
        token_overdraft: 21,
        cost_overdraft_usd: "0.22".parse().unwrap(),
    };
    let long_running = LongRunningExecutionPolicy {
        max_discovered_steps: Some(7),
        max_discovery_depth: Some(8),
        cost_alert_threshold_usd: usd("9"),
        approval_ceiling_usd: usd("20"),
        idle_timeout_seconds: Some(10),
        max_same_step_repetitions: Some(11),
        max_cycle_length: 8,
    };
    let enforcement = EnforcementPolicy {
        warning_threshold: 90,
        emit_warning_events: false,
        emit_block_events: false,
        timeout_grace_ms: 12,
        actions: LimitActions { steps: Action::Observe, rate: Action::Observe, ..Default::default() },
    };
    let tenant = TenantPolicy {
        budget_usd: usd("13"),
        budget_period: BudgetPeriod::Day,
        budget_action: Action::Pause,
        max_concurrent_executions: Some(19),
        budget_overdraft_usd: "0.23".parse().unwrap(),
        budgets: vec![
            Budget::new(BudgetAmount::CostUsd("26".parse().unwrap()), BudgetPeriod::Month)
                .action(Action::Halt)
                .overdraft(BudgetAmount::CostUsd("0.27".parse().unwrap()))
                .utc_offset_minutes(-330),
        ],
    };
    let memory = Budget::new(BudgetAmount::MemoryMb(28), BudgetPeriod::Total).overdraft(BudgetAmount::MemoryMb(1));
    let process = ProcessPolicy { max_concurrent_executions: Some(25), budgets: vec![memory] };
    let provider = ProviderPolicy {
        requests_per_minute: Some(60),
        request_burst: Some(14),
        tokens_per_minute: Some(400_000),
        token_burst: Some(15),
    };
    let allowances = vec![("web_search".to_owned(), 24), ("send mail".to_owned(), 0)];
    let network = NetworkPolicy::AllowList(vec!["api.example.com".into(), "*.internal".into()]);
    let rates = vec![
        RateLimit::provider(RateUnit::Requests, 19, RatePeriod::Second).named("lab").burst(20),
        RateLimit::tenant_provider(RateUnit::TotalTokens, 21, RatePeriod::Day),
    ];
    let read = PolicyFile { limits, long_running, enforcement, tenant, process, provider, network, rates, allowances };
    assert_eq!(file, read);
    assert_eq!(parse("[network]\nair_gapped = true").network, NetworkPolicy::AirGapped);
    assert_eq!(parse("[network]\nair_gapped = false").network, NetworkPolicy::Open);
}

fn names<T>(keys: &[Key<T>]) -> Vec<String> {
    keys.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn every_field_of_the_structs_is_a_key() {
    fn fields<T: serde::Serialize>(config: &T) -> Vec<String> {
        serde_json::to_value(config).unwrap().as_object().unwrap().keys().cloned().collect()
    }
    /// Budgets have sections of their own.
    fn of_section<T: serde::Serialize>(config: &T) -> Vec<String> {
        fields(config).into_iter().filter(|field| field != "budgets").collect()
    }
    let file = PolicyFile::unlimited();
    let structs = [
        fields(&file.limits),
        [fields(&file.long_running), vec![PRESET.to_owned()]].concat(),
        fields(&file.enforcement).into_iter().filter(|field| field != "actions").collect(),
        fields(&file.enforcement.actions),
        of_section(&file.tenant),
        of_section(&file.process),
        fields(&file.provider),
        vec!["air_gapped".to_owned(), "allowed_hosts".to_owned()],
        fields(&RateLimit::model(RateUnit::InputTokens, 1, RatePeriod::Hour)),
        // Its unit is in the name of its key.
        names(BUDGET),
        Vec::new(),
    ];
    for ((section, mut keys), mut fields) in known_keys().into_iter().zip(structs) {
        keys.sort_unstable();
        fields.sort_unstable();
        assert_eq!(keys, fields, "{section}");
    }
}

#[test]
fn a_key_overrides_its_preset_before_and_after_it() {
    let file = parse("[long_running]\nmax_discovery_depth = 9\npreset = \"extended\"\nidle_timeout_seconds = 1");
    let expected = LongRunningExecutionPolicy {
        max_discovery_depth: Some(9),
        idle_timeout_seconds: Some(1),
        ..LongRunningExecutionPolicy::extended()
    };
    assert_eq!(file.long_running, expected);
}

#[test]
fn the_disabled_preset_switches_nothing_off() {
    let file = parse("[long_running]\npreset = \"disabled\"\nmax_discovered_steps = 3\n[limits]\nmax_steps = 5");
    assert_eq!((file.long_running.max_discovered_steps, file.limits.max_steps), (Some(3), 5));
}

#[test]
fn an_unknown_preset_is_answered_with_those_there_are() {
    assert_eq!(
        refusal("[long_running]\npreset = \"huge\""),
        "line 2, column 10: long_running.preset: expected one of \"standard\", \"extended\", \"unlimited\", \
         \"disabled\", found the string \"huge\""
    );
}

#[test]
fn sections_may_be_written_inline_or_dotted() {
    assert_eq!(parse("limits = { max_steps = 5 }").limits.max_steps, 5);
    assert_eq!(parse("limits.max_steps = 5").limits.max_steps, 5);
}

#[test]
fn numbers_reach_the_largest_u64() {
    assert_eq!(parse("[limits]\nmax_steps = 18446744073709551615").limits.max_steps, UNLIMITED);
    assert_eq!(parse("[limits]\nmax_wall_time_ms = 0xFFFF_FFFF_FFFF_FFFE").limits.max_wall_time_ms, UNLIMITED - 1);
    assert_eq!(
        refusal("[limits]\nmax_steps = 18446744073709551616"),
        "line 2, column 13: limits.max_steps: expected a whole number from 0 to 18446744073709551615, \
         found 18446744073709551616"
    );
}

#[test]
fn a_negative_number_is_refused_by_name() {
    assert_eq!(
        refusal("[limits]\nmax_steps = -5"),
        "line 2, column 13: limits.max_steps: expected a whole number from 0 to 18446744073709551615, found -5"
    );
    assert_eq!(
        refusal("[limits]\nmax_cost_usd = -5"),
        "line 2, column 16: limits.max_cost_usd: money cannot be negative: write 0 or more dollars"
    );
}

#[test]
fn money_is_a_string_or_whole_dollars() {
    assert_eq!(parse("[limits]\nmax_cost_usd = \"5.3e-05\"").limits.max_cost_usd, usd("0.000053"));
    assert_eq!(parse("[limits]\nmax_cost_usd = 0x10").limits.max_cost_usd, usd("16"));
    for (value, message) in [
        ("0.004", "a float is not exact money: write cost as a string: \"0.004\""),
        ("\"five\"", "not a decimal number of dollars: write one such as \"5.00\" or \"5.3e-05\""),
        ("99999999999", "more than the largest amount: write at most 72057594.037927935 dollars"),
        ("true", "expected dollars as a decimal string such as \"5.00\" or as a whole number, found true"),
    ] {
        let error = PolicyFile::parse(&format!("[limits]\nmax_cost_usd = {value}")).unwrap_err();
        assert_eq!((error.line, error.column, error.message.as_str()), (Some(2), Some(16), message));
    }
}

#[test]
fn a_value_of_the_wrong_type_is_placed_and_named() {
    for (line, expected) in [
        ("max_steps = \"5\"", "expected a whole number from 0 to 18446744073709551615, found the string \"5\""),
        ("max_steps = 5.5", "expected a whole number from 0 to 18446744073709551615, found 5.5"),
        ("max_steps = [5]", "expected a whole number from 0 to 18446744073709551615, found an array"),
        ("max_steps = 2020-01-01", "expected a whole number from 0 to 18446744073709551615, found 2020-01-01"),
    ] {
        assert_eq!(refusal(&format!("\n[limits]\n{line}")), format!("line 3, column 13: limits.max_steps: {expected}"));
    }
    assert_eq!(
        refusal("[enforcement]\nemit_block_events = 1"),
        "line 2, column 21: enforcement.emit_block_events: expected true or false, found 1"
    );
    assert_eq!(
        refusal("[enforcement]\nwarning_threshold = 4294967296"),
        "line 2, column 21: enforcement.warning_threshold: expected a whole number from 0 to 4294967295, \
         found 4294967296"
    );
    assert_eq!(
        refusal("[actions]\nsteps = \"stop\""),
        "line 2, column 9: actions.steps: expected one of \"refuse\", \"pause\", \"halt\", \"observe\", \
         found the string \"stop\""
    );
    assert_eq!(refusal("limits = 5"), "line 1, column 10: limits: expected a section [limits], found 5");
    assert_eq!(refusal("[[limits]]"), "line 1, column 1: limits: expected a section [limits], found an array");
}

#[test]
fn an_unknown_name_is_answered_with_a_near_one() {
    assert_eq!(refusal("[limit]"), "line 1, column 2: limit: unknown section; did you mean limits?");
    assert_eq!(
        refusal("[long_running]\n\n  idle_timeout_secs = 5"),
        "line 3, column 3: long_running.idle_timeout_secs: unknown key; did you mean idle_timeout_seconds?"
    );
    assert_eq!(
        refusal("[long_running]\npresets = \"standard\""),
        "line 2, column 1: long_running.presets: unknown key; did you mean preset?"
    );
}

#[test]
fn a_name_that_is_too_far_from_every_other_is_not_taken_for_one() {
    for far in ["[rxxx]", "[actions]\nstxxx = 1", "[limits]\nabcdmax_steps = 1", "[limits]\nmax_stepsabcd = 1"] {
        assert!(!refusal(far).contains("did you mean"), "{far}");
    }
    assert!(refusal("[limits]\nabcmax_steps = 1").ends_with("did you mean max_steps?"));
}

#[test]
fn a_key_in_the_wrong_place_is_sent_to_its_section() {
    assert_eq!(refusal("max_steps = 5"), "line 1, column 1: max_steps: unknown section; it belongs in [limits]");
    assert_eq!(
        refusal("[long_running]\nmax_cost_usd = 5"),
        "line 2, column 1: long_running.max_cost_usd: unknown key; it belongs in [limits]"
    );
}

#[test]
fn hosts_that_are_none_are_refused_where_they_stand() {
    for (text, message) in [
        (
            "[network]\nallowed_hosts = [\"http://a.b\"]",
            "line 2, column 17: network.allowed_hosts: \"http://a.b\" names no host; write a host without a port, such as \
             api.example.com, or *.example.com for all below it",
        ),
        (
            "[network]\nallowed_hosts = [1]",
            "line 2, column 17: network.allowed_hosts: expected an array of strings, found an array",
        ),
        (
            "[network]\nair_gapped = true\nallowed_hosts = []",
            "line 2, column 14: network.air_gapped: allows no host of the list; leave allowed_hosts out",
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
}

#[test]
fn allowances_that_cannot_be_counted_are_refused_where_they_stand() {
    for (text, message) in [
        (
            "[allowances]\na = 1\nb = 72057594037927936",
            "line 3, column 5: allowances.b: 72057594037927936 is too large; write at most 72057594037927935, or \
             18446744073709551615 for no limit",
        ),
        ("[allowances]\n\"\" = 1", "line 2, column 6: allowances.: \"\" is no name; write 1 to 128 bytes"),
        (
            "[allowances]\na = \"many\"",
            "line 2, column 5: allowances.a: expected a whole number from 0 to 18446744073709551615, found the string \
             \"many\"",
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
}

#[test]
fn an_unknown_name_like_no_other_is_answered_with_all_there_are() {
    assert_eq!(
        refusal("[tenant]\ncolour = 5"),
        "line 2, column 1: tenant.colour: unknown key; [tenant] has budget_usd, budget_period, budget_action, max_concurrent_executions, budget_overdraft_usd"
    );
    assert_eq!(
        refusal("[spaceship]"),
        "line 1, column 2: spaceship: unknown section; the sections are limits, long_running, enforcement, actions, \
         tenant, process, provider, network, rate, budget, allowances"
    );
}

#[test]
fn a_rate_says_all_it_needs_and_where_it_does_not() {
    assert_eq!(
        refusal("[[rate]]\non = \"model\"\nunit = \"requests\"\nlimit = 5"),
        "line 1, column 1: rate: lacks the key per"
    );
    assert_eq!(refusal("[rate]\non = \"model\""), "line 1, column 1: rate: expected sections [[rate]], found a table");
    assert_eq!(refusal("rate = [1]"), "line 1, column 8: rate: expected sections [[rate]], found an array");
    let rate = |rest: &str| format!("[[rate]]\non = \"model\"\nunit = \"requests\"\nper = \"second\"\n{rest}");
    assert_eq!(
        refusal(&rate("limit = 59")),
        "line 5, column 9: rate.limit: 59 per second cannot be counted exactly for ten years; write 58 or 60"
    );
    assert_eq!(
        refusal(&rate("limit = 5\nbursts = 5")),
        "line 6, column 1: rate.bursts: unknown key; did you mean burst?"
    );
    assert_eq!(refusal(&rate("limit = 5\nname = 7")), "line 6, column 8: rate.name: expected a string, found 7");
}

#[test]
fn what_validation_refuses_is_placed_at_its_key() {
    assert_eq!(
        refusal("[provider]\nrequest_burst = 5"),
        "line 2, column 17: provider.request_burst: a burst of no rate; write requests_per_minute too"
    );
    assert_eq!(
        refusal("[actions]\nconcurrency = \"halt\""),
        "line 2, column 15: actions.concurrency: halt never acts on a limit that frees itself; write refuse or observe"
    );
    assert_eq!(
        refusal("[limits]\nmax_steps = 72057594037927936"),
        "line 2, column 13: limits.max_steps: 72057594037927936 is too large; write at most 72057594037927935, \
         or 18446744073709551615 for no limit"
    );
}

#[test]
fn the_first_error_of_the_file_is_the_one_that_is_told() {
    let text = "[tenant]\nzzz = 1\n[limits]\naaa = 1";
    assert_eq!(PolicyFile::parse(text).unwrap_err().line, Some(2));
}

#[test]
fn text_that_is_not_toml_is_placed() {
    let error = PolicyFile::parse("[limits]\nmax_steps = = 5").unwrap_err();
    assert_eq!((error.line, error.key), (Some(2), None));
    assert_eq!(PolicyFile::parse("[limits]\nmax_steps = 1\nmax_steps = 2").unwrap_err().line, Some(3));
}

#[test]
fn a_column_counts_characters() {
    let error = PolicyFile::parse("limits = { \"zähler\" = 1, max_stepz = 2 }").unwrap_err();
    assert_eq!(error.column, Some(12));
    let error = PolicyFile::parse("tenant = { budget_period = \"täglich\", x = 1 }").unwrap_err();
    assert_eq!(error.column, Some(28));
    let error = PolicyFile::parse("provider = { 'é' = 1 }\nlimits = 3").unwrap_err();
    assert_eq!((error.line, error.column), (Some(1), Some(14)));
}

proptest! {
    #[test]
    fn every_error_is_one_line_and_none_panics(text in r#"(\[limits\]\n|max_steps|"a\\nb"| = |\n|-?[0-9]{1,22}|\{|\}|é|"|'|\.){0,12}"#) {
        if let Err(error) = PolicyFile::parse(&text) {
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

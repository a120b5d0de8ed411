//! Small traces whose every decision is known.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Folder, Replayed, enforce, replay};

/// Steps of a tenant's executions: (time in s, execution, input tokens, nano-dollars).
fn steps(rows: &[(u64, &str, u64, u64)]) -> String {
    let mut csv = String::from("tenant,execution,step,t_ns,provider,input_tokens,cost_nanousd\n");
    for (number, (seconds, execution, tokens, cost)) in (1..).zip(rows) {
        csv += &format!("t,{execution},{number},{},p,{tokens},{cost}\n", seconds * 1_000_000_000);
    }
    csv
}

fn decide(policy: &str, reserve: &str, csv: &str) -> Replayed {
    let folder = Folder::new();
    replay(policy, reserve, &[folder.write("steps.csv", csv)])
}

fn outcomes(replayed: &Replayed) -> Vec<(&str, &Value, &Value)> {
    replayed
        .executions
        .iter()
        .map(|line| (line["outcome"].as_str().unwrap(), &line["violation"], &line["halted_at_step"]))
        .collect()
}

#[test]
fn the_step_that_reaches_a_budget_runs_unless_it_was_reserved() {
    let csv = steps(&[(0, "a", 0, 60), (1, "a", 0, 60), (2, "a", 0, 0), (3, "a", 0, 5)]);
    let policy = "[limits]\nmax_cost_usd = \"0.0000001\"";
    let after = decide(policy, "none", &csv);
    assert_eq!((after.letters.as_str(), after.number("/usage/cost_nano_usd")), ("AAHS", 120));
    assert_eq!(outcomes(&after), [("halted", &json!("cost_limit"), &json!(3))]);
    let hard = decide(policy, "recorded", &csv);
    assert_eq!((hard.letters.as_str(), hard.number("/usage/cost_nano_usd")), ("AHSS", 60));
    assert_eq!(outcomes(&hard), [("halted", &json!("cost_limit"), &json!(2))]);
}

#[test]
fn one_token_is_asked_for_where_nothing_is_reserved() {
    let csv = steps(&[(0, "a", 0, 0), (1, "a", 1, 0), (2, "a", 0, 0)]);
    assert_eq!(decide("[limits]\nmax_tokens = 1", "none", &csv).letters, "AAH");
    assert_eq!(decide("[limits]\nmax_tokens = 1", "recorded", &csv).letters, "AAA");
    assert_eq!(decide("[limits]\nmax_tokens = 0", "none", &csv).letters, "HSS");
}

#[test]
fn the_step_whose_settle_reaches_the_threshold_runs_and_the_next_is_paused() {
    let csv = steps(&[(0, "a", 0, 100), (1, "b", 0, 99), (2, "a", 0, 1), (3, "a", 0, 1), (4, "b", 0, 1)]);
    let replayed = decide("[long_running]\ncost_alert_threshold_usd = \"0.0000001\"", "none", &csv);
    assert_eq!(replayed.letters, "AAPSA");
    // The other one reached it with its last step.
    assert_eq!(replayed.numbers(["/executions/paused", "/executions/completed"]), [2, 0]);
    assert_eq!(outcomes(&replayed)[0], ("paused", &json!("cost_threshold"), &Value::Null));
}

#[test]
fn a_pause_that_ends_with_the_hour_skips_what_is_left_of_it() {
    let rows =
        [(0, "a", 0, 0), (1, "a", 0, 0), (2, "a", 0, 0), (3_600, "a", 0, 0), (3_601, "a", 0, 0), (7_199, "b", 0, 0)];
    let csv = steps(&[&rows[..], &[(7_200, "a", 0, 0)]].concat());
    let budget = "[[budget]]\non = \"tenant\"\nsteps = 1\nper = \"hour\"\naction = \"pause\"\n";
    let replayed = decide(&format!("{budget}next_period_approves = true"), "none", &csv);
    assert_eq!(replayed.letters, "APSAPPA");
    assert_eq!(replayed.numbers(["/executions/paused", "/executions/completed"]), [1, 1]);
    assert_eq!(decide(budget, "none", &csv).letters, "APSSSAS");
}

#[test]
fn a_slot_is_free_right_after_the_last_step_and_right_after_a_halt() {
    let csv = steps(&[(0, "a", 0, 0), (1, "b", 0, 0), (1, "b", 0, 0), (2, "a", 0, 0), (2, "c", 0, 0)]);
    let replayed = decide("[limits]\nmax_concurrent_executions = 1", "none", &csv);
    assert_eq!(replayed.letters, "ACSAA");
    assert_eq!(outcomes(&replayed)[0], ("refused", &json!("tenant:concurrency_limit"), &Value::Null));
    let replayed = decide(
        "[limits]\nmax_concurrent_executions = 1\nmax_steps = 1",
        "none",
        &steps(&[(0, "a", 0, 0), (1, "a", 0, 0), (1, "b", 0, 0), (2, "a", 0, 0)]),
    );
    assert_eq!(replayed.letters, "AHAS");
}

#[test]
fn a_rate_refuses_the_row_alone_and_takes_the_recorded_tokens() {
    let csv = steps(&[(0, "a", 50, 0), (0, "a", 60, 0), (0, "a", 50, 0), (0, "a", 101, 0), (60, "a", 100, 0)]);
    let policy = "[provider]\ntokens_per_minute = 100";
    for reserve in ["none", "recorded"] {
        let replayed = decide(policy, reserve, &csv);
        assert_eq!(replayed.letters, "ARARA");
        assert_eq!(replayed.numbers(["/rates/tokens", "/rates/requests", "/rates/both"]), [2, 0, 0]);
        // 10 tokens too many take 6 s; what never fits adds nothing.
        assert_eq!(replayed.number("/retry_after_sum_ns"), 6_000_000_000);
    }
}

#[test]
fn a_tenants_budget_refuses_rows_or_halts_executions() {
    let csv = steps(&[(0, "a", 0, 100), (1, "b", 0, 1), (2, "b", 0, 1), (3, "a", 0, 1)]);
    let budget = |action: &str| format!("[tenant]\nbudget_usd = \"0.0000001\"\nbudget_action = \"{action}\"");
    let refused = decide(&budget("refuse"), "none", &csv);
    assert_eq!((refused.letters.as_str(), refused.halted()), ("ARRR", 0));
    let halted = decide(&budget("halt"), "none", &csv);
    assert_eq!(halted.letters, "AHSH");
    assert_eq!(halted.report["executions"]["halted"], json!({ "tenant:cost_limit": 2 }));
}

#[test]
fn a_budget_of_the_process_spans_tenants_and_a_budget_of_tokens_halts_where_it_says_so() {
    let csv = steps(&[(0, "a", 60, 0), (1, "b", 60, 0), (2, "b", 1, 0), (3_600, "b", 60, 0)]);
    let budget =
        |action: &str| format!("[[budget]]\non = \"process\"\ntokens = 100\nper = \"hour\"\naction = \"{action}\"\n");
    let refused = decide(&budget("refuse"), "recorded", &csv);
    assert_eq!((refused.letters.as_str(), refused.halted()), ("ARAA", 0));
    let halted = decide(&budget("halt"), "recorded", &csv);
    assert_eq!(halted.letters, "AHSS");
    assert_eq!(halted.report["executions"]["halted"], json!({ "process:token_limit": 1 }));
}

#[test]
fn of_two_budgets_with_one_limit_the_one_that_refused_says_whether_to_halt() {
    let budget = |per: &str, action: &str| {
        format!("[[budget]]\non = \"tenant\"\ntokens = 100\nper = \"{per}\"\naction = \"{action}\"\n")
    };
    // The day refuses the third hour's step, and the hour the last one.
    let csv =
        steps(&[(0, "a", 60, 0), (3_600, "b", 60, 0), (3_601, "b", 1, 0), (86_400, "c", 60, 0), (86_401, "c", 60, 0)]);
    let halting_day = budget("hour", "refuse") + &budget("day", "halt");
    assert_eq!(decide(&halting_day, "recorded", &csv).letters, "AHSAR");
    let halting_hour = budget("day", "refuse") + &budget("hour", "halt");
    assert_eq!(decide(&halting_hour, "recorded", &csv).letters, "ARAAH");
    let observing_hour = budget("hour", "observe") + &budget("day", "halt");
    assert_eq!(decide(&observing_hour, "recorded", &csv).letters, "AHSAH");
}

#[test]
fn events_reserve_what_was_asked_and_settle_what_was_used() {
    let event = |seq: u64, asked: u64, used: u64| {
        format!(
            "{{\"seq\":{seq},\"time_ns\":{seq},\"tenant\":\"t\",\"execution\":\"e\",\"step\":{seq},\
             \"asked\":{{\"input_tokens\":{asked}}},\"used\":{{\"input_tokens\":{used}}}}}\n"
        )
    };
    let folder = Folder::new();
    let trace = folder.write("e.jsonl", event(1, 90, 10) + &event(2, 90, 20) + &event(3, 80, 5) + &event(4, 0, 0));
    let hard = replay("[limits]\nmax_tokens = 100", "recorded", std::slice::from_ref(&trace));
    assert_eq!((hard.letters.as_str(), hard.number("/usage/total_tokens")), ("AAHS", 30));
    let after = replay("[limits]\nmax_tokens = 100", "none", &[trace]);
    assert_eq!((after.letters.as_str(), after.number("/usage/total_tokens")), ("AAAA", 35));
}

#[test]
fn the_same_files_give_the_same_report() {
    let csv = steps(&[(0, "a", 5, 3), (0, "b", 5, 3), (1, "a", 5, 3), (2, "c", 5, 3), (3, "b", 5, 3)]);
    let folder = Folder::new();
    let trace = folder.write("s.csv", csv);
    let policy =
        folder.write("p.toml", "[limits]\nmax_steps = 1\n[provider]\nrequests_per_minute = 60\nrequest_burst = 2");
    let run = |format: &str, folder: &Folder| {
        let [decisions, executions] = ["d", "e"].map(|name| folder.path(name));
        let mut arguments: Vec<&Path> = vec!["--policy".as_ref(), &policy, "--decisions".as_ref(), &decisions];
        arguments.extend::<[&Path; 3]>(["--per-execution".as_ref(), &executions, &trace]);
        arguments.extend((!format.is_empty()).then_some::<&Path>(format.as_ref()));
        let output = enforce(arguments);
        assert!(output.status.success());
        (output.stdout, std::fs::read(decisions).unwrap(), std::fs::read(executions).unwrap())
    };
    for format in ["", "--json"] {
        assert_eq!(run(format, &Folder::new()), run(format, &Folder::new()));
    }
}

#[test]
fn people_get_a_table_with_the_first_refusals() {
    let folder = Folder::new();
    let trace = folder.write("s.csv", steps(&[(0, "a", 5, 3), (60, "a", 5, 3)]));
    let policy = folder.write("p.toml", "[limits]\nmax_steps = 1");
    let output = enforce::<&Path>([Path::new("--policy"), &policy, &trace]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("trace      steps: 2 rows, 1 execution, 1 tenant, 1 min 0 s\n"), "{table}");
    assert!(table.contains("usage                   1  step\n"), "{table}");
    assert!(table.contains("$0.000000003  t: 1 step, 5 tokens\n"), "{table}");
    assert!(table.contains("row 2: step 2 of a of t: step_limit exceeded: 2 / 1 (200%)\n"), "{table}");
}

#[test]
fn the_sample_is_refused_by_every_kind_of_limit() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample");
    let policy = std::fs::read_to_string(sample.join("policy.toml")).unwrap();
    let replayed = replay(&policy, "none", &[sample.join("agents.jsonl")]);
    for halted in ["step_limit", "cost_limit", "same_step_loop"] {
        assert!(replayed.number(&format!("/executions/halted/{halted}")) > 0);
    }
    assert!(replayed.number("/rates/requests") > 0 && replayed.rows('C') > 0);
}

#[test]
fn an_unknown_argument_exits_with_2() {
    assert_eq!(enforce(["--reserve", "all", "x"]).status.code(), Some(2));
    assert_eq!(enforce::<&str>([]).status.code(), Some(2));
}

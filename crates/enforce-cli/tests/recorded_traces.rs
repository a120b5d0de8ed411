//! Every figure that is known of the recorded traces. They are not part of this repository: the tests read them from
//! `shared/data` beside it, or from the folder that `ENFORCE_TRACES` names, and say so when they skip.

mod support;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use serde_json::{Value, json};
use support::{Replayed, replay};

struct Recorded(PathBuf);

impl Recorded {
    fn folder() -> Option<Self> {
        let folder = std::env::var_os("ENFORCE_TRACES")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
        if folder.is_dir() {
            return Some(Self(folder));
        }
        say_skipped(&folder);
        None
    }

    fn replay(&self, trace: &str, policy: &str) -> Replayed {
        replay(policy, "none", &[self.0.join(trace)])
    }

    fn replay_hard(&self, trace: &str, policy: &str) -> Replayed {
        replay(policy, "recorded", &[self.0.join(trace)])
    }
}

/// Once, and past the test harness, which keeps to itself what a test that passes prints.
fn say_skipped(folder: &Path) {
    static SAID: Once = Once::new();
    let line = format!("skipped: no recorded traces at {}\n", folder.display());
    SAID.call_once(|| drop(io::stderr().write_all(line.as_bytes())));
}

/// What these tests say where the recorded traces are not.
#[test]
fn skipping_is_said_on_a_line_of_its_own() {
    let tests = std::env::current_exe().unwrap();
    let mut command = Command::new(tests);
    let output = command.args(["loops", "--exact"]).env("ENFORCE_TRACES", "/none").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "skipped: no recorded traces at /none\n");
}

const AZURE: &str = "azure-llm-2023/AzureLLMInferenceTrace_conv.csv";
const MOONCAKE: &str = "mooncake-fast25/synthetic_trace.jsonl";
const AIDER: &str = "aider-analytics/aider_2025-03.jsonl";
const MINI: &str = "mini-swe-agent/steps.csv";
const POLYGPT: &str = "autogpt-benchmarks/polygpt_steps.csv";

fn requests(per_minute: u64, burst: u64) -> String {
    format!("requests_per_minute = {per_minute}\nrequest_burst = {burst}\n")
}

fn tokens(per_minute: u64, burst: u64) -> String {
    format!("tokens_per_minute = {per_minute}\ntoken_burst = {burst}\n")
}

#[test]
fn rates_of_a_service() {
    let Some(recorded) = Recorded::folder() else { return };
    type Expected = (&'static str, String, [u64; 2], [u64; 3], [u64; 3], u64);
    let both = |one: String, other: String| one + &other;
    let cases: [Expected; 7] = [
        (AZURE, requests(300, 20), [16_575, 2_791], [2_791, 0, 0], [161, 165, 166], 197_533_282_000),
        (AZURE, requests(350, 50), [18_097, 1_269], [1_269, 0, 0], [6_881, 6_897, 6_898], 73_593_111_105),
        (AZURE, tokens(400_000, 100_000), [17_934, 1_432], [0, 1_432, 0], [986, 988, 991], 279_049_132_000),
        (
            AZURE,
            both(requests(300, 20), tokens(400_000, 100_000)),
            [16_513, 2_853],
            [2_111, 548, 194],
            [161, 165, 166],
            291_660_922_000,
        ),
        (MOONCAKE, requests(200, 10), [3_381, 612], [612, 0, 0], [70, 71, 72], 61_607_000_000),
        (MOONCAKE, tokens(3_000_000, 500_000), [3_703, 290], [0, 290, 0], [1_783, 1_787, 1_801], 114_819_660_000),
        (
            MOONCAKE,
            both(requests(200, 10), tokens(3_000_000, 500_000)),
            [3_352, 641],
            [433, 188, 20],
            [70, 71, 72],
            123_349_160_000,
        ),
    ];
    for (trace, provider, decided, rates, first, retry) in cases {
        let policy = format!("[provider]\n{provider}");
        for replayed in [recorded.replay(trace, &policy), recorded.replay_hard(trace, &policy)] {
            assert_eq!(replayed.numbers(["/admitted", "/refused"]), decided, "{trace} {provider}");
            assert_eq!(replayed.numbers(["/rates/requests", "/rates/tokens", "/rates/both"]), rates);
            assert_eq!(replayed.report["first_refused_rows"], json!(first));
            assert_eq!(replayed.number("/retry_after_sum_ns"), retry);
        }
    }
}

#[test]
fn a_budget_per_day() {
    let Some(recorded) = Recorded::folder() else { return };
    let policy = |dollars: u64| format!("[tenant]\nbudget_usd = \"{dollars}\"\nbudget_period = \"day\"\n");
    let cases = [
        (recorded.replay(AIDER, &policy(1)), [541, 1_236, 23_058_824_350]),
        (recorded.replay_hard(AIDER, &policy(1)), [830, 947, 21_886_169_110]),
        (recorded.replay(AIDER, &policy(5)), [1_364, 413, 66_828_575_050]),
        (recorded.replay_hard(AIDER, &policy(5)), [1_538, 239, 66_444_783_550]),
    ];
    for (replayed, expected) in cases {
        assert_eq!(replayed.numbers(["/admitted", "/refused", "/usage/cost_nano_usd"]), expected);
        // Single calls are refused, and their executions go on.
        assert_eq!(replayed.rows('R'), expected[1]);
    }
}

#[test]
fn a_budget_per_day_in_a_list_and_one_over_all_tenants() {
    let Some(recorded) = Recorded::folder() else { return };
    let figures =
        |policy: &str| recorded.replay_hard(AIDER, policy).numbers(["/admitted", "/refused", "/usage/cost_nano_usd"]);
    let day = |on: &str, dollars: u64| format!("[[budget]]\non = \"{on}\"\ncost_usd = {dollars}\nper = \"day\"\n");
    assert_eq!(figures(&day("tenant", 1)), [830, 947, 21_886_169_110]);
    assert_eq!(figures(&day("tenant", 5)), [1_538, 239, 66_444_783_550]);
    // What nobody comes near changes nothing; the tighter of two decides.
    let month = "[[budget]]\non = \"tenant\"\ncost_usd = 100_000\nper = \"month\"\n";
    assert_eq!(figures(&[&day("tenant", 1), month, &day("process", 100_000)].concat()), [830, 947, 21_886_169_110]);
    let one_tenant = figures(&day("process", 1));
    assert!(one_tenant[2] <= 21_886_169_110, "all together have no more than each alone: {one_tenant:?}");
}

#[test]
fn runs_without_limits() {
    let Some(recorded) = Recorded::folder() else { return };
    let replayed = recorded.replay(MINI, "");
    let figures = ["/trace/executions", "/usage/steps", "/usage/total_tokens", "/usage/cost_nano_usd"];
    assert_eq!(replayed.numbers(figures), [56, 4_359, 98_193_472, 3_653_564_824]);
    assert_eq!(replayed.numbers(["/refused", "/skipped", "/executions/completed"]), [0, 0, 56]);
}

#[test]
fn runs_under_one_limit() {
    let Some(recorded) = Recorded::folder() else { return };
    let after = |policy: &str| recorded.replay(MINI, policy);
    let hard = |policy: &str| recorded.replay_hard(MINI, policy);
    let cost = "[limits]\nmax_cost_usd = \"0.05\"";
    let cases = [
        (after("[limits]\nmax_steps = 20"), 53, "step_limit"),
        (hard("[limits]\nmax_steps = 20"), 53, "step_limit"),
        (after(cost), 30, "cost_limit"),
        (hard(cost), 30, "cost_limit"),
        (after("[limits]\nmax_tokens = 500_000"), 50, "token_limit"),
        (after("[limits]\nmax_wall_time_ms = 600_000\n[enforcement]\ntimeout_grace_ms = 0"), 27, "wall_time_limit"),
        (after("[long_running]\nidle_timeout_seconds = 60"), 23, "idle_timeout"),
        (after("[long_running]\nmax_same_step_repetitions = 3"), 0, "same_step_loop"),
        (after("[long_running]\nmax_same_step_repetitions = 2"), 1, "same_step_loop"),
    ];
    for (replayed, halted, cause) in cases {
        let expected = if halted == 0 { json!({}) } else { json!({ cause: halted }) };
        assert_eq!(replayed.report["executions"]["halted"], expected);
        assert_eq!(replayed.rows('H'), halted);
    }
}

/// The halted executions' causes and steps.
fn halts(replayed: &Replayed) -> Vec<(&Value, &Value)> {
    let halted = replayed.executions.iter().filter(|line| line["outcome"] == "halted");
    halted.map(|line| (&line["violation"], &line["halted_at_step"])).collect()
}

#[test]
fn a_step_limit_halts_at_the_step_after_it() {
    let Some(recorded) = Recorded::folder() else { return };
    let replayed = recorded.replay(MINI, "[limits]\nmax_steps = 20");
    assert_eq!(halts(&replayed), vec![(&json!("step_limit"), &json!(21)); 53]);
}

const PROVIDER: &str = "[provider]\nrequests_per_minute = 30\nrequest_burst = 5\ntokens_per_minute = 600_000\n\
                        token_burst = 200_000\n";
const BUDGET: &str = "[tenant]\nbudget_usd = \"0.50\"\nbudget_action = \"halt\"\n";

#[test]
fn merged_runs_under_the_rates_of_one_provider() {
    let Some(recorded) = Recorded::folder() else { return };
    let replayed = recorded.replay(MINI, PROVIDER);
    assert_eq!(replayed.numbers(["/executions/started", "/admitted"]), [56, 4_005]);
    assert_eq!(replayed.numbers(["/rates/requests", "/rates/tokens", "/rates/both"]), [169, 177, 8]);
}

#[test]
fn merged_runs_two_at_once() {
    let Some(recorded) = Recorded::folder() else { return };
    let replayed = recorded.replay(MINI, "[limits]\nmax_concurrent_executions = 2");
    assert_eq!(replayed.numbers(["/executions/started", "/executions/refused"]), [35, 21]);
    assert_eq!(replayed.numbers(["/admitted", "/refused", "/skipped"]), [2_613, 0, 1_746]);
    assert_eq!(replayed.rows('C'), 21);
}

#[test]
fn merged_runs_on_one_budget() {
    let Some(recorded) = Recorded::folder() else { return };
    let replayed = recorded.replay(MINI, BUDGET);
    assert_eq!(replayed.numbers(["/executions/started", "/admitted"]), [56, 1_858]);
    assert_eq!(replayed.report["executions"]["halted"], json!({ "tenant:cost_limit": 40 }));
}

#[test]
fn merged_runs_under_everything() {
    let Some(recorded) = Recorded::folder() else { return };
    let own = "[limits]\nmax_concurrent_executions = 2\nmax_steps = 80\nmax_cost_usd = \"0.06\"\n\
               [long_running]\nmax_same_step_repetitions = 3\n";
    let replayed = recorded.replay(MINI, &format!("{own}{PROVIDER}{BUDGET}"));
    let figures = ["/executions/started", "/executions/refused", "/admitted"];
    assert_eq!(replayed.numbers(figures), [38, 18, 1_558]);
    let halted = json!({ "cost_limit": 9, "step_limit": 5, "tenant:cost_limit": 14 });
    assert_eq!(replayed.report["executions"]["halted"], halted);
}

#[test]
fn loops() {
    let Some(recorded) = Recorded::folder() else { return };
    let swe_agent = |name: &str| format!("swe-agent/{name}.traj");
    let intercode = |name: &str| format!("intercode/{name}.json");
    let cases = [
        (intercode("ic_bash_multiturn_gpt-4_10_turns_fs_1"), 60, [13, 14]),
        (intercode("ic_bash_react_10_turns_fs_1"), 60, [6, 6]),
        (intercode("ic_python_multiturn_gpt-3.5_7_turns"), 117, [40, 42]),
        (POLYGPT.to_owned(), 464, [43, 43]),
        (swe_agent("1ff4b19d_pydicom__pydicom-1458"), 1, [0, 0]),
        (swe_agent("4da99171_swe-agent__test-repo-i1"), 1, [0, 0]),
        (swe_agent("644e256d_BabyEncryption"), 1, [0, 0]),
    ];
    for (trace, runs, halted) in cases {
        for (cycle, halted) in [1, 4].into_iter().zip(halted) {
            let policy = format!("[long_running]\nmax_same_step_repetitions = 3\nmax_cycle_length = {cycle}");
            let replayed = recorded.replay(&trace, &policy);
            assert_eq!((replayed.number("/trace/executions"), replayed.halted()), (runs, halted), "{trace} {cycle}");
        }
    }
}

#[test]
fn raw_runs_are_decided_as_their_reduced_rows() {
    let Some(recorded) = Recorded::folder() else { return };
    let raw = std::fs::read_dir(recorded.0.join("mini-swe-agent/raw")).unwrap();
    let raw: Vec<PathBuf> = raw.map(|entry| entry.unwrap().path()).collect();
    let policy = "[limits]\nmax_cost_usd = \"0.02\"";
    let of_raw = replay(policy, "none", &raw);
    let of_reduced = recorded.replay(MINI, policy);
    for line in &of_raw.executions {
        assert!(of_reduced.executions.contains(line), "{line}");
    }
    assert_eq!((of_raw.executions.len(), of_raw.rows('A') > 0), (3, true));
}

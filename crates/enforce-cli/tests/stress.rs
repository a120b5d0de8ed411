//! Short soaks: the laws hold, a protocol that breaks them is found out, and reports add up.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::process::{Command, Output};

use serde_json::Value;

/// `enforce stress` with these arguments.
fn stress(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_enforce")).arg("stress").args(arguments.split_whitespace()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The report of a run in which all laws have to hold.
fn held(arguments: &str) -> Value {
    let output = stress(&format!("--json {arguments}"));
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["broken"], serde_json::json!({}));
    assert_eq!(report["violations"], serde_json::json!([]));
    report
}

fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap()
}

fn sum(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).unwrap().as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn all_laws_hold_with_one_thread_with_two_and_with_more_than_there_are_cores() {
    for threads in [1, 2, 8] {
        for seed in 0..3 {
            let report = held(&format!("--threads {threads} --operations 12000 --executions 150 --seed {seed}"));
            assert_eq!(number(&report, "/threads"), threads);
            assert!(number(&report, "/compared") > 10_000);
            // One is saved at each meeting, and one before each but the first, which begins the work, and the last two,
            // which end it.
            assert_eq!(number(&report, "/restored"), 2 * number(&report, "/meetings") - 3);
        }
    }
}

#[test]
fn a_single_execution_that_all_threads_share_keeps_its_limits() {
    held("--threads 8 --operations 6000 --executions 1 --seed 5");
}

#[test]
fn check_then_record_is_found_out_as_soon_as_there_are_two_threads() {
    for threads in [2, 3, 8] {
        let output = stress(&format!(
            "--json --protocol check-then-record --threads {threads} --operations 8000 --executions 100 --seed 7"
        ));
        assert_eq!(output.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(number(&report, "/broken/T1") > 0, "{report}");
        let first = &report["violations"][0];
        assert_eq!(first["law"], "T1");
        assert!(first["found"].as_i64().unwrap() > first["expected"].as_i64().unwrap());
        assert!(stderr(&output).starts_with("enforce: seed 7: T1: "), "{}", stderr(&output));
    }
}

#[test]
fn check_then_record_by_one_thread_breaks_nothing() {
    let report = held("--protocol check-then-record --threads 1 --operations 8000 --executions 100 --seed 7");
    assert!(number(&report, "/counts/admitted") > 1_000 && sum(&report, "/counts/refused") > 100);
}

#[test]
fn a_report_adds_up() {
    let report = held("--threads 2 --operations 12001 --executions 150 --seed 3");
    assert_eq!(number(&report, "/operations"), 12_001);
    assert_eq!(sum(&report, "/counts/operations"), 12_001);
    let counts = |name: &str| number(&report, &format!("/counts/{name}"));
    assert_eq!(counts("admitted"), counts("settled") + counts("dropped"), "every hold was ended once");
    let asked = counts("admitted") + sum(&report, "/counts/refused");
    // Whoever waited in line is not measured.
    assert_eq!(number(&report, "/measured/reserve_ns/calls"), asked - counts("waited"));
    assert_eq!(number(&report, "/measured/settle_ns/calls"), counts("settled"));
    for latency in ["reserve_ns", "settle_ns"] {
        let of = |name: &str| number(&report, &format!("/measured/{latency}/{name}"));
        assert!(of("p50") <= of("p99") && of("p99") <= of("p99.9") && of("p99.9") <= of("max"), "{report}");
    }
}

#[test]
fn nearly_every_kind_of_limit_is_met() {
    let report = held("--threads 1 --operations 60000 --executions 150 --seed 1");
    for kind in [
        "step_limit",
        "token_limit",
        "memory_limit",
        "cost_limit",
        "cost_threshold",
        "discovered_step_limit",
        "allowance_limit",
        "rate_limit",
        "same_step_loop",
        "idle_timeout",
        "halted",
        "paused",
        "closed",
    ] {
        assert!(number(&report, &format!("/counts/refused/{kind}")) > 0, "{report}");
    }
    for kind in ["child_limit", "concurrency_limit", "duplicate"] {
        assert!(number(&report, &format!("/counts/not_registered/{kind}")) > 0, "{report}");
    }
    for kind in ["extended", "expired", "halted", "paused", "approved", "rejected", "tenants_evicted"] {
        assert!(number(&report, &format!("/counts/{kind}")) > 0, "{report}");
    }
}

#[test]
fn one_thread_decides_the_same_for_the_same_seed() {
    let run = |seed: u64| {
        let mut report = held(&format!("--threads 1 --operations 10000 --executions 150 --seed {seed}"));
        assert!(report.as_object_mut().unwrap().remove("measured").is_some());
        report
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11)["counts"], run(12)["counts"]);
}

#[test]
fn a_seed_is_made_up_and_told_where_none_is_given() {
    let [one, other] = [(); 2].map(|()| number(&held("--threads 1 --operations 10 --executions 2"), "/seed"));
    assert_ne!(one, other);
}

#[test]
fn people_get_a_table_with_the_seed() {
    let output = stress("--threads 1 --operations 2000 --executions 20 --seed 9");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("seed       9\nrun        reserve: 1 thread, 20 executions at a time, "), "{table}");
    assert!(table.contains("\noperations          2,000\n"), "{table}");
    assert!(table.ends_with("all held\n"), "{table}");
}

#[test]
fn what_cannot_be_run_exits_with_2() {
    for arguments in [
        "--threads 0",
        "--threads 100000",
        "--operations 0",
        "--seconds 0",
        "--seconds 1 --operations 1",
        "--executions 0",
        "--seed -1",
        "--protocol none",
        "--policy x",
        "trace.jsonl",
    ] {
        let output = stress(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(output.stdout.is_empty() && stderr(&output).starts_with("error: "), "{arguments}");
    }
}

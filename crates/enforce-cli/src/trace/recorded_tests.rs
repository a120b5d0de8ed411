//! Recordings that are not part of this repository: read from `ENFORCE_TRACES`, or from `shared/data` beside it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Once;

use super::*;

/// The recordings' folder, if it is there.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ENFORCE_TRACES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    // Once, and past the test harness, which keeps to itself what a test that passes prints.
    static SAID: Once = Once::new();
    let line = format!("skipped: no recorded traces at {}\n", folder.display());
    SAID.call_once(|| drop(io::stderr().write_all(line.as_bytes())));
    None
}

#[test]
fn skipping_is_said_on_a_line_of_its_own() {
    let tests = std::env::current_exe().unwrap();
    let name = "trace::recorded_tests::every_format_yields_the_rows_that_were_recorded";
    let output =
        std::process::Command::new(tests).args([name, "--exact"]).env("ENFORCE_TRACES", "/none").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "skipped: no recorded traces at /none\n");
}

fn steps(paths: &[PathBuf]) -> Vec<Step> {
    let items = Trace::open(paths, None, &Progress::default()).unwrap();
    items.filter_map(|item| if let Item::Step(step) = item.unwrap() { Some(step) } else { None }).collect()
}

#[test]
fn raw_runs_of_mini_swe_agent_read_as_the_rows_that_were_reduced_from_them() {
    let Some(folder) = folder() else { return };
    let raw = std::fs::read_dir(folder.join("mini-swe-agent/raw")).unwrap();
    let raw: Vec<PathBuf> = raw.map(|entry| entry.unwrap().path()).collect();
    let raw = steps(&raw);
    let runs: std::collections::HashSet<Run> = raw.iter().map(|step| step.run.clone()).collect();
    let mut reduced = steps(&[folder.join("mini-swe-agent/steps.csv")]);
    reduced.retain(|step| runs.contains(&step.run));
    for (row, step) in (1..).zip(&mut reduced) {
        step.row = row;
    }
    assert_eq!((raw.len(), runs.len()), (147, 3));
    assert_eq!(raw, reduced);
}

#[test]
fn every_format_yields_the_rows_that_were_recorded() {
    let Some(folder) = folder() else { return };
    let all = [
        ("azure-llm-2023/AzureLLMInferenceTrace_conv.csv", 19_366, 19_366),
        ("mooncake-fast25/synthetic_trace.jsonl", 3_993, 3_993),
        ("mini-swe-agent/steps.csv", 4_359, 56),
        ("autogpt-benchmarks/polygpt_steps.csv", 3_594, 464),
        ("aider-analytics/aider_2025-03.jsonl", 1_777, 836),
        ("intercode/ic_bash_multiturn_gpt-4_10_turns_fs_1.json", 401, 60),
        ("intercode/ic_bash_react_10_turns_fs_1.json", 290, 60),
        ("intercode/ic_python_multiturn_gpt-3.5_7_turns.json", 430, 117),
        ("swe-agent/1ff4b19d_pydicom__pydicom-1458.traj", 12, 1),
        ("swe-agent/4da99171_swe-agent__test-repo-i1.traj", 5, 1),
        ("swe-agent/644e256d_BabyEncryption.traj", 16, 1),
    ];
    for (file, rows, runs) in all {
        let steps = steps(&[folder.join(file)]);
        let by_run = steps.iter().fold(BTreeMap::new(), |mut runs: BTreeMap<&Run, u64>, step| {
            *runs.entry(&step.run).or_default() += 1;
            runs
        });
        assert_eq!((steps.len(), by_run.len()), (rows, runs), "{file}");
    }
}

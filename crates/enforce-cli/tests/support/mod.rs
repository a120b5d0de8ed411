//! Runs the program on traces and policies that a test makes up.
#![allow(dead_code, reason = "each test binary uses its part")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A folder with a policy and traces in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// `enforce replay` with these arguments.
pub(crate) fn enforce<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_enforce")).arg("replay").args(arguments).output().unwrap()
}

/// `enforce replay` with standard input that is a pipe: the two parts come one after the other.
pub(crate) fn enforce_piped<S: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    parts: [&[u8]; 2],
) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enforce"));
    command.arg("replay").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for part in parts {
        pipe.write_all(part).unwrap();
        // Long enough for a reader to see the parts apart; a reader that does not is no worse.
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(pipe);
    child.wait_with_output().unwrap()
}

/// The report, the letters and the executions of a replay that has to succeed.
pub(crate) struct Replayed {
    pub(crate) report: Value,
    pub(crate) letters: String,
    pub(crate) executions: Vec<Value>,
    pub(crate) events: Vec<Value>,
}

impl Replayed {
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        self.report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {}", self.report))
    }

    pub(crate) fn numbers<const N: usize>(&self, pointers: [&str; N]) -> [u64; N] {
        pointers.map(|pointer| self.number(pointer))
    }

    /// How many rows have this letter.
    pub(crate) fn rows(&self, letter: char) -> u64 {
        self.letters.matches(letter).count() as u64
    }

    pub(crate) fn halted(&self) -> u64 {
        self.report["executions"]["halted"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    }
}

/// Replays traces under a policy, and holds the report to what it says about itself.
pub(crate) fn replay(policy: &str, reserve: &str, traces: &[PathBuf]) -> Replayed {
    let folder = Folder::new();
    let policy = folder.write("policy.toml", policy);
    let [decisions, executions, events] = ["decisions", "executions", "events"].map(|name| folder.path(name));
    let flags: [&Path; 11] = [
        "--json".as_ref(),
        "--policy".as_ref(),
        &policy,
        "--reserve".as_ref(),
        reserve.as_ref(),
        "--decisions".as_ref(),
        &decisions,
        "--per-execution".as_ref(),
        &executions,
        "--events".as_ref(),
        &events,
    ];
    let output = enforce(flags.into_iter().chain(traces.iter().map(PathBuf::as_path)));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let letters: String = fs::read_to_string(decisions).unwrap().lines().collect();
    let [executions, events] = [executions, events].map(|path| -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    });
    let replayed = Replayed { report, letters, executions, events };
    hold_to_itself(&replayed);
    hold_to_events(&replayed);
    replayed
}

/// What was told adds up to what is reported.
fn hold_to_events(replayed: &Replayed) {
    let told = |kind: &str| replayed.events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
    let count = |kind: &str| told(kind).len() as u64;
    for (index, event) in replayed.events.iter().enumerate() {
        assert_eq!(event["sequence"], index as u64 + 1, "nothing was dropped");
        if let Some(usage) = event.get("usage").filter(|_| event["kind"] == "ended") {
            assert_eq!(usage["execution_id"], event["execution_id"], "by the trace's names");
        }
    }

    // A run is told when it begins and, with its count, when it ends.
    let [blocked, registrations] = ["blocked", "registration_refused"].map(|kind| {
        let begun: HashSet<u64> = told(kind).iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
        let cleared = told("cleared").into_iter().filter(|event| begun.contains(&event["since"].as_u64().unwrap()));
        let cleared: Vec<_> = cleared.collect();
        assert_eq!(cleared.len(), begun.len());
        cleared
    });
    let sum = |runs: &[&Value]| runs.iter().map(|run| run["count"].as_u64().unwrap()).sum::<u64>();
    let by_rates = ["requests", "tokens", "both"].map(|rates| {
        let runs: Vec<_> = blocked.iter().copied().filter(|run| run["violation"]["rates"] == rates).collect();
        sum(&runs)
    });
    let rates = replayed.numbers(["/rates/requests", "/rates/tokens", "/rates/both"]);
    assert_eq!((sum(&blocked), by_rates), (replayed.number("/refused"), rates));

    let executions = ["/executions/started", "/executions/refused", "/executions/paused", "/executions/completed"];
    let [started, refused, paused, completed] = replayed.numbers(executions);
    assert_eq!((count("registered"), sum(&registrations)), (started, refused));
    // A pause that its budget has approved beforehand is not the end of it.
    let stayed = count("paused") - count("approved");
    assert_eq!((stayed, count("ended")), (paused, started));
    assert_eq!(count("ended") - stayed - count("halted"), completed);
    let mut halted = BTreeMap::<String, u64>::new();
    for event in told("halted") {
        let [kind, scope] = ["violation_type", "scope"].map(|field| event["cause"][field].as_str().unwrap());
        let cause = if scope == "execution" { kind.to_owned() } else { format!("{scope}:{kind}") };
        *halted.entry(cause).or_default() += 1;
    }
    assert_eq!(replayed.report["executions"]["halted"], serde_json::to_value(halted).unwrap());

    let usage = |key: &str| told("ended").iter().map(|event| event["usage"][key].as_u64().unwrap()).sum::<u64>();
    for key in ["steps", "input_tokens", "output_tokens", "total_tokens", "cost_nano_usd"] {
        assert_eq!(usage(key), replayed.number(&format!("/usage/{key}")), "{key}");
    }
}

fn hold_to_itself(replayed: &Replayed) {
    let [rows, admitted, refused, skipped] = replayed.numbers(["/trace/rows", "/admitted", "/refused", "/skipped"]);
    assert_eq!(admitted + refused + skipped, rows);
    assert_eq!(replayed.letters.len() as u64, rows);
    assert_eq!(replayed.rows('A'), admitted);
    assert_eq!(replayed.rows('R') + replayed.rows('H') + replayed.rows('P'), refused);
    assert_eq!(replayed.rows('S') + replayed.rows('C'), skipped);

    let [executions, started, not_started, completed, paused] = replayed.numbers([
        "/trace/executions",
        "/executions/started",
        "/executions/refused",
        "/executions/completed",
        "/executions/paused",
    ]);
    assert_eq!(started, completed + paused + replayed.halted());
    assert_eq!(executions, started + not_started);
    assert_eq!(replayed.executions.len() as u64, executions);

    let sum = |key: &str| replayed.executions.iter().map(|line| line[key].as_u64().unwrap()).sum::<u64>();
    let [steps, tokens, cost] = replayed.numbers(["/usage/steps", "/usage/total_tokens", "/usage/cost_nano_usd"]);
    assert_eq!([sum("steps"), sum("tokens"), sum("cost_nano_usd")], [steps, tokens, cost]);
    assert_eq!(steps, admitted);
    let tenants = replayed.report["tenants"].as_object().unwrap();
    let of_tenants = |key: &str| tenants.values().map(|tenant| tenant[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!([of_tenants("steps"), of_tenants("total_tokens"), of_tenants("cost_nano_usd")], [steps, tokens, cost]);
    assert_eq!(tenants.len() as u64, replayed.number("/trace/tenants"));
    let first: Vec<u64> = replayed
        .letters
        .char_indices()
        .filter(|(_, letter)| "RHP".contains(*letter))
        .map(|(index, _)| index as u64 + 1)
        .take(3)
        .collect();
    assert_eq!(replayed.report["first_refused_rows"], Value::from(first));
}

//! What a replay reads and writes: pipes and files, each of them whole.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Folder, enforce, enforce_piped};

/// Requests, one a second.
fn requests(rows: u64) -> String {
    (0..rows)
        .map(|row| format!("{{\"timestamp\": {}, \"input_length\": 1, \"output_length\": 1}}\n", row * 1_000))
        .collect()
}

/// One run of an agent.
const RUN: &str = r#"{"environment": "e", "trajectory": [{"action": "ls"}, {"action": "cd"}], "info": {}}"#;

#[test]
fn a_pipe_is_read_once_and_loses_no_row() {
    let steps = "tenant,execution,step\n".to_owned() + &(0..9).map(|row| format!("t,e,{row}\n")).collect::<String>();
    // Longer than what a pipe holds and what a reader buffers.
    for (trace, rows) in [(requests(9), 9), (requests(5_000), 5_000), (steps, 9), (RUN.to_owned(), 2)] {
        for cut in [0, 60, trace.len()] {
            let (first, rest) = trace.as_bytes().split_at(cut);
            let output = enforce_piped(["--json", "/dev/stdin"], [first, rest]);
            assert!(output.status.success(), "{output:?}");
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["trace"]["rows"], rows, "cut at {cut}");
        }
    }
}

/// A folder with a trace `t`, a policy `p`, a link to each, and a second name of the trace.
fn folder_with_links() -> Folder {
    let folder = Folder::new();
    folder.write("t", requests(3));
    folder.write("p", "[limits]\nmax_steps = 5\n");
    symlink(folder.path("t"), folder.path("t-link")).unwrap();
    symlink("p", folder.path("p-link")).unwrap();
    fs::hard_link(folder.path("t"), folder.path("t-again")).unwrap();
    fs::create_dir(folder.path("sub")).unwrap();
    folder
}

/// Arguments in which every word that is no flag is a file of the folder.
fn arguments(folder: &Folder, words: &str) -> Vec<PathBuf> {
    let place = |word: &str| if word.starts_with("--") { word.into() } else { folder.path(word) };
    words.split(' ').map(place).collect()
}

#[test]
fn an_output_that_would_overwrite_an_input_or_an_output_is_refused_before_anything_is_written() {
    let cases = [
        ("--decisions t t", "t: found --decisions in the same file as a trace, "),
        ("--decisions t-link t", "t-link: found --decisions in the same file as a trace, "),
        ("--decisions t t-link", "t: found --decisions in the same file as a trace, "),
        ("--per-execution t-again t", "t-again: found --per-execution in the same file as a trace, "),
        ("--decisions sub/../t t", "t: found --decisions in the same file as a trace, "),
        ("--policy p --decisions p t", "p: found --decisions in the same file as the policy, "),
        ("--policy p-link --per-execution p t", "p: found --per-execution in the same file as the policy, "),
        ("--decisions x --per-execution x t", "x: found --per-execution in the same file as --decisions, "),
        ("--decisions x --per-execution sub/../x t", "x: found --per-execution in the same file as --decisions, "),
        ("--events t-again t", "t-again: found --events in the same file as a trace, "),
        ("--per-execution x --events x t", "x: found --events in the same file as --per-execution, "),
    ];
    for (words, expected) in cases {
        let folder = folder_with_links();
        let names = folder.names();
        let output = enforce(arguments(&folder, words));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words}: {stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(expected), "{words}: {stderr}");
        assert_eq!((folder.names(), fs::read_to_string(folder.path("t")).unwrap()), (names, requests(3)), "{words}");
    }
}

/// `enforce replay` with standard output going to a file, and to its end.
fn enforce_into(file: &Path, arguments: &[PathBuf]) -> Output {
    let file = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_enforce"));
    command.arg("replay").args(arguments).stdout(file).stderr(Stdio::piped());
    command.output().unwrap()
}

#[test]
fn a_report_is_not_written_into_a_trace_or_a_record() {
    for words in ["t", "--decisions x t", "--decisions /dev/stdout t"] {
        let folder = folder_with_links();
        let report = folder.path(if words == "t" { "t" } else { "x" });
        let arguments: Vec<_> = match words {
            "--decisions /dev/stdout t" => vec!["--decisions".into(), "/dev/stdout".into(), folder.path("t")],
            words => arguments(&folder, words),
        };
        let output = enforce_into(&report, &arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}: {stderr}");
        assert!(stderr.contains("standard output: found the report in the same file as "), "{stderr}");
        assert_eq!(fs::read_to_string(folder.path("t")).unwrap(), requests(3));
    }
}

#[test]
fn devices_and_pipes_may_be_named_again() {
    let folder = folder_with_links();
    let trace = folder.path("t");
    let null = ["--decisions", "/dev/null", "--per-execution", "/dev/null"].map(Path::new);
    let output = enforce(null.into_iter().chain([trace.as_path()]));
    assert!(output.status.success(), "{output:?}");
    let output = enforce(["--json".as_ref(), "--decisions".as_ref(), "/dev/stdout".as_ref(), trace.as_path()]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.starts_with(b"A\nA\nA\n{") && output.stdout.ends_with(b"}\n"), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn output_files_do_not_appear_without_the_report() {
    let folder = folder_with_links();
    folder.write("d", "before");
    let names = folder.names();
    for flags in ["--json --decisions d --per-execution e --events v t", "--decisions d --per-execution e --events v t"]
    {
        let output = enforce_into(Path::new("/dev/full"), &arguments(&folder, flags));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains("standard output: "), "{stderr}");
        assert_eq!((folder.names(), fs::read_to_string(folder.path("d")).unwrap()), (names.clone(), "before".into()));
    }
}

#[test]
fn there_is_no_report_without_the_output_files() {
    let folder = folder_with_links();
    let output = enforce(arguments(&folder, "--decisions d --per-execution none/e t"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(!folder.path("d").exists());
}

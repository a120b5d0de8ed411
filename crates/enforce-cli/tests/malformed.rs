//! Input that cannot be used ends with status 2, one clear line and no report, whatever is wrong with it.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use support::{Folder, enforce};

/// The line that a trace or a policy is refused with.
fn refusal(arguments: &[&Path], folder: &Folder) -> String {
    let [decisions, executions] = ["decisions", "executions"].map(|name| folder.path(name));
    let before = folder.names();
    let outputs: [&Path; 4] = ["--decisions".as_ref(), &decisions, "--per-execution".as_ref(), &executions];
    let output = enforce(outputs.iter().chain(arguments));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "a report in spite of an error: {output:?}");
    assert_eq!(folder.names(), before, "files left behind");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

fn refusal_of(name: &str, content: &[u8]) -> String {
    let folder = Folder::new();
    let trace = folder.write(name, content);
    let message = refusal(&[&trace], &folder);
    assert!(message.contains(name), "{message}");
    message
}

const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-01-01 00:00:00.5,3,4\n";
const STEPS: &str = "tenant,execution,step,t_ns,cost_nanousd\nt,e,1,5,1\n";
const EVENT: &str = "{\"seq\": 1, TIME \"tenant\": \"t\", \"execution\": \"e\", \"step\": 1, \"used\": {}}\n";
const MOONCAKE: &str = "{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3}\n";

#[test]
fn every_kind_of_bad_row_is_named() {
    let cases: [(&str, String, &str); 18] = [
        ("a.csv", format!("{AZURE}2024-01-01 00:00:01,3"), "row 2, found 2 columns, expected 3"),
        ("a.csv", format!("{AZURE}2024-01-01 00:00:01,-3,4"), "row 2, column ContextTokens, found `-3`"),
        ("a.csv", format!("{AZURE}2024-01-01 00:00:01,3,99999999999999999999"), "row 2, column GeneratedTokens"),
        (
            "a.csv",
            format!("{AZURE}2024-01-01 00:00:00,3,4"),
            "row 2, column TIMESTAMP, found a time 500000000 ns earlier",
        ),
        ("a.csv", format!("{AZURE}2024-13-01 00:00:00,3,4"), "row 2, column TIMESTAMP, found `2024-13-01 00:00:00`"),
        ("m.jsonl", MOONCAKE.trim_end_matches("}\n").to_owned(), "row 1 (line 1), column 54, found bad JSON (EOF"),
        ("m.jsonl", MOONCAKE.replace('2', "1e400"), "row 1 (line 1), column input_length, found `1e400`"),
        ("m.jsonl", MOONCAKE.replace("1,", "NaN,"), "line 1, column 15, found bad JSON (expected value)"),
        (
            "m.jsonl",
            format!("{MOONCAKE}{}", MOONCAKE.replace("1,", "0,")),
            "row 2 (line 2), column timestamp, found a time",
        ),
        ("s.csv", format!("{STEPS}t,e,1,6,1"), "row 2, column step, found step 1 of execution `e` of tenant `t` again"),
        (
            "s.csv",
            format!("{STEPS}t,e,2,4,1"),
            "row 2, column time, found step 2 of execution `e` of tenant `t` at 4 ns",
        ),
        ("s.csv", format!("{STEPS}t,e,2,,1"), "row 2, column time, found no time, expected one, as in row 1 of "),
        (
            "e.jsonl",
            EVENT.replace("TIME", "") + &EVENT.replace("TIME", "\"time_ns\": 1700000000000000000,").replace("1,", "2,"),
            "row 2 (line 2), column time, found a time, expected none, as in row 1 of ",
        ),
        ("s.csv", format!("{STEPS}t,e,2,6,NaN"), "row 2, column cost_nanousd, found `NaN`"),
        ("s.csv", format!("{STEPS}t,e,2,6,72057594037927936"), "column cost_nanousd, found `72057594037927936`"),
        ("s.csv", format!("{STEPS}{},e,2,6,1", "x".repeat(129)), "column tenant, found an id of 129 bytes"),
        (
            "s.csv",
            STEPS.replace("step", "stpe"),
            "found `tenant,execution,stpe,t_ns,cost_nanousd`, expected one of the formats",
        ),
        ("s.csv", format!("{STEPS}t\u{7},\n,,"), "row 2, found 2 columns"),
    ];
    for (name, content, expected) in cases {
        let message = refusal_of(name, content.as_bytes());
        assert!(message.contains(expected), "{message} (expected {expected})");
    }
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let message = refusal_of("a.csv", &[AZURE.as_bytes(), b"\xFF\xFE,1,1\n"].concat());
    assert!(message.contains("row 2, column 1, found bytes that are not UTF-8"), "{message}");
    let message = refusal_of("m.jsonl", &[MOONCAKE.as_bytes(), b"{\"\xFF\n"].concat());
    assert!(message.contains("row 2 (line 2), column 3, found bytes that are not UTF-8"), "{message}");
    refusal_of("b.bin", &[0, 159, 146, 150]);
}

#[test]
fn empty_and_missing_files_and_folders_are_named() {
    assert!(refusal_of("a.csv", b"").contains("a.csv: found an empty file, expected one of the formats"));
    assert!(refusal_of("a.csv", AZURE.lines().next().unwrap().as_bytes()).contains("found no data row"));
    let folder = Folder::new();
    let message = refusal(&[&folder.path("none.csv")], &folder);
    assert!(message.contains("none.csv: found no such file, expected a readable file"), "{message}");
    fs::create_dir(folder.path("folder")).unwrap();
    let message = refusal(&[&folder.path("folder")], &folder);
    assert!(message.contains("folder: found a directory, expected a readable file"), "{message}");
}

#[test]
fn a_line_of_100_mb_is_an_error_in_every_format() {
    let long = vec![b'7'; 1 << 20];
    let cases = [
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n\""),
        ("s.csv", "tenant,execution,step\nt,"),
        ("m.jsonl", "{\"input_length\": 1, \"x\": "),
        ("aider.jsonl", "{\"event\": \"exit\", \"x\": "),
        ("events.jsonl", "{\"seq\": 1, \"x\": "),
        ("i.json", "{\"0\": {\"turn_history\": "),
        ("r.traj", "{\"trajectory\": "),
        ("r.traj.json", "{\"messages\": "),
        ("unknown", ""),
    ];
    for (name, begin) in cases {
        let folder = Folder::new();
        let path = folder.path(name);
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(begin.as_bytes()).unwrap();
        for _ in 0..100 {
            file.write_all(&long).unwrap();
        }
        let message = refusal(&[&path], &folder);
        assert!(message.len() < 500, "{message}");
        assert!(
            message.contains("MiB at most") || message.contains("none in 64 MiB") || name == "unknown",
            "{message}"
        );
    }
}

#[test]
fn files_of_two_formats_are_refused() {
    let folder = Folder::new();
    let [azure, steps] = [folder.write("a.csv", AZURE), folder.write("s.csv", STEPS)];
    let message = refusal(&[&azure, &steps], &folder);
    assert!(message.contains("s.csv: found the format steps, expected azure, as "), "{message}");
}

#[test]
fn a_format_that_is_given_is_held_to() {
    let folder = Folder::new();
    let azure = folder.write("a.csv", AZURE);
    for format in ["mooncake", "steps", "aider", "mini-swe-agent", "swe-agent", "intercode", "events"] {
        refusal(&["--format".as_ref(), format.as_ref(), &azure], &folder);
    }
}

#[test]
fn a_bad_policy_is_named_with_its_place() {
    let folder = Folder::new();
    let trace = folder.write("a.csv", AZURE);
    let cases = [
        ("[limits]\nmax_stepz = 5", "line 2, column 1: limits.max_stepz: unknown key; did you mean max_steps?"),
        ("[limits]\nmax_cost_usd = \"NaN\"", "line 2, column 16"),
        ("[limits]\nmax_steps = -1", "line 2"),
        ("[provider]\nrequest_burst = 5", "requests_per_minute"),
        ("[limits", "line 1"),
    ];
    for (content, expected) in cases {
        let policy = folder.write("policy.toml", content);
        let message = refusal(&["--policy".as_ref(), &policy, &trace], &folder);
        assert!(message.contains("policy.toml") && message.contains(expected), "{message}");
    }
    let missing = folder.path("none.toml");
    assert!(refusal(&["--policy".as_ref(), &missing, &trace], &folder).contains("none.toml: "));
}

#[test]
fn what_is_quoted_of_a_huge_value_is_its_beginning() {
    let folder = Folder::new();
    let trace = folder.write("t.csv", AZURE);
    let [text, digits, controls] = ["é".repeat(200_000), "9".repeat(500_000), "\\u0001".repeat(80_000)];
    let policies = [
        format!("[limits]\n\"{text}\" = 1"),
        format!("[limits]\n\"{controls}\" = 1"),
        format!("[\"{text}\"]"),
        format!("limits = \"{text}\""),
        format!("[limits]\nmax_steps = \"{text}\""),
        format!("[limits]\nmax_steps = {digits}"),
        format!("[limits]\nmax_cost_usd = {digits}.5"),
        format!("[limits]\nmax_cost_usd = \"{text}\""),
        format!("[long_running]\npreset = \"{text}\""),
        format!("[actions]\nsteps = \"{controls}\""),
    ];
    for policy in policies {
        let policy = folder.write("policy.toml", policy);
        let message = refusal(&["--policy".as_ref(), &policy, &trace], &folder);
        let place = message.split_once("policy.toml: line ").unwrap().1;
        assert!(place.chars().count() < 1_000, "{} characters: {message}", place.chars().count());
    }
    let used = |part: &str| format!("{{\"seq\": 1, \"used\": {{}}, {part}}}");
    let traces = [
        used(&format!("\"{text}\": 1")),
        used(&format!("\"asked\": {{\"{text}\": 1}}, \"tenant\": \"t\", \"execution\": \"e\", \"step\": 1")),
        used(&format!("\"kind\": \"{controls}\"")),
        format!("tenant,execution,step\nt,e,{text}"),
        format!("tenant,execution,{text}"),
        format!("{{\"{text}\": 1}}"),
        format!("{{\"x\": {{\"turn_history\": {{}}}}, \"{text}\": {{}}}}"),
    ];
    for trace in traces {
        let message = refusal_of("trace", trace.as_bytes());
        let place = message.split_once("trace: ").unwrap().1;
        assert!(place.chars().count() < 1_000, "{} characters: {message}", place.chars().count());
    }
    let name = Path::new(&digits[..5_000]);
    assert!(refusal(&[name], &folder).len() < 500);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    let trace = folder.write("a.csv", AZURE);
    let decisions = folder.path("none/decisions");
    let arguments: [&Path; 3] = ["--decisions".as_ref(), &decisions, &trace];
    let output = enforce(arguments);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.ends_with("none/decisions: No such file or directory (os error 2)\n"), "{stderr}");
}

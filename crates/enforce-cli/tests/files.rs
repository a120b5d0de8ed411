//! What a replay reads and writes: pipes and files, each of them whole.
#![cfg(unix)]

mod support;

use serde_json::Value;
use support::enforce_piped;

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

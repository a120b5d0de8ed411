//! Whole files of each format, read from disk. All of them are made up here.

use std::fs;
use std::path::Path;

use super::item::Amounts;
use super::*;

/// The steps of a trace as (tenant, execution, step, time), or the error that ends it.
type Steps = Result<Vec<Step>, String>;

fn read(files: &[(&str, &str)]) -> Steps {
    read_as(files, None)
}

fn read_as(files: &[(&str, &str)], format: Option<Format>) -> Steps {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        paths.push(path);
    }
    let trace = Trace::open(&paths, format, &Progress::default()).map_err(|error| without(folder.path(), &error))?;
    let mut steps = Vec::new();
    for item in trace {
        if let Item::Step(step) = item.map_err(|error| without(folder.path(), &error))? {
            steps.push(step);
        }
    }
    Ok(steps)
}

fn without(folder: &Path, error: &TraceError) -> String {
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

fn names(steps: &Steps) -> Vec<String> {
    let steps = steps.as_ref().unwrap();
    steps
        .iter()
        .map(|step| format!("{}/{}/{}@{}", step.run.tenant, step.run.execution, step.step, step.time_ns))
        .collect()
}

#[test]
fn azure_rows_are_executions_of_one_step() {
    let csv = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n1970-01-01 00:00:01.5,10,20\r\n1970-01-01 00:00:01.5,0,5";
    let steps = read(&[("a.csv", csv)]);
    assert_eq!(names(&steps), ["azure/1/1@1500000000", "azure/2/1@1500000000"]);
    let steps = steps.unwrap();
    assert_eq!((steps[0].used.input_tokens, steps[0].used.output_tokens, steps[0].last), (10, 20, true));
}

#[test]
fn azure_errors_name_row_and_column() {
    let header = "TIMESTAMP,ContextTokens,GeneratedTokens\n1970-01-01 00:00:01.5,10,20\n";
    let cases = [
        ("1970-01-01 00:00:01.4,1,1", "row 2, column TIMESTAMP, found a time 100000000 ns earlier"),
        ("1970-01-01 00:00:02,-1,1", "row 2, column ContextTokens, found `-1`"),
        ("1970-01-01 00:00:02,1,", "row 2, column GeneratedTokens, found nothing"),
        ("1970-01-01 00:00:02,1", "row 2, found 2 columns, expected 3"),
        ("yesterday,1,1", "row 2, column TIMESTAMP, found `yesterday`"),
        ("1970-01-01 00:00:02,72057594037927936,1", "column ContextTokens, found `72057594037927936`"),
    ];
    for (row, expected) in cases {
        let message = read(&[("a.csv", &format!("{header}{row}"))]).unwrap_err();
        assert!(message.starts_with("a.csv: ") && message.contains(expected), "{message}");
    }
}

#[test]
fn mooncake_times_are_milliseconds_and_go_on_from_file_to_file() {
    let line =
        |ms: u64| format!("{{\"timestamp\": {ms}, \"input_length\": 7, \"output_length\": 1, \"hash_ids\": [1, 2]}}\n");
    let steps = read(&[("a", &(line(0) + &line(5))), ("b", &line(5))]);
    assert_eq!(names(&steps), ["mooncake/1/1@0", "mooncake/2/1@5000000", "mooncake/3/1@5000000"]);
    let message = read(&[("a", &line(5)), ("b", &line(4))]).unwrap_err();
    assert!(message.starts_with("b: row 1 (line 1), column timestamp, found a time"), "{message}");
}

#[test]
fn mooncake_errors_name_line_and_column() {
    let first = "{\"timestamp\": 0, \"input_length\": 7, \"output_length\": 1}\n";
    let cases = [
        ("{\"timestamp\": 1, \"input_length\": 7, \"output_le", "row 2 (line 2), column 46, found bad JSON (EOF"),
        ("{\"timestamp\": 1, \"input_length\": -7, \"output_length\": 1}", "column input_length, found `-7`"),
        ("{\"timestamp\": 1, \"input_length\": 1e30, \"output_length\": 1}", "column input_length, found `1e30`"),
        ("{\"timestamp\": \"1\", \"input_length\": 1, \"output_length\": 1}", "column timestamp, found `\"1\"`"),
        ("{\"timestamp\": 1, \"output_length\": 1}", "column input_length, found nothing"),
        ("[1, 2, 3]", "column 1, found `[1, 2, 3]`, expected a JSON object"),
    ];
    for (line, expected) in cases {
        let message = read(&[("a", &format!("{first}{line}"))]).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn steps_are_sorted_and_columns_may_be_missing() {
    let csv = "step,tool,execution,tenant,action_sha16\n2,x,a: b,t,00000000000000ff\n1,,a: b,t,\n10,,a: b,t,\n";
    let steps = read(&[("s.csv", csv)]);
    assert_eq!(names(&steps), ["t/a: b/1@0", "t/a: b/2@0", "t/a: b/10@0"]);
    let steps = steps.unwrap();
    assert_eq!(steps.iter().map(|step| step.action).collect::<Vec<_>>(), [None, Some(255), None]);
    assert_eq!(steps.iter().map(|step| step.last).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn steps_carry_time_amounts_and_names() {
    let csv = "tenant,execution,step,t_ns,provider,model,input_tokens,output_tokens,cost_nanousd\r\nt,e,1,9,p,m,1,2,3";
    let steps = read(&[("s.csv", csv)]).unwrap();
    let step = &steps[0];
    assert_eq!((step.time_ns, &*step.provider, step.model.as_deref()), (9, "p", Some("m")));
    assert_eq!((step.used.input_tokens, step.used.output_tokens, step.used.cost.get()), (1, 2, 3));
    assert_eq!(step.asked, step.used);
}

#[test]
fn steps_errors_name_row_and_column() {
    let header = "tenant,execution,step,t_ns,cost_nanousd,action_sha16\nt,e,1,5,0,\n";
    let cases = [
        ("t,e,2,6,NaN,", "row 2, column cost_nanousd, found `NaN`"),
        ("t,e,2,6,1.5,", "column cost_nanousd, found `1.5`"),
        ("t,e,2,-6,1,", "column t_ns, found `-6`"),
        ("t,e,2,99999999999999999999,1,", "column t_ns, found `99999999999999999999`"),
        ("t,e,,6,1,", "column step, found nothing"),
        (",e,2,6,1,", "column tenant, found nothing"),
        ("t,e,2,6,1,abc", "column action_sha16, found `abc`, expected 16 hexadecimal digits"),
        ("t,e,1,5,0,", "column step, found step 1 of execution `e` of tenant `t` again (already in s.csv at row 1)"),
        ("t,e,2,4,0,", "column time, found step 2 of execution `e` of tenant `t` at 4 ns, before step 1 at 5 ns"),
    ];
    for (row, expected) in cases {
        let message = read(&[("s.csv", &format!("{header}{row}\n"))]).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    let id = "x".repeat(129);
    let message = read(&[("s.csv", &format!("{header}{id},e,1,5,0,\n"))]).unwrap_err();
    assert!(message.contains("column tenant, found an id of 129 bytes, expected 1 to 128 bytes"), "{message}");
}

const MINI: &str = r#"{"info": {"config": {"model": {"model_name": "lab/large"}}}, "messages": [
    {"role": "system", "content": "s"},
    {"role": "assistant", "extra": {"actions": [{"command": "ls"}, {"command": "pwd"}], "cost": 2.5e-9,
      "timestamp": 7.0000000015, "response": {"model": "large-1", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}}},
    {"role": "tool", "extra": {"timestamp": 8.5}},
    {"role": "assistant", "extra": {"cost": 0, "timestamp": 9, "response": {}}}
  ], "instance_id": "task-1"}"#;

#[test]
fn a_run_of_mini_swe_agent_has_a_step_for_each_response() {
    let steps = read(&[("batch__task-1.traj.json", MINI)]);
    assert_eq!(names(&steps), ["batch/task-1/1@7000000001", "batch/task-1/2@9000000000"]);
    let steps = steps.unwrap();
    assert_eq!((&*steps[0].provider, steps[0].model.as_deref()), ("lab", Some("large-1")));
    assert_eq!(steps[1].model.as_deref(), Some("lab/large"));
    assert_eq!((steps[0].used.input_tokens, steps[0].used.output_tokens, steps[0].used.cost.get()), (3, 4, 3));
    assert_eq!([steps[0].action, steps[1].action], [value::fingerprint("ls\0pwd"), None]);
}

#[test]
fn the_batch_of_a_run_may_be_its_folder() {
    assert_eq!(names(&read(&[("b1/task-1.traj.json", MINI)]))[1], "b1/task-1/2@9000000000");
    assert_eq!(names(&read(&[("b2/task-1/task-1.traj.json", MINI)]))[1], "b2/task-1/2@9000000000");
    let both = read(&[("b1/task-1.traj.json", MINI), ("b2/task-1.traj.json", MINI)]).unwrap();
    assert_eq!(both.len(), 4);
    let twice = read(&[("b__task-1.traj.json", MINI), ("x/b__task-1.traj.json", MINI)]).unwrap_err();
    assert!(twice.contains("again (already in b__task-1.traj.json at row 1)"), "{twice}");
}

#[test]
fn errors_in_a_run_of_mini_swe_agent_name_step_and_field() {
    let cases = [
        ("2.5e-9", "-1", "row 1, column extra.cost, found `-1`"),
        ("2.5e-9", "NaN", "line 3, column 97, found bad JSON (expected value)"),
        ("\"ls\"", "5", "row 1, column extra.actions.command, found `5`, expected a string"),
        ("\"timestamp\": 9", "\"timestamp\": 6", "row 2, column time, found step 2"),
        (
            "\"prompt_tokens\": 3",
            "\"prompt_tokens\": 3.5",
            "row 1, column extra.response.usage.prompt_tokens, found `3.5`",
        ),
    ];
    for (from, to, expected) in cases {
        let message = read(&[("b__task-1.traj.json", &MINI.replace(from, to))]).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    let truncated = &MINI[..MINI.len() - 40];
    assert!(read(&[("b.traj.json", truncated)]).unwrap_err().contains("found bad JSON (EOF while parsing"));
}

#[test]
fn a_run_of_swe_agent_has_its_totals_at_its_last_step() {
    let run = r#"{"environment": "e", "trajectory": [{"action": "ls\n"}, {"action": "ls\n"}, {"action": ""}],
        "info": {"model_stats": {"instance_cost": 1.5, "tokens_sent": 10, "tokens_received": 2, "api_calls": 3}}}"#;
    let steps = read(&[("run.traj", run)]);
    assert_eq!(names(&steps), ["swe-agent/run/1@0", "swe-agent/run/2@0", "swe-agent/run/3@0"]);
    let steps = steps.unwrap();
    assert_eq!(steps[1].used, Amounts::default());
    assert_eq!((steps[2].used.input_tokens, steps[2].used.cost.get()), (10, 1_500_000_000));
    assert_eq!([steps[0].action, steps[2].action], [value::fingerprint("ls\n"), None]);
}

#[test]
fn runs_of_intercode_are_executions_of_their_file() {
    let runs =
        r#"{"1": {"turn_history": {"actions": ["b", ""]}}, "0": {"query": "q", "turn_history": {"actions": ["a"]}}}"#;
    let steps = read(&[("y.json", runs), ("x.json", runs)]);
    assert_eq!(names(&steps), ["x/0/1@0", "x/1/1@0", "x/1/2@0", "y/0/1@0", "y/1/1@0", "y/1/2@0"]);
    assert_eq!(steps.unwrap()[0].action, value::fingerprint("a"));
    let twice = read(&[("x.json", &runs.replace("\"0\"", "\"1\""))]).unwrap_err();
    assert!(twice.contains("found step 1 of execution `1` of tenant `x` again"), "{twice}");
    let number = read(&[("x.json", &runs.replace("\"a\"", "1"))]).unwrap_err();
    assert!(number.contains("row 3, column 0.turn_history.actions, found `1`, expected a string"), "{number}");
}

const EVENT: &str = r#"{"seq": 4, "time_ns": 9, "tenant": "t", "execution": "e", "step": 1, "kind": "step", "provider": "p", "model": "m", "asked": {"input_tokens": 5, "output_tokens": 6, "cost_nano_usd": 7}, "used": {"input_tokens": 1, "output_tokens": 2, "cost_nano_usd": 3}, "action": "00000000000000ff"}"#;

#[test]
fn events_keep_what_was_asked_apart_from_what_was_used() {
    let short = r#"{"seq": 5, "time_ns": 8, "tenant": "t", "execution": "f", "step": 1, "used": {"input_tokens": 1}}"#;
    let steps = read(&[("e.jsonl", &format!("{EVENT}\n{short}\n"))]);
    assert_eq!(names(&steps), ["t/f/1@8", "t/e/1@9"]);
    let steps = steps.unwrap();
    assert_eq!((steps[1].asked.output_tokens, steps[1].used.output_tokens), (6, 2));
    assert_eq!((steps[1].asked.cost.get(), steps[1].used.cost.get(), steps[1].action), (7, 3, Some(255)));
    assert_eq!(steps[0].asked, steps[0].used);
}

#[test]
fn events_are_read_strictly() {
    let cases = [
        (
            "\"step\": 1",
            "\"stpe\": 1",
            "found the unknown key `stpe` (did you mean `step`?), expected no keys but seq, time_ns, ",
        ),
        (
            "\"cost_nano_usd\": 7",
            "\"cost\": 7",
            "column asked, found the unknown key `cost`, expected no keys but input_tokens, ",
        ),
        ("\"cost_nano_usd\": 7", "\"cost_nano_usd\": NaN", "found bad JSON (expected value)"),
        ("\"cost_nano_usd\": 3", "\"cost_nano_usd\": -3", "column used.cost_nano_usd, found `-3`"),
        ("\"kind\": \"step\"", "\"kind\": \"end\"", "column kind, found `end`, expected `step`"),
        ("\"seq\": 4", "\"seq\": null", "column seq, found nothing"),
        ("00000000000000ff", "ff", "column action, found `ff`"),
        ("\"tenant\": \"t\"", "\"tenant\": \"\"", "column tenant, found an empty id"),
        ("\"used\": {", "\"used\": [{", "found bad JSON"),
    ];
    for (from, to, expected) in cases {
        let message = read_as(&[("e.jsonl", &EVENT.replace(from, to))], Some(Format::Events)).unwrap_err();
        assert!(message.starts_with("e.jsonl: row 1 (line 1), ") && message.contains(expected), "{message}");
    }
    let twice = read(&[("e.jsonl", &format!("{EVENT}\n{EVENT}\n"))]).unwrap_err();
    assert!(twice.contains("row 2 (line 2), column seq, found 4 after 4"), "{twice}");
}

#[test]
fn files_of_two_formats_are_no_trace() {
    let csv = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    let message = read(&[("a.csv", csv), ("e.jsonl", EVENT)]).unwrap_err();
    assert!(message.contains("e.jsonl: found the format events, expected azure, as "), "{message}");
}

#[test]
fn a_trace_without_rows_is_an_error() {
    let csv = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    assert_eq!(read(&[("a.csv", csv)]).unwrap_err(), "a.csv: found no data row, expected one or more");
    assert!(read(&[("a.csv", "")]).unwrap_err().starts_with("a.csv: found an empty file"));
    assert!(read_as(&[("a.csv", "")], Some(Format::Azure)).unwrap_err().contains("a header with a column `TIMESTAMP`"));
    assert!(read_as(&[("a.json", "")], Some(Format::Intercode)).unwrap_err().contains("a.json: column 1, found ``"));
    assert!(read(&[("x.json", "{\"0\": {\"turn_history\": {\"actions\": []}}}")]).unwrap_err().contains("no data row"));
}

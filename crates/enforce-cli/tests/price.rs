//! What `enforce price` prints, and what it refuses.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::Folder;

fn price(table: &Path, model: &str, [input, cached, output]: [&str; 3], flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enforce"));
    command.arg("price").arg("--table").arg(table).args(["--model", model, "--input", input, "--cached", cached]);
    command.args(["--output", output]).args(flags).output().unwrap()
}

const OWN: &str = "[[price]]\nmodel = \"m\"\ninput = \"2.80\"\ncache_read = \"0.28\"\noutput = \"4.20\"\n";
const GENAI: &str = r#" [ {"id": "acme", "models": [{"id": "m", "match": {"equals": "m"},
    "prices": {"input_mtok": 2.8, "cache_read_mtok": 0.28, "output_mtok": 4.2}}]}]"#;
const LITELLM: &str = r#"{"m": {"litellm_provider": "acme", "input_cost_per_token": 2.8e-06,
    "cache_read_input_token_cost": 2.8e-07, "output_cost_per_token": 4.2e-06}}"#;

const CALL: [&str; 3] = ["2036", "320", "77"];

#[test]
fn a_call_has_the_same_cost_in_every_format() {
    let folder = Folder::new();
    for (model, text) in [("m", OWN), ("acme/m", GENAI), ("m", LITELLM)] {
        let table = folder.write("table", text);
        let output = price(&table, model, CALL, &[]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{model}: $0.0052178\n"));
        let output = price(&table, model, CALL, &["--json"]);
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed, json!({"model": model, "cost_usd": "0.0052178", "cost_nano_usd": 5_217_800}));
    }
}

#[test]
fn what_has_no_cost_is_one_line_and_status_2() {
    let folder = Folder::new();
    let own = folder.write("own", OWN);
    let broken = folder.write("broken", "[[price]]\nmodel = \"m\"\ninput = 2.8\n");
    let line = "broken: line 3, column 9: a float is not an exact price: write it as a string: \"2.8\"\n";
    let refused = |output: Output| {
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(price(&broken, "m", CALL, &[])).ends_with(line));
    let unknown = "enforce: no price of the model \"x\"; name it as the price table does, or add its prices\n";
    assert_eq!(refused(price(&own, "x", CALL, &[])), unknown);
    assert!(
        refused(price(&own, "m", ["1", "2", "0"], &[])).starts_with("enforce: 2 cached tokens cannot be part of 1")
    );
    assert!(refused(price(&folder.path("none"), "m", CALL, &[])).contains("none: "));
}

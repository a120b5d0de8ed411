//! OpenAI's own client library for Python, where it is installed: `ENFORCE_PYTHON` names the interpreter.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::common::World;

/// One request a second.
const POLICY: &str =
    "[[rate]]\non = \"tenant_provider\"\nunit = \"requests\"\nlimit = 1\nper = \"second\"\nburst = 1\n";

fn python(arguments: &[&str]) -> std::io::Result<Output> {
    let interpreter = std::env::var("ENFORCE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    Command::new(interpreter).args(arguments).output()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_reads_answers_streams_and_refusals_and_tries_again_as_it_is_told() {
    match python(&["-c", "import openai"]) {
        Ok(output) if output.status.success() => {}
        Ok(_) => return println!("skipped: the Python package openai is not installed"),
        Err(error) => return println!("skipped: no Python: {error}"),
    }
    let world = World::new(POLICY).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openai_client.py");
    let base = format!("http://{}/v1", world.client.address());
    let ran = tokio::task::spawn_blocking(move || python(&[script.to_str().unwrap(), &base])).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(told["plain"], json!({"text": " token".repeat(7), "total_tokens": 10}));
    assert_eq!(told["stream"], json!(" token".repeat(9)));
    assert_eq!(told["refused"], json!({"type": "RateLimitError", "code": "rate_limit", "retry_after": "1"}));
    assert_eq!(told["tried_again"], json!(" token token"));
    assert_eq!(told["unknown_key"], "AuthenticationError");
    assert_eq!(told["unknown_model"], "NotFoundError");
    assert_eq!(world.usage("c").steps, 2, "the second came when it had been told to");
}

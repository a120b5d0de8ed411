//! The program itself: what it prints, and the signals it obeys.

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use http::StatusCode;
use serde_json::{Value, json};

use crate::common::{Client, PRICES, World, budget, config, request, request_with, telling, tokens, until};

/// A gateway in a process of its own; ended with the test.
struct Process {
    child: Child,
    said: BufReader<ChildStderr>,
    client: Client,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_enforce-gateway"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let line = line(&mut said);
            if let Some(address) = line.strip_prefix("enforce-gateway: listening at http://") {
                break address.parse().unwrap();
            }
        };
        Self { child, said, client: Client::new(address) }
    }

    /// Sends a signal.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; what it printed.
    fn ended(mut self) -> String {
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        assert!(self.child.wait().unwrap().success());
        printed
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn line(said: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "it has ended");
    line.trim_end().to_owned()
}

#[tokio::test]
async fn the_demo_answers_and_prints_what_was_used_when_it_is_told_to_end() {
    let demo = Process::start(&["demo", "--listen", "127.0.0.1:0", "--json"]);
    let mut asks = request(7);
    asks["model"] = "quill-small".into();
    assert_eq!(demo.client.ask("sk-acme-sample", &[], &asks).await.status, StatusCode::OK);
    assert_eq!(demo.client.ask("sk-globex-sample", &[], &asks).await.status, StatusCode::OK, "by the key's hash");
    demo.signal("-TERM");
    let printed: Value = serde_json::from_str(&demo.ended()).unwrap();
    let of = |tenant: usize| {
        (printed["tenants"][tenant]["steps"].clone(), printed["tenants"][tenant]["output_tokens"].clone())
    };
    assert_eq!([of(0), of(1)], [(1.into(), 7.into()), (1.into(), 7.into())]);
}

#[tokio::test]
async fn a_hangup_reads_all_files_anew_and_a_bad_one_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let config = config("127.0.0.1:9".parse().unwrap(), "");
    fs::write(file("gateway.toml"), &config).unwrap();
    fs::write(file("policy.toml"), budget(5)).unwrap();
    fs::write(file("prices.toml"), PRICES).unwrap();
    let mut process = Process::start(&["serve", "--config", file("gateway.toml").to_str().unwrap()]);
    let asked = |client: Client| async move { client.ask("key-new", &[], &request(7)).await.status };
    assert_eq!(asked(process.client.clone()).await, StatusCode::UNAUTHORIZED);

    fs::write(file("gateway.toml"), config.replace("key-a", "key-new")).unwrap();
    fs::write(file("policy.toml"), "[limits]\nmax_stepz = 5").unwrap();
    process.signal("-HUP");
    let said = line(&mut process.said);
    assert!(said.contains("the old settings stay") && said.contains("policy.toml: line 2, column 1"), "{said}");
    assert_eq!(asked(process.client.clone()).await, StatusCode::UNAUTHORIZED);

    fs::write(file("policy.toml"), budget(4)).unwrap();
    process.signal("-HUP");
    assert_eq!(line(&mut process.said), "enforce-gateway: settings are read anew");
    let refused = process.client.ask("key-new", &[], &request(7)).await;
    assert_eq!((&*refused.code(), &refused.json()["violation"]["limit"]), ("token_limit", &4.into()));
    process.signal("-TERM");
    assert!(process.ended().starts_with("tenant"));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_it_prints_what_was_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let world = World::new("").await;
    fs::write(file("gateway.toml"), config(world.upstream, "grace_ms = 3_600_000")).unwrap();
    fs::write(file("policy.toml"), budget(5_000)).unwrap();
    fs::write(file("prices.toml"), PRICES).unwrap();
    let process = Process::start(&["serve", "--config", file("gateway.toml").to_str().unwrap(), "--json"]);
    let mut stream = process.client.stream("key-a", &telling(request_with(9, &json!({"stall_after": "5"})))).await;
    let mut seen = 0;
    while seen < 5 {
        seen += tokens(&stream.next().await.unwrap());
    }
    process.signal("-TERM");
    // Nobody new is let in: the first signal has been heard.
    let address = process.client.address();
    until(|| std::net::TcpStream::connect(address).is_err()).await;
    process.signal("-INT");
    let printed: Value = serde_json::from_str(&process.ended()).unwrap();
    assert_eq!(printed["tenants"][0]["output_tokens"], 5);
}

/// It asks for signals before it says that it listens.
#[tokio::test]
async fn a_signal_right_behind_its_first_line_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("gateway.toml"), config("127.0.0.1:9".parse().unwrap(), "")).unwrap();
    fs::write(file("policy.toml"), budget(5)).unwrap();
    fs::write(file("prices.toml"), PRICES).unwrap();
    let mut process = Process::start(&["serve", "--config", file("gateway.toml").to_str().unwrap()]);
    process.signal("-HUP");
    assert_eq!(line(&mut process.said), "enforce-gateway: settings are read anew");
    process.signal("-TERM");
    assert!(process.ended().starts_with("tenant"));
    let demo = Process::start(&["demo", "--listen", "127.0.0.1:0"]);
    demo.signal("-TERM");
    assert!(demo.ended().starts_with("tenant"));
}

#[test]
fn what_cannot_be_used_is_one_line_and_the_status_2() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enforce-gateway"));
    let ended = command.args(["serve", "--config", "none.toml"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("enforce-gateway: none.toml: ") && said.lines().count() == 1, "{said}");
}

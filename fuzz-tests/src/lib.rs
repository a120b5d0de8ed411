//! What has to hold of any text that comes from outside, one function for each reader of such text.
//!
//! The functions stand here, in a member of the workspace, and not in `fuzz/`: that folder is a workspace of its own,
//! because a fuzz target needs a nightly compiler and links a fuzzer, and so nothing of the workspace can use it. It uses
//! this crate: a target there is one line that calls its function here, and `tests/replay.rs` calls the very same
//! functions with every file of the corpus, on a stable compiler, in a plain `cargo test`.
//!
//! A function returns if its input is refused, and asserts what holds of it otherwise. That nothing panics goes without
//! saying.
#![expect(clippy::expect_used, reason = "what fails here fails a test")]

mod counts;
mod decisions;
mod gateway;
mod ids;
mod money;
mod network;
mod policy;
mod prices;
mod state;
mod structs;
mod traces;

// The readers of the programs, which nobody can link: their files are compiled here once more.
#[expect(dead_code, reason = "compiled whole, as the command has it")]
#[path = "../../crates/enforce-cli/src/progress.rs"]
mod progress;
#[path = "../../crates/enforce-cli/src/trace/mod.rs"]
#[expect(unused_imports, reason = "compiled whole, as the command has it")]
mod trace;

#[path = "../../crates/enforce-gateway/src/chat.rs"]
mod chat;
#[expect(dead_code, unreachable_pub, reason = "compiled whole, as the gateway has it")]
#[path = "../../crates/enforce-gateway/src/config.rs"]
mod config;
#[path = "../../crates/enforce-gateway/src/count.rs"]
mod count;
#[path = "../../crates/enforce-gateway/src/keys.rs"]
mod keys;
#[expect(dead_code, reason = "compiled whole, as the gateway has it")]
#[path = "../../crates/enforce-gateway/src/refusal.rs"]
mod refusal;
#[expect(dead_code, unreachable_pub, reason = "compiled whole, as the gateway has it")]
#[path = "../../crates/enforce-gateway/src/settings.rs"]
mod settings;
#[path = "../../crates/enforce-gateway/src/sse.rs"]
mod sse;
#[path = "../../crates/enforce-gateway/src/usage.rs"]
mod usage;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A function that takes whatever comes.
pub type Target = fn(&[u8]);

/// All of them, by the names of their fuzz targets.
pub const TARGETS: [(&str, Target); 16] = [
    ("decisions", decisions::target),
    ("events", decisions::events),
    ("gateway_file", gateway::file),
    ("gateway_request", gateway::request),
    ("gateway_stream", gateway::stream),
    ("ids", ids::target),
    ("money", money::target),
    ("network", network::target),
    ("policy_file", policy::target),
    ("prices_genai", prices::genai),
    ("prices_litellm", prices::litellm),
    ("prices_own", prices::own),
    ("settings", structs::target),
    ("state", state::target),
    ("traces", traces::target),
    ("usage", counts::target),
];

/// Runs the target of that name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(own, _)| *own == name).expect("a target of that name");
    target(data);
}

/// The input as text, if it is one.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The thing that the text says, if it is one: it is written as a text that says the same, and that is written so again.
fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) -> Option<T> {
    let read: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&read).expect("what was read can be written");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, read, "{written}");
    assert_eq!(serde_json::to_string(&again).expect("what was read can be written"), written);
    Some(read)
}

/// [`round_trip`], of which nothing more has to hold.
fn reads<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) {
    drop::<Option<T>>(round_trip(text));
}

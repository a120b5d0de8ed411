//! `enforce`: replays recorded agent traffic against limits, exactly.

#[allow(dead_code, unused_imports, reason = "the replay that reads traces follows")]
mod trace;

fn main() {}

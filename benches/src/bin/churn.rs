//! `cargo run --release -p enforce-benches --bin churn [-- --json]`: the slowest steps among a hundred thousand live
//! executions while others come and go, and among the first while a million more come.

use std::io::IsTerminal;
use std::process::ExitCode;

use enforce_benches::arguments;
use enforce_benches::churn::{
    Grown, Percentiles, Tail, enact_growing, enact_while_others_come_and_go, ours_growing,
    ours_while_others_come_and_go,
};
use enforce_benches::report::write_table;
use serde::Serialize;

/// How many live while others come and go; how many come while the tables grow.
const LIVE: usize = 100_000;
const GROWN: u32 = 1_000_000;

/// Of a thousand steps one may take longer, in nanoseconds.
const BY_HANDLE_NS: u64 = 200;
const BY_ID_NS: u64 = 600;

/// No step may take longer while the tables grow, in nanoseconds.
const STALL_NS: u64 = 3_000_000;

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    #[serde(flatten)]
    percentiles: Percentiles,
    target: Option<String>,
    met: Option<bool>,
}

impl Row {
    fn told(name: impl Into<String>, tail: &Tail) -> Self {
        Self { name: name.into(), percentiles: tail.percentiles(), target: None, met: None }
    }

    fn p99_9(name: impl Into<String>, tail: &Tail, bound: u64) -> Self {
        let row = Self::told(name, tail);
        let met = row.percentiles.p99_9_ns() <= bound;
        Self { target: Some(format!("p99.9 ≤ {bound} ns")), met: Some(met), ..row }
    }

    fn longest(name: impl Into<String>, tail: &Tail, bound: u64) -> Self {
        let row = Self::told(name, tail);
        let met = row.percentiles.max_ns() <= bound;
        Self { target: Some(format!("max ≤ {} ms", bound / 1_000_000)), met: Some(met), ..row }
    }
}

/// Everything that is told.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    /// For each live execution, where the system tells.
    resident_bytes: Option<f64>,
    /// How many executions came and went beside the measured steps.
    came_and_went: Vec<(String, u64)>,
}

fn about(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("measuring {what} …");
    }
}

fn measure() -> Report {
    let mut rows = Vec::new();
    let mut came_and_went = Vec::new();
    // Growth first: its memory is that of a process that has freed nothing yet.
    about("growth");
    let Grown { nothing, step, registration, bytes } = ours_growing(GROWN);
    rows.push(Row::told("nothing, while growing to 1M", &nothing));
    rows.push(Row::longest("step by id, while growing to 1M", &step, STALL_NS));
    rows.push(Row::told("registration, growing to 1M", &registration));
    about("growth of enact");
    let Grown { step, registration, .. } = enact_growing(GROWN);
    rows.push(Row::told("– enact: step, while growing to 1M", &step));
    rows.push(Row::told("– enact: registration, growing to 1M", &registration));
    for churners in [0, 1, 2] {
        let beside = format!("{churners} churning");
        about(&beside);
        let (steps, came) = ours_while_others_come_and_go(LIVE, churners);
        rows.push(Row::told(format!("nothing, {beside}"), &steps.nothing));
        for (what, tail, bound) in [
            ("by handle, 1k of them", &steps.by_handle_hot, BY_HANDLE_NS),
            ("by handle, all in turn", &steps.by_handle, BY_HANDLE_NS),
            ("by id, 1k of them", &steps.by_id_hot, BY_ID_NS),
            ("by id, all in turn", &steps.by_id, BY_ID_NS),
        ] {
            rows.push(Row::p99_9(format!("step {what}, {beside}"), tail, bound));
        }
        came_and_went.push((format!("ours, {beside}"), came));
        about(&format!("{beside}, enact"));
        let (step, came) = enact_while_others_come_and_go(LIVE, churners);
        rows.push(Row::told(format!("– enact: step by id, all in turn, {beside}"), &step));
        came_and_went.push((format!("enact, {beside}"), came));
    }
    Report { rows, resident_bytes: bytes.map(f64::round), came_and_went }
}

fn table(rows: &[Row]) -> String {
    let head = ["nanoseconds", "p50", "p99", "p99.9", "p99.99", "max", "samples", "target", "met"];
    let line = |row: &Row| {
        let [p50, p99, p99_9, p99_99, max, samples] = row.percentiles.all().map(|figure| figure.to_string());
        let target = row.target.clone().unwrap_or_else(|| "-".to_owned());
        let met = row.met.map_or("-", |met| if met { "yes" } else { "**no**" }).to_owned();
        [row.name.clone(), p50, p99, p99_9, p99_99, max, samples, target, met]
    };
    let mut table = String::new();
    // Writing to a string fails never.
    let _written = write_table(&mut table, head, rows.iter().map(line));
    table
}

fn print(report: &Report) {
    println!("Single operations, the clock's two readings among them; {LIVE} live executions where others churn.\n");
    println!("{}", table(&report.rows));
    if let Some(bytes) = report.resident_bytes {
        println!("{bytes} resident bytes for each of {GROWN} live executions.");
    }
    for (who, came) in &report.came_and_went {
        println!("{who}: {came} executions came and went meanwhile.");
    }
}

fn main() -> ExitCode {
    let json = match arguments::json("churn") {
        Ok(json) => json,
        Err(code) => return code,
    };
    let report = measure();
    if json {
        return arguments::print(&report);
    }
    print(&report);
    ExitCode::SUCCESS
}

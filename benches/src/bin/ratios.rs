//! `cargo run --release -p enforce-benches --bin ratios [-- --json]`: every target of the hot paths, measured side by
//! side in one process.

use std::process::ExitCode;

use enforce_benches::report::{Row, Table, Target};
use enforce_benches::{Figures, Rounds, enact, floor, ours, resident, rivals, words};

/// How often every case takes its turn; on two threads, where a turn is ten times as long.
const ROUNDS: usize = 1_001;
const SHARED_ROUNDS: usize = 101;

/// How many executions live while their memory is measured.
const LIVE: u32 = 1_000_000;

const USAGE: &str = "usage: ratios [--json]";

fn alone() -> Figures {
    let mut rounds = Rounds::quiet(ROUNDS);
    for case in [
        floor::cas(),
        ours::bare(),
        ours::bare_owned(),
        ours::bare_acquired(),
        ours::active(),
        ours::usual(),
        ours::usual_clock(),
        ours::budget(),
        ours::full(),
        ours::check(),
        ours::refused(),
        ours::refused_bare(),
        floor::map_get(),
        floor::map_get_clone(),
        ours::by_id_bare(),
        ours::by_id_active(),
        ours::by_id_usual(),
        enact::step_of_one(),
        enact::step_of_many(),
        enact::whole_of_one(),
        enact::whole_of_many(),
        ours::register_and_finish(),
        ours::register_and_finish_expiring(),
        enact::register_and_unregister(),
        words::rate(),
        rivals::governor(),
        rivals::governor_clock(),
        words::gauge(),
        rivals::semaphore(),
    ] {
        rounds.add(case);
    }
    rounds.run()
}

fn on_two_threads() -> Figures {
    let mut rounds = Rounds::all(SHARED_ROUNDS);
    rounds.add(ours::usual_on_two_threads());
    rounds.add(enact::whole_on_two_threads());
    rounds.run()
}

fn rows(bytes: Option<f64>) -> Vec<Row> {
    use Target::{AtLeast, AtMost, AtMostBytes, None};
    let (one, two) = (alone(), on_two_threads());
    let mut rows = vec![
        Row::over("handle, bare: reserve a step", &one, "handle, bare", "CAS", AtMost(1.5)),
        Row::more("  an owned hold on top", &one, "handle, bare, owned", "handle, bare", 2.5),
        Row::over("  awaited: ready at its first poll", &one, "acquire, bare", "handle, bare, owned", None),
        Row::over("handle: a step with activity, tenant", &one, "handle, activity", "CAS", AtMost(3.0)),
        Row::over("handle, usual, settle included", &one, "handle, usual", "CAS", AtMost(10.0)),
        Row::over("  the clock read for both calls", &one, "handle, usual, own clock", "CAS", None),
        Row::over("  a tenant's budget as well", &one, "handle, tenant budget", "CAS", None),
        Row::over("  all that can be limited so far", &one, "handle, full", "CAS", None),
        Row::over("check everything, usual", &one, "check, usual", "CAS", AtMost(6.0)),
        Row::over("refusal, usual (tokens)", &one, "refusal, usual", "CAS", AtMost(3.0)),
        Row::over("refusal, bare (steps)", &one, "refusal, bare", "CAS", AtMost(3.0)),
        Row::over("by id, bare: reserve a step, 1k", &one, "by id, bare", "map get", AtMost(1.6)),
        Row::over("  beside a get that takes it out", &one, "by id, bare", "map get, clone", None),
        Row::under("whole cycle by id, usual, 1k", &one, "by id, usual", "enact whole, 1k", AtLeast(15.0)),
        Row::under("whole cycle by handle, usual", &one, "handle, usual", "enact whole, one", AtLeast(35.0)),
        Row::under("step, activity, tenant, by id, 1k", &one, "by id, activity", "enact step, 1k", AtLeast(7.0)),
        Row::under("step, activity, tenant, by handle", &one, "handle, activity", "enact step, one", AtLeast(30.0)),
        Row::under(
            "whole cycle, two workers, one execution",
            &two,
            "handle, usual, two threads",
            "enact whole, two threads",
            AtLeast(25.0),
        ),
        Row::under("register + finish", &one, "register + finish", "enact register + unregister", AtLeast(2.0)),
        Row::under(
            "  where limits of time are looked for",
            &one,
            "register + finish, expiring",
            "enact register + unregister",
            None,
        ),
        Row::over("rate cell, time given", &one, "rate cell", "governor direct", AtMost(1.0)),
        Row::over("  beside governor's own clock", &one, "rate cell", "governor direct, own clock", None),
        Row::over("take + give back", &one, "take + give back", "tokio Semaphore", AtMost(1.0)),
    ];
    if let Some(bytes) = bytes {
        rows.push(Row::bytes("resident bytes per live execution, 1M", bytes, AtMostBytes(512.0)));
    }
    rows
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--json"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Memory first: what later cases allocate and free would be used again and not be seen.
    let rows = rows(resident::bytes_per_execution(LIVE));
    if json {
        match serde_json::to_string_pretty(&rows) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
        return ExitCode::SUCCESS;
    }
    println!(
        "Medians of the quieter half of {ROUNDS} rounds (of all {SHARED_ROUNDS} on two threads), in each of which"
    );
    println!("all cases took a turn in one process. Ratios are taken round by round: half lie in the middle half.\n");
    print!("{}", Table(&rows));
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    println!("\nTargets missed: {missed}.");
    ExitCode::SUCCESS
}

//! Instructions of the hot paths, counted by valgrind's callgrind: they hardly move on a machine on which every time does.
//!
//! A case is done so many times under callgrind, and many more times in a second run; what the second run has more is that
//! of the operations alone, because beginning and ending are the same in both. (But for the keys of the hashers, which are
//! drawn anew in each run: a path that looks something up moves by a per cent or two.)

mod baseline;
mod callgrind;

use enforce_core::Enforcer;

use crate::ids::Ids;
use crate::ours::{self, Setting, Ticks};
use crate::{Case, words};

pub use baseline::{Baseline, Change};
pub use callgrind::{Callgrind, CountError};

/// How often a case is done in the shorter run, and in the longer.
const TIMES: [u32; 2] = [1_000, 21_000];

/// A path by name: it is made when it is its turn.
pub type Path = (&'static str, fn() -> Case);

/// The paths that are counted.
pub const PATHS: [Path; 16] = [
    ("bare", ours::bare),
    ("owned", ours::bare_owned),
    ("awaited", ours::bare_acquired),
    ("activity", ours::active),
    ("usual cycle", ours::usual),
    ("tenant budget", ours::budget),
    ("full", ours::full),
    ("check", ours::check),
    ("refusal, usual", ours::refused),
    ("refusal, bare", ours::refused_bare),
    ("by id, bare", ours::by_id_bare),
    ("rate cell", words::rate),
    ("rate by key", rate_by_key),
    ("awaited, rate", ours::rates::acquired),
    ("tree of two, a step", tree),
    ("register + finish", register_and_finish),
];

fn rate_by_key() -> Case {
    ours::rates::by_key("rate by key", &Ids::hot())
}

fn tree() -> Case {
    ours::trees::step("step, 2", 2)
}

/// Registers and finishes a thousand names in turn beside a thousand others: making the names is not counted.
fn register_and_finish() -> Case {
    let (enforcer, _, mut ticks): (Enforcer, Ids, Ticks) = Setting::Usual.executions();
    let mut names = Ids::hot().map(|id| format!("new_{id}"));
    Case::new("register + finish", move || {
        if let Ok(run) = enforcer.execution(names.next_id().as_str(), "tenant_a").register_at(ticks.tick()) {
            drop(run.finish_at(ticks.tick()));
        }
    })
}

/// Does the path `name` so many times, which is what runs under callgrind; `false` if there is no such path.
pub fn run(name: &str, times: u32) -> bool {
    let Some((_, make)) = PATHS.iter().find(|(known, _)| *known == name) else { return false };
    make().turn(times);
    true
}

/// Instructions of one operation of the path `name`.
///
/// # Errors
/// Callgrind cannot be run, or does not say what it has counted.
pub fn of(name: &str, callgrind: &Callgrind) -> Result<f64, CountError> {
    let [few, many] = TIMES;
    let (short, long) = (callgrind.count(name, few)?, callgrind.count(name, many)?);
    Ok(long.saturating_sub(short) as f64 / f64::from(many - few))
}

//! What a decision costs, beside its rivals and beside the machine's own floors.
//!
//! A [`Case`] is one thing done over and over; [`Rounds`] runs all cases in turn, many times, in one process, so that a
//! ratio compares what ran side by side. The binary `ratios` prints the table of targets, `churn` the slowest steps while
//! others come and go, `counts` the instructions of the hot paths, and `plots` draws what `ratios` has printed; the
//! criterion benches time the same cases one by one.

pub mod arguments;
pub mod churn;
pub mod counts;
pub mod expiring;
pub mod floor;
pub mod halting;
mod ids;
pub mod ours;
mod pair;
pub mod plot;
pub mod report;
pub mod resident;
pub mod rivals;
mod rounds;
pub mod targets;
pub mod words;

#[path = "../../crates/enforce-core/src/kernel/mod.rs"]
#[allow(dead_code, reason = "the whole kernel comes along, of which two words are timed by themselves")]
mod kernel;
#[path = "../../crates/enforce-core/src/sync.rs"]
#[allow(dead_code, unused_imports, reason = "what the kernel imports comes along with it")]
mod sync;

pub use ids::Ids;
pub use rounds::{Case, Figures, Rounds};

/// Times every case with criterion, as the command line says; the body of a bench's `main`.
pub fn bench(cases: impl IntoIterator<Item = Case>) {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    for mut case in cases {
        let name = case.name().to_owned();
        criterion.bench_function(&name, |bencher| {
            bencher.iter_custom(|times| case.turn(u32::try_from(times).unwrap_or(u32::MAX)));
        });
    }
    criterion.final_summary();
}

/// The old code of the migration guide is compiled against the crate that it was written for.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("OUT_DIR"), "/migration.md"))]
struct MigrationGuide;

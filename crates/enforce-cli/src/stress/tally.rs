//! What one thread counts of its own work.

use std::collections::BTreeMap;
use std::time::Instant;

use enforce_core::{RegisterError, ViolationType};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::error::StressError;

/// Longer than any call: a minute, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;

/// Counts; those of several threads are added.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Counts {
    /// Operations by their names.
    pub(crate) operations: BTreeMap<&'static str, u64>,
    /// Demands that came through.
    pub(crate) admitted: u64,
    /// Demands that did not, by the limit.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Of what was admitted: settled.
    pub(crate) settled: u64,
    /// Of what was admitted: dropped.
    pub(crate) dropped: u64,
    /// Holds that their deadline ended before their owner did.
    pub(crate) expired: u64,
    /// Extensions that came through.
    pub(crate) extended: u64,
    /// Extensions that did not, by the limit.
    pub(crate) not_extended: BTreeMap<&'static str, u64>,
    /// Holds that another thread took over.
    pub(crate) handed_over: u64,
    /// Demands that got in line and came to an end there, or needed no line.
    pub(crate) waited: u64,
    /// Demands that left their line.
    pub(crate) gave_up: u64,
    pub(crate) registered: u64,
    /// Registrations that were refused, by the limit or the error.
    pub(crate) not_registered: BTreeMap<&'static str, u64>,
    pub(crate) finished: u64,
    pub(crate) halted: u64,
    pub(crate) paused: u64,
    pub(crate) approved: u64,
    pub(crate) rejected: u64,
    pub(crate) tenants_evicted: u64,
}

/// What one thread counts and measures.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) reserve: Histogram<u64>,
    pub(crate) settle: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Result<Self, StressError> {
        Ok(Self { counts: Counts::default(), reserve: histogram()?, settle: histogram()? })
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        // All of them are of one range.
        self.reserve.add(&other.reserve).unwrap_or_default();
        self.settle.add(&other.settle).unwrap_or_default();
    }

    pub(crate) fn refuse(&mut self, by: ViolationType) {
        *self.counts.refused.entry(by.as_str()).or_default() += 1;
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for (mine, others) in [
            (&mut self.operations, &other.operations),
            (&mut self.refused, &other.refused),
            (&mut self.not_extended, &other.not_extended),
            (&mut self.not_registered, &other.not_registered),
        ] {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
        for (mine, others) in [
            (&mut self.admitted, other.admitted),
            (&mut self.settled, other.settled),
            (&mut self.dropped, other.dropped),
            (&mut self.expired, other.expired),
            (&mut self.extended, other.extended),
            (&mut self.handed_over, other.handed_over),
            (&mut self.waited, other.waited),
            (&mut self.gave_up, other.gave_up),
            (&mut self.registered, other.registered),
            (&mut self.finished, other.finished),
            (&mut self.halted, other.halted),
            (&mut self.paused, other.paused),
            (&mut self.approved, other.approved),
            (&mut self.rejected, other.rejected),
            (&mut self.tenants_evicted, other.tenants_evicted),
        ] {
            *mine += others;
        }
    }

    pub(crate) fn not_registered(&mut self, error: &RegisterError) {
        let name = match error {
            RegisterError::InvalidId(_) => "invalid_id",
            RegisterError::Duplicate { .. } => "duplicate",
            RegisterError::Full { .. } => "full",
            RegisterError::Refused(violation) => violation.violation_type.as_str(),
            RegisterError::Config(_) => "config",
            _ => "other",
        };
        *self.not_registered.entry(name).or_default() += 1;
    }
}

fn histogram() -> Result<Histogram<u64>, StressError> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(|error| StressError::Setup(error.to_string()))
}

/// Runs `call` and notes how long it took, the two readings of the clock included.
pub(crate) fn timed<T>(histogram: &mut Histogram<u64>, call: impl FnOnce() -> T) -> T {
    let before = instant();
    let returned = call();
    let nanos = u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX);
    histogram.saturating_record(nanos);
    returned
}

/// Now, by the system.
#[expect(clippy::disallowed_methods, reason = "it measures the library, which decides by a clock of the run's own")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

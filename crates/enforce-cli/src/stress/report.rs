//! What a run has found, as it prints with `--json`.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::findings::Findings;
use super::laws::{Law, Violation};
use super::plan::Plan;
use super::protocol::Protocol;
use super::tally::{Counts, Tally};

/// Memory is flat if it has grown by less than one in this many, or by less than an allocator takes at a time.
const FLAT_PART: u64 = 20;
const FLAT_BYTES: u64 = 4 << 20;

/// The report. With one thread, all of it but `measured` follows from the seed.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) protocol: Protocol,
    pub(crate) threads: u64,
    /// Places for executions.
    pub(crate) executions: u64,
    pub(crate) tenants: u64,
    /// Operations in all: the sum of `counts.operations`.
    pub(crate) operations: u64,
    pub(crate) counts: Counts,
    pub(crate) meetings: u64,
    /// States that were saved and taken over by another enforcer.
    pub(crate) restored: u64,
    pub(crate) compared: u64,
    pub(crate) broken: BTreeMap<Law, u64>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) measured: Measured,
}

/// What the machine had to do with it.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// How long the threads worked, without the meetings.
    pub(crate) worked_ns: u64,
    pub(crate) operations_per_second: u64,
    pub(crate) reserve_ns: Latency,
    pub(crate) settle_ns: Latency,
    pub(crate) resident_bytes: Option<Resident>,
}

/// How long calls took, in nanoseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) calls: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// Memory, from when a quarter of the run was done and everybody had been replaced to its end. A run may be too short for
/// that.
#[derive(Debug, Serialize)]
pub(crate) struct Resident {
    pub(crate) start: Option<u64>,
    pub(crate) end: u64,
    pub(crate) flat: Option<bool>,
}

impl Report {
    pub(crate) fn of(plan: &Plan, tenants: usize, tally: Tally, findings: Findings) -> Self {
        let operations: u64 = tally.counts.operations.values().sum();
        let worked_ns = u64::try_from(findings.worked.as_nanos()).unwrap_or(u64::MAX);
        let per_second = (u128::from(operations) * 1_000_000_000).checked_div(u128::from(worked_ns)).unwrap_or(0);
        let measured = Measured {
            worked_ns,
            operations_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            reserve_ns: Latency::of(&tally.reserve),
            settle_ns: Latency::of(&tally.settle),
            resident_bytes: findings.resident_at_end.map(|end| Resident::of(findings.resident_at_start, end)),
        };
        Self {
            seed: plan.seed,
            protocol: plan.protocol,
            threads: plan.threads,
            executions: plan.executions as u64,
            tenants: tenants as u64,
            operations,
            counts: tally.counts,
            meetings: findings.meetings,
            restored: findings.restored,
            compared: findings.compared,
            broken: findings.broken,
            violations: findings.violations,
            measured,
        }
    }
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            calls: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

impl Resident {
    fn of(start: Option<u64>, end: u64) -> Self {
        let flat = start.map(|start| end.saturating_sub(start) < (start / FLAT_PART).max(FLAT_BYTES));
        Self { start, end, flat }
    }
}

//! What a replay found out, as it prints with `--json`.

use std::collections::BTreeMap;

use enforce_core::{Cause, EnforcementViolation, RatesRefused, Retry, UsageSnapshot, ViolationType};
use serde::Serialize;

use super::decision::Decision;
use crate::trace::Step;

/// The report. Sums are wider than what is summed, so that none is cut.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) trace: TraceSize,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    pub(crate) skipped: u64,
    pub(crate) warnings: u64,
    pub(crate) rates: Rates,
    pub(crate) executions: Executions,
    pub(crate) usage: Usage,
    pub(crate) tenants: BTreeMap<String, TenantUsage>,
    #[serde(serialize_with = "row_numbers")]
    #[serde(rename = "first_refused_rows")]
    pub(crate) first_refused: Vec<RefusedRow>,
    pub(crate) retry_after_sum_ns: u128,
    /// Refused rows by the limit that refused them.
    #[serde(skip)]
    pub(crate) reasons: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct TraceSize {
    pub(crate) rows: u64,
    pub(crate) executions: u64,
    pub(crate) tenants: u64,
    pub(crate) span_ns: u64,
}

/// Rows refused by one rate alone, by the other alone, by both.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Rates {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) both: u64,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Executions {
    pub(crate) started: u64,
    pub(crate) refused: u64,
    pub(crate) completed: u64,
    pub(crate) paused: u64,
    /// By the limit that halted them.
    pub(crate) halted: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Usage {
    pub(crate) steps: u128,
    pub(crate) input_tokens: u128,
    pub(crate) output_tokens: u128,
    pub(crate) total_tokens: u128,
    pub(crate) cost_nano_usd: u128,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct TenantUsage {
    pub(crate) cost_nano_usd: u128,
    pub(crate) steps: u128,
    pub(crate) total_tokens: u128,
}

/// One of the first refusals.
#[derive(Debug)]
pub(crate) struct RefusedRow {
    pub(crate) row: u64,
    pub(crate) tenant: String,
    pub(crate) execution: String,
    pub(crate) step: u64,
    pub(crate) violation: EnforcementViolation,
}

/// How many refusals are named.
const FIRST: usize = 3;

impl Report {
    /// Counts a row that was decided.
    pub(crate) fn count(&mut self, decision: Decision) {
        self.trace.rows += 1;
        match decision {
            Decision::Admitted => self.admitted += 1,
            Decision::Refused | Decision::Halted | Decision::Paused => self.refused += 1,
            Decision::NotStarted | Decision::Skipped => self.skipped += 1,
        }
    }

    /// Notes why a row was refused.
    pub(crate) fn refusal(&mut self, step: &Step, violation: &EnforcementViolation) {
        let reason = violation.cause.unwrap_or_else(|| violation.as_cause());
        *self.reasons.entry(reason.to_string()).or_default() += 1;
        match violation.rates {
            Some(RatesRefused::Requests) => self.rates.requests += 1,
            Some(RatesRefused::Tokens) => self.rates.tokens += 1,
            Some(RatesRefused::Both) => self.rates.both += 1,
            _ => {}
        }
        if let (ViolationType::RateLimit, Retry::After(delay)) = (violation.violation_type, violation.retry) {
            self.retry_after_sum_ns += delay.as_nanos();
        }
        if self.first_refused.len() < FIRST {
            self.first_refused.push(RefusedRow {
                row: step.row,
                tenant: step.run.tenant.to_string(),
                execution: step.run.execution.to_string(),
                step: step.step,
                violation: *violation,
            });
        }
    }

    /// Counts an execution that was halted.
    pub(crate) fn halted(&mut self, cause: Cause) {
        *self.executions.halted.entry(cause.to_string()).or_default() += 1;
    }

    /// Adds what an execution used.
    pub(crate) fn used(&mut self, tenant: &str, usage: &UsageSnapshot) {
        self.usage.steps += u128::from(usage.steps);
        self.usage.input_tokens += u128::from(usage.input_tokens);
        self.usage.output_tokens += u128::from(usage.output_tokens);
        self.usage.total_tokens += u128::from(usage.total_tokens);
        self.usage.cost_nano_usd += u128::from(usage.cost_nano_usd);
        let of_tenant = self.tenant(tenant);
        of_tenant.steps += u128::from(usage.steps);
        of_tenant.total_tokens += u128::from(usage.total_tokens);
        of_tenant.cost_nano_usd += u128::from(usage.cost_nano_usd);
    }

    /// The tenant's part; every tenant of the trace has one.
    pub(crate) fn tenant(&mut self, tenant: &str) -> &mut TenantUsage {
        if !self.tenants.contains_key(tenant) {
            self.trace.tenants += 1;
        }
        self.tenants.entry(tenant.to_owned()).or_default()
    }
}

fn row_numbers<S: serde::Serializer>(rows: &[RefusedRow], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| row.row))
}

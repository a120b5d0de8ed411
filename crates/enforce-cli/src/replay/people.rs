//! The report as a table for people.

use std::fmt::{self, Write};

use enforce_core::Retry;

use super::report::{RefusedRow, Report};
use crate::figures::{counted, dollars, duration, grouped, line, noun, share};
use crate::trace::{Format, printable};

/// How many tenants are named.
const DEAREST: usize = 5;

/// Prints a report of a trace in some format.
pub(crate) struct People<'a> {
    pub(crate) report: &'a Report,
    pub(crate) format: Format,
}

impl fmt::Display for People<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, format } = self;
        let trace = &report.trace;
        let [rows, executions, tenants] =
            [(trace.rows, "row"), (trace.executions, "execution"), (trace.tenants, "tenant")].map(counted);
        let span = duration(trace.span_ns);
        line(f, "trace", format_args!("{format}: {rows}, {executions}, {tenants}, {span}"))?;
        f.write_char('\n')?;

        line(f, "admitted", share(report.admitted, trace.rows))?;
        line(f, "refused", share(report.refused, trace.rows))?;
        for (reason, rows) in &report.reasons {
            line(f, "", format_args!("{:>14}  {reason}", grouped(*rows)))?;
        }
        let rates = &report.rates;
        if rates.requests + rates.tokens + rates.both > 0 {
            let [requests, tokens, both] = [rates.requests, rates.tokens, rates.both].map(grouped);
            let counts = format!("{requests} by requests, {tokens} by tokens, {both} by both");
            line(f, "", format_args!("{:>14}  of the rates: {counts}", ""))?;
        }
        line(f, "skipped", share(report.skipped, trace.rows))?;
        line(f, "warnings", format_args!("{:>14}", grouped(report.warnings)))?;
        f.write_char('\n')?;

        let runs = &report.executions;
        line(f, "executions", format_args!("{:>14}  started", grouped(runs.started)))?;
        line(f, "", format_args!("{:>14}  completed", grouped(runs.completed)))?;
        line(f, "", format_args!("{:>14}  paused", grouped(runs.paused)))?;
        line(f, "", format_args!("{:>14}  halted", grouped(runs.halted.values().sum::<u64>())))?;
        for (cause, executions) in &runs.halted {
            line(f, "", format_args!("{:>14}      by {cause}: {}", "", grouped(*executions)))?;
        }
        line(f, "", format_args!("{:>14}  not let in", grouped(runs.refused)))?;
        f.write_char('\n')?;

        let usage = &report.usage;
        line(f, "usage", format_args!("{:>14}  {}", grouped(usage.steps), noun(usage.steps, "step")))?;
        let [input, output] = [usage.input_tokens, usage.output_tokens].map(grouped);
        let [tokens, noun] = [grouped(usage.total_tokens), noun(usage.total_tokens, "token")];
        line(f, "", format_args!("{tokens:>14}  {noun} ({input} in, {output} out)"))?;
        line(f, "", format_args!("{:>14}", dollars(usage.cost_nano_usd)))?;
        dearest(f, report)?;
        first_refusals(f, &report.first_refused)
    }
}

fn dearest(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let mut tenants: Vec<_> = report.tenants.iter().collect();
    // The order of names decides between equals.
    tenants.sort_by_key(|(_, usage)| std::cmp::Reverse((usage.cost_nano_usd, usage.total_tokens, usage.steps)));
    let mut title = "dearest";
    for (tenant, usage) in tenants.into_iter().take(DEAREST) {
        let [steps, tokens] = [(usage.steps, "step"), (usage.total_tokens, "token")].map(counted);
        let name = printable(tenant);
        line(f, title, format_args!("{:>14}  {name}: {steps}, {tokens}", dollars(usage.cost_nano_usd)))?;
        title = "";
    }
    Ok(())
}

fn first_refusals(f: &mut fmt::Formatter<'_>, rows: &[RefusedRow]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    f.write_str("\nfirst refusals\n")?;
    for refused in rows {
        let RefusedRow { row, step, violation, .. } = refused;
        let [tenant, execution] = [printable(&refused.tenant), printable(&refused.execution)];
        write!(f, "  row {row}: step {step} of {execution} of {tenant}: {violation}")?;
        match violation.retry {
            Retry::After(delay) => writeln!(f, ", again after {delay:?}")?,
            _ => f.write_char('\n')?,
        }
    }
    Ok(())
}

//! The report as a table for people.

use std::fmt::{self, Write};

use enforce_core::Retry;

use super::report::{RefusedRow, Report};
use crate::trace::{Format, printable};

/// How many tenants are named.
const DEAREST: usize = 5;

const NS_PER_SECOND: u64 = 1_000_000_000;

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

fn line(f: &mut fmt::Formatter<'_>, title: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{}", format_args!("{title:<11}{text}").to_string().trim_end())
}

/// A number of rows and how many of all they are.
fn share(rows: u64, all: u64) -> String {
    // In tenths of a percent, rounded down.
    let tenths = (u128::from(rows) * 1_000).checked_div(u128::from(all)).unwrap_or(0);
    format!("{:>14}  {}.{} %", grouped(rows), tenths / 10, tenths % 10)
}

/// So many of something that forms its plural with s.
fn counted((number, one): (impl Into<u128>, &str)) -> String {
    let number = number.into();
    format!("{} {}", grouped(number), noun(number, one))
}

fn noun(number: u128, one: &str) -> String {
    if number == 1 { one.to_owned() } else { format!("{one}s") }
}

/// A number with a comma between thousands.
fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Nano-dollars as dollars, to the last digit and at least to the cent.
fn dollars(nanos: u128) -> String {
    let nanos_per_usd = u128::from(NS_PER_SECOND);
    let fraction = format!("{:09}", nanos % nanos_per_usd);
    let (cents, rest) = fraction.split_at(2);
    format!("${}.{cents}{}", grouped(nanos / nanos_per_usd), rest.trim_end_matches('0'))
}

/// Nanoseconds in the two largest units that they fill.
fn duration(nanos: u64) -> String {
    let seconds = nanos / NS_PER_SECOND;
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let filled: Vec<String> = units
        .iter()
        .skip_while(|(count, unit)| *count == 0 && *unit != "s")
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    filled.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_money_is_exact() {
        assert_eq!([0_u64, 999, 1_000, 98_193_472].map(grouped), ["0", "999", "1,000", "98,193,472"]);
        assert_eq!(
            [0, 5_004_000_000, 3_653_564_824, 1].map(dollars),
            ["$0.00", "$5.004", "$3.653564824", "$0.000000001"]
        );
        assert_eq!(dollars(1_234_500_000_000), "$1,234.50");
    }

    #[test]
    fn a_span_shows_its_two_largest_units() {
        let shown = [0, 59, 60, 3_600, 90_061, 864_000].map(|seconds| duration(seconds * NS_PER_SECOND));
        assert_eq!(shown, ["0 s", "59 s", "1 min 0 s", "1 h 0 min", "1 d 1 h", "10 d 0 h"]);
    }

    #[test]
    fn one_of_something_is_singular() {
        let counted = [0_u64, 1, 2, 1_000].map(|number| counted((number, "step")));
        assert_eq!(counted, ["0 steps", "1 step", "2 steps", "1,000 steps"]);
    }

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!(share(2, 3).trim(), "2  66.6 %");
        assert_eq!(share(0, 0).trim(), "0  0.0 %");
    }
}

//! The report as a table for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::report::{Latency, Report};
use crate::figures::{counted, grouped, line};

/// Prints a report.
pub(crate) struct People<'a>(pub(crate) &'a Report);

impl fmt::Display for People<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let protocol = clap::ValueEnum::to_possible_value(&report.protocol);
        let protocol = protocol.as_ref().map_or("", |value| value.get_name());
        let [threads, places, tenants] =
            [(report.threads, "thread"), (report.executions, "execution"), (report.tenants, "tenant")].map(counted);
        line(f, "seed", report.seed)?;
        line(f, "run", format_args!("{protocol}: {threads}, {places} at a time, {tenants}"))?;
        f.write_char('\n')?;

        let counts = &report.counts;
        line(f, "operations", format_args!("{:>14}", grouped(report.operations)))?;
        line(f, "", format_args!("{:>14}  a second", grouped(report.measured.operations_per_second)))?;
        line(f, "admitted", format_args!("{:>14}", grouped(counts.admitted)))?;
        let [settled, dropped, expired] = [counts.settled, counts.dropped, counts.expired].map(grouped);
        line(f, "", format_args!("{:>14}  {settled} settled, {dropped} dropped; {expired} expired before", ""))?;
        refusals(f, "refused", &counts.refused)?;
        line(f, "extended", format_args!("{:>14}", grouped(counts.extended)))?;
        refusals(f, "  refused", &counts.not_extended)?;
        line(f, "registered", format_args!("{:>14}", grouped(counts.registered)))?;
        refusals(f, "  refused", &counts.not_registered)?;
        let lives = [
            (counts.halted, "halted"),
            (counts.paused, "paused"),
            (counts.approved, "approved"),
            (counts.rejected, "rejected"),
            (counts.tenants_evicted, "tenants evicted"),
        ];
        line(f, "by hand", lives.map(|(count, what)| format!("{} {what}", grouped(count))).join(", "))?;
        f.write_char('\n')?;

        latency(f, "reserve", &report.measured.reserve_ns)?;
        latency(f, "settle", &report.measured.settle_ns)?;
        if let Some(memory) = &report.measured.resident_bytes {
            let mib = |bytes: u64| grouped(bytes >> 20);
            let end = mib(memory.end);
            match (memory.start, memory.flat) {
                (Some(start), Some(flat)) => {
                    let verdict = if flat { "flat" } else { "not flat" };
                    line(
                        f,
                        "memory",
                        format_args!("{} MiB once it was full, {end} MiB at the end: {verdict}", mib(start)),
                    )?;
                }
                _ => {
                    line(f, "memory", format_args!("{end} MiB at the end; the run was too short to say whether flat"))?
                }
            }
        }
        f.write_char('\n')?;

        let [meetings, compared, restored] =
            [(report.meetings, "meeting"), (report.compared, "figure"), (report.restored, "restart")].map(counted);
        line(f, "laws", format_args!("{compared} compared at {meetings} and {restored}"))?;
        if report.broken.is_empty() {
            return line(f, "", "all held");
        }
        for (law, times) in &report.broken {
            line(f, "", format_args!("{law} broken: {}", counted((*times, "time"))))?;
        }
        f.write_str("\nfirst violations\n")?;
        report.violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

fn refusals(f: &mut fmt::Formatter<'_>, title: &str, refused: &BTreeMap<&str, u64>) -> fmt::Result {
    line(f, title, format_args!("{:>14}", grouped(refused.values().sum::<u64>())))?;
    refused.iter().try_for_each(|(by, count)| line(f, "", format_args!("{:>14}  by {by}", grouped(*count))))
}

fn latency(f: &mut fmt::Formatter<'_>, title: &str, latency: &Latency) -> fmt::Result {
    let [p50, p99, p999, max] = [latency.p50, latency.p99, latency.p999, latency.max].map(grouped);
    line(f, title, format_args!("p50 {p50} ns, p99 {p99} ns, p99.9 {p999} ns, max {max} ns"))
}

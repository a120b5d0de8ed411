//! `enforce replay`: recorded traffic, decided by the library.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use enforce_core::PolicyFile;

mod decision;
mod engine;
mod error;
mod people;
mod places;
mod records;
mod report;

use crate::args::ReplayArgs;
use crate::progress::Progress;
use crate::trace::{Format, Item, Trace};
use engine::Engine;
pub(crate) use error::ReplayError;
use people::People;
use records::Records;
use report::Report;

/// The largest policy file.
const MAX_POLICY_BYTES: u64 = 1 << 20;

/// Replays and prints the report. Nothing is printed unless all of it could be made, and output files take their places
/// only after it was printed: then all that can still fail is a change of names.
pub(crate) fn run(args: &ReplayArgs, to: &mut impl Write) -> Result<(), ReplayError> {
    places::check(args)?;
    let policy = match &args.policy {
        Some(path) => policy(path)?,
        None => PolicyFile::unlimited(),
    };
    let records = Records::create(args)?;
    let progress = Progress::of(&args.traces);
    let replayed = replay(policy, args, records, &progress);
    progress.finish();
    let (format, report, records) = replayed?;
    let printed = if args.json {
        serde_json::to_writer(&mut *to, &report).map_err(io::Error::from).and_then(|()| writeln!(to))
    } else {
        write!(to, "{}", People { report: &report, format })
    };
    printed.and_then(|()| to.flush()).map_err(|error| ReplayError::Output("standard output".into(), error))?;
    records.commit()
}

fn replay(
    policy: PolicyFile,
    args: &ReplayArgs,
    records: Records,
    progress: &Progress,
) -> Result<(Format, Report, Records), ReplayError> {
    let trace = Trace::open(&args.traces, args.format, progress)?;
    let format = trace.format();
    let mut trace = trace.peekable();
    // A trace without any item is an error, so there always is a first one.
    let start_ns = trace.peek().and_then(|item| item.as_ref().ok()).map_or(0, Item::time_ns);
    let mut engine = Engine::new(policy, args.reserve, records, start_ns)?;
    for item in trace {
        engine.take(item?)?;
    }
    let (report, records) = engine.finish()?;
    Ok((format, report, records))
}

fn policy(path: &Path) -> Result<PolicyFile, ReplayError> {
    let unreadable = |error| ReplayError::PolicyUnreadable(path.to_path_buf(), error);
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_POLICY_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_POLICY_BYTES {
        return Err(unreadable(io::Error::other("found more than 1 MiB, expected a policy file")));
    }
    PolicyFile::parse(&text).map_err(|error| ReplayError::Policy(path.to_path_buf(), error))
}

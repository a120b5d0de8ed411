//! The files that say row by row and execution by execution what a report sums up.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use enforce_core::{Cause, Event, UsageSnapshot};
use serde::Serialize;

use super::decision::Decision;
use super::error::ReplayError;
use crate::args::ReplayArgs;
use crate::output::Output;
use crate::trace::Run;

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took its last recorded step, or would have but for single rows.
    Completed,
    /// It waits for an approval.
    Paused(Cause),
    /// It was halted, at the step of this number from 1 if a step was refused with it.
    Halted(Cause, Option<u64>),
    /// It was not let in.
    Refused(Cause),
}

/// The files that were asked for.
#[derive(Debug)]
pub(crate) struct Records {
    decisions: Option<Record>,
    per_execution: Option<Record>,
    events: Option<Record>,
}

#[derive(Debug)]
struct Record {
    path: PathBuf,
    output: Output,
}

impl Records {
    pub(crate) fn create(args: &ReplayArgs) -> Result<Self, ReplayError> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(Record::create).transpose();
        let ReplayArgs { decisions, per_execution, events, .. } = args;
        Ok(Self { decisions: create(decisions)?, per_execution: create(per_execution)?, events: create(events)? })
    }

    /// Whether anybody wants to see events.
    pub(crate) fn has_events(&self) -> bool {
        self.events.is_some()
    }

    pub(crate) fn event(&mut self, event: &Event) -> Result<(), ReplayError> {
        match &mut self.events {
            Some(record) => record.line(event),
            None => Ok(()),
        }
    }

    pub(crate) fn decision(&mut self, decision: Decision) -> Result<(), ReplayError> {
        match &mut self.decisions {
            Some(record) => record.write(|output| output.write_all(&[decision.letter(), b'\n'])),
            None => Ok(()),
        }
    }

    pub(crate) fn execution(
        &mut self,
        run: &Run,
        outcome: Outcome,
        usage: Option<&UsageSnapshot>,
    ) -> Result<(), ReplayError> {
        let Some(record) = &mut self.per_execution else { return Ok(()) };
        let (name, violation, halted_at_step) = match outcome {
            Outcome::Completed => ("completed", None, None),
            Outcome::Paused(cause) => ("paused", Some(cause), None),
            Outcome::Halted(cause, step) => ("halted", Some(cause), step),
            Outcome::Refused(cause) => ("refused", Some(cause), None),
        };
        let line = Line {
            tenant_id: &run.tenant,
            execution_id: &run.execution,
            steps: usage.map_or(0, |usage| usage.steps),
            tokens: usage.map_or(0, |usage| usage.total_tokens),
            cost_nano_usd: usage.map_or(0, |usage| usage.cost_nano_usd),
            outcome: name,
            violation: violation.map(|cause| cause.to_string()),
            halted_at_step,
        };
        record.line(&line)
    }

    /// Writes all that is still to be written, so that only names are left to be changed.
    pub(crate) fn flush(&mut self) -> Result<(), ReplayError> {
        for record in [&mut self.decisions, &mut self.per_execution, &mut self.events].into_iter().flatten() {
            record.write(Write::flush)?;
        }
        Ok(())
    }

    /// Puts the files in their places.
    pub(crate) fn commit(self) -> Result<(), ReplayError> {
        for record in [self.decisions, self.per_execution, self.events].into_iter().flatten() {
            let Record { path, output } = record;
            output.commit().map_err(|error| ReplayError::Output(path, error))?;
        }
        Ok(())
    }
}

impl Record {
    fn create(path: &Path) -> Result<Self, ReplayError> {
        let output = Output::create(path).map_err(|error| ReplayError::Output(path.to_path_buf(), error))?;
        Ok(Self { path: path.to_path_buf(), output })
    }

    /// Writes a JSON object on a line.
    fn line(&mut self, line: &impl Serialize) -> Result<(), ReplayError> {
        self.write(|output| {
            serde_json::to_writer(&mut *output, line)?;
            output.write_all(b"\n")
        })
    }

    fn write(&mut self, write: impl FnOnce(&mut Output) -> io::Result<()>) -> Result<(), ReplayError> {
        write(&mut self.output).map_err(|error| ReplayError::Output(self.path.clone(), error))
    }
}

#[derive(Serialize)]
struct Line<'a> {
    tenant_id: &'a str,
    execution_id: &'a str,
    steps: u64,
    tokens: u64,
    cost_nano_usd: u64,
    outcome: &'static str,
    violation: Option<String>,
    halted_at_step: Option<u64>,
}

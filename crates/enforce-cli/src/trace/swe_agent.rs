//! `swe-agent`: one run a file (.traj). It records the actions of its steps, and tokens and cost of the whole run
//! alone: they are the last step's here, so that a replay counts them once and no earlier than they were known.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Place, TraceError};
use super::item::Amounts;
use super::json::{self, text};
use super::sorted::{Index, Record};
use super::source::{self, Source};
use super::value;

#[derive(Deserialize)]
struct Run<'a> {
    #[serde(borrow)]
    trajectory: Option<&'a RawValue>,
    info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    model_stats: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stats<'a> {
    #[serde(borrow)]
    tokens_sent: Option<&'a RawValue>,
    tokens_received: Option<&'a RawValue>,
    instance_cost: Option<&'a RawValue>,
}

/// The tenant of all runs: the files name none.
const TENANT: &str = "swe-agent";

/// Reads a file's run into the index.
pub(crate) fn read(mut source: Source, index: &mut Index) -> Result<(), TraceError> {
    let document = source::document(&mut source)?;
    let path = source.path();
    let file = Place::file(path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let execution = value::id(&stem).map_err(|mismatch| file.wrong("file name", mismatch))?;
    let run: Run<'_> = json::object(file, &document)?;
    let totals = totals(file, run.info)?;
    let turns = file.required("trajectory", text(run.trajectory), Ok)?;
    let turns = json::list(file, "trajectory", turns)?;
    let steps = turns.len() as u64;
    for (step, turn) in (1..).zip(turns) {
        let place = Place { row: step, ..file };
        let turn: Turn<'_> = json::part(place, "trajectory", turn.get())?;
        let action = place.optional("trajectory.action", text(turn.action), value::json_string)?;
        let record = Record {
            tenant: TENANT,
            execution,
            step,
            used: if step == steps { totals } else { Amounts::default() },
            action: action.and_then(|action| value::fingerprint(&action)),
            ..Record::default()
        };
        index.push(step, 0, &record)?;
    }
    Ok(())
}

fn totals(file: Place<'_>, info: Option<&RawValue>) -> Result<Amounts, TraceError> {
    let Some(info) = text(info) else { return Ok(Amounts::default()) };
    let info: Info<'_> = json::part(file, "info", info)?;
    let Some(stats) = text(info.model_stats) else { return Ok(Amounts::default()) };
    let stats: Stats<'_> = json::part(file, "info.model_stats", stats)?;
    let sent = file.optional("info.model_stats.tokens_sent", text(stats.tokens_sent), value::amount)?;
    let received = file.optional("info.model_stats.tokens_received", text(stats.tokens_received), value::amount)?;
    let cost = file.optional("info.model_stats.instance_cost", text(stats.instance_cost), value::usd)?;
    Ok(Amounts {
        input_tokens: sent.unwrap_or_default(),
        output_tokens: received.unwrap_or_default(),
        cost: cost.unwrap_or_default(),
    })
}

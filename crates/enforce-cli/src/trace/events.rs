//! `events`: our own JSONL, one step a line, with what it asked for and what it used (docs/trace-formats.md).
//!
//! A key that is not ours is an error: a misspelt amount must not count as none.

use super::error::{Mismatch, Place, TraceError};
use super::fields::fields;
use super::item::Amounts;
use super::sorted::{Index, Record};
use super::source::{Lines, Source};
use super::value;

/// The keys of a line, in the order in which `take` takes them.
const KEYS: [&str; 11] =
    ["seq", "time_ns", "tenant", "execution", "step", "kind", "provider", "model", "asked", "used", "action"];

/// What a line holds under each of its keys.
type Event<'a> = [Option<&'a str>; KEYS.len()];

/// The keys of what was asked and of what was used.
const AMOUNTS: [&str; 3] = ["input_tokens", "output_tokens", "cost_nano_usd"];

/// Reads a file's steps into the index.
pub(crate) fn read(source: Source, index: &mut Index) -> Result<(), TraceError> {
    let mut lines = Lines::of(source);
    let mut seq_before = None;
    while let Some((place, line)) = lines.next()? {
        let event = fields(place, "", line, &KEYS)?;
        let seq = place.required("seq", event[0], value::step)?;
        if seq_before.is_some_and(|before| seq <= before) {
            let found = format!("{seq} after {}", seq_before.unwrap_or_default());
            return Err(place.wrong("seq", Mismatch::said(found, "numbers that rise from line to line")));
        }
        seq_before = Some(seq);
        take(place, event, index)?;
    }
    Ok(())
}

fn take(place: Place<'_>, event: Event<'_>, index: &mut Index) -> Result<(), TraceError> {
    let [_, time_ns, tenant, execution, step, kind, provider, model, asked, used, action] = event;
    let kind = place.optional("kind", kind, value::json_string)?;
    if let Some(kind) = kind.filter(|kind| kind != "step") {
        return Err(place.wrong("kind", Mismatch::text(&kind, "`step`, the only kind of this version")));
    }
    let tenant = place.required("tenant", tenant, value::json_id)?;
    let execution = place.required("execution", execution, value::json_id)?;
    let provider = place.optional("provider", provider, value::json_id)?;
    let model = place.optional("model", model, value::json_string)?;
    let action = place.optional("action", action, value::json_string)?;
    let used = place.required("used", used, Ok)?;
    let record = Record {
        tenant: &tenant,
        execution: &execution,
        step: place.required("step", step, value::step)?,
        time_ns: place.optional("time_ns", time_ns, value::nanoseconds)?,
        provider: provider.as_deref(),
        model: model.as_deref(),
        asked: asked.map(|asked| amounts(place, "asked", asked)).transpose()?,
        used: amounts(place, "used", used)?,
        action: place.optional("action", action.as_deref(), value::hex_fingerprint)?,
    };
    index.push(place.row, place.line, &record)
}

fn amounts(place: Place<'_>, name: &str, object: &str) -> Result<Amounts, TraceError> {
    let [input, output, cost] = fields(place, name, object, &AMOUNTS)?;
    let [input_name, output_name, cost_name] = AMOUNTS.map(|quantity| format!("{name}.{quantity}"));
    Ok(Amounts {
        input_tokens: place.optional(&input_name, input, value::amount)?.unwrap_or_default(),
        output_tokens: place.optional(&output_name, output, value::amount)?.unwrap_or_default(),
        cost: place.optional(&cost_name, cost, value::nano_usd)?.unwrap_or_default(),
    })
}

//! `events`: our own JSONL, one step a line, with what it asked for and what it used (docs/trace-formats.md).
//!
//! A key that is not ours is an error: a misspelt amount must not count as none.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError};
use super::item::Amounts;
use super::json::{self, text};
use super::sorted::{Index, Record};
use super::source::{Lines, Source};
use super::value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event<'a> {
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    time_ns: Option<&'a RawValue>,
    tenant: Option<&'a RawValue>,
    execution: Option<&'a RawValue>,
    step: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    provider: Option<&'a RawValue>,
    model: Option<&'a RawValue>,
    asked: Option<&'a RawValue>,
    used: Option<&'a RawValue>,
    action: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quantities<'a> {
    #[serde(borrow)]
    input_tokens: Option<&'a RawValue>,
    output_tokens: Option<&'a RawValue>,
    cost_nano_usd: Option<&'a RawValue>,
}

/// Reads a file's steps into the index.
pub(crate) fn read(source: Source, index: &mut Index) -> Result<(), TraceError> {
    let mut lines = Lines::of(source);
    let mut seq_before = None;
    while let Some((place, line)) = lines.next()? {
        let event: Event<'_> = json::object(place, line)?;
        let seq = place.required("seq", text(event.seq), value::step)?;
        if seq_before.is_some_and(|before| seq <= before) {
            let found = format!("{seq} after {}", seq_before.unwrap_or_default());
            return Err(place.wrong("seq", Mismatch::said(found, "numbers that rise from line to line")));
        }
        seq_before = Some(seq);
        take(place, &event, index)?;
    }
    Ok(())
}

fn take(place: Place<'_>, event: &Event<'_>, index: &mut Index) -> Result<(), TraceError> {
    let kind = place.optional("kind", text(event.kind), value::json_string)?;
    if let Some(kind) = kind.filter(|kind| kind != "step") {
        return Err(place.wrong("kind", Mismatch::text(&kind, "`step`, the only kind of this version")));
    }
    let tenant = place.required("tenant", text(event.tenant), value::json_id)?;
    let execution = place.required("execution", text(event.execution), value::json_id)?;
    let provider = place.optional("provider", text(event.provider), value::json_id)?;
    let model = place.optional("model", text(event.model), value::json_string)?;
    let action = place.optional("action", text(event.action), value::json_string)?;
    let used = place.required("used", text(event.used), Ok)?;
    let record = Record {
        tenant: &tenant,
        execution: &execution,
        step: place.required("step", text(event.step), value::step)?,
        time_ns: place.optional("time_ns", text(event.time_ns), value::nanoseconds)?.unwrap_or_default(),
        provider: provider.as_deref(),
        model: model.as_deref(),
        asked: text(event.asked).map(|asked| amounts(place, "asked", asked)).transpose()?,
        used: amounts(place, "used", used)?,
        action: place.optional("action", action.as_deref(), value::hex_fingerprint)?,
    };
    index.push(place.row, place.line, &record);
    Ok(())
}

fn amounts(place: Place<'_>, name: &str, object: &str) -> Result<Amounts, TraceError> {
    let quantities: Quantities<'_> = json::part(place, name, object)?;
    let [input, output, cost] =
        ["input_tokens", "output_tokens", "cost_nano_usd"].map(|quantity| format!("{name}.{quantity}"));
    Ok(Amounts {
        input_tokens: place.optional(&input, text(quantities.input_tokens), value::amount)?.unwrap_or_default(),
        output_tokens: place.optional(&output, text(quantities.output_tokens), value::amount)?.unwrap_or_default(),
        cost: place.optional(&cost, text(quantities.cost_nano_usd), value::nano_usd)?.unwrap_or_default(),
    })
}

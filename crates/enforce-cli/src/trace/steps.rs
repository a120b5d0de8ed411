//! `steps`: CSV of agents' steps. `tenant`, `execution` and `step` have to be there; `t_ns`, `provider`, `model`,
//! `input_tokens`, `output_tokens`, `cost_nanousd` and `action_sha16` may be; other columns are passed over.

use super::error::TraceError;
use super::item::Amounts;
use super::sorted::{Index, Record};
use super::source::Source;
use super::table::Table;
use super::value;

/// Reads a file's rows into the index.
pub(crate) fn read(source: Source, index: &mut Index) -> Result<(), TraceError> {
    let mut table = Table::of(source)?;
    let tenant = table.required_column("tenant")?;
    let execution = table.required_column("execution")?;
    let step = table.required_column("step")?;
    let time = table.column("t_ns")?;
    let provider = table.column("provider")?;
    let model = table.column("model")?;
    let input = table.column("input_tokens")?;
    let output = table.column("output_tokens")?;
    let cost = table.column("cost_nanousd")?;
    let action = table.column("action_sha16")?;
    while let Some(row) = table.next()? {
        let place = row.place;
        let used = Amounts {
            input_tokens: place.optional("input_tokens", row.get(input), value::amount)?.unwrap_or_default(),
            output_tokens: place.optional("output_tokens", row.get(output), value::amount)?.unwrap_or_default(),
            cost: place.optional("cost_nanousd", row.get(cost), value::nano_usd)?.unwrap_or_default(),
        };
        let record = Record {
            tenant: place.required("tenant", row.get(tenant), value::id)?,
            execution: place.required("execution", row.get(execution), value::id)?,
            step: place.required("step", row.get(step), value::step)?,
            time_ns: place.optional("t_ns", row.get(time), value::nanoseconds)?,
            provider: place.optional("provider", row.get(provider), value::id)?,
            model: row.get(model),
            asked: None,
            used,
            action: place.optional("action_sha16", row.get(action), value::hex_fingerprint)?,
        };
        index.push(place.row, place.line, &record)?;
    }
    Ok(())
}

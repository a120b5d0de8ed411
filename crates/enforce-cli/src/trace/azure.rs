//! `azure`: CSV of requests, `TIMESTAMP,ContextTokens,GeneratedTokens`.

use super::error::TraceError;
use super::order::FileOrder;
use super::requests::{Request, RequestFile};
use super::source::Source;
use super::table::Table;
use super::value;

const TIME: &str = "TIMESTAMP";
const INPUT: &str = "ContextTokens";
const OUTPUT: &str = "GeneratedTokens";

/// An open file.
#[derive(Debug)]
pub(crate) struct Azure {
    table: Table,
    columns: [Option<usize>; 3],
}

impl RequestFile for Azure {
    const TENANT: &'static str = "azure";

    fn of(source: Source) -> Result<Self, TraceError> {
        let table = Table::of(source)?;
        let columns = [table.required_column(TIME)?, table.required_column(INPUT)?, table.required_column(OUTPUT)?];
        Ok(Self { table, columns })
    }

    fn next(&mut self, order: &mut FileOrder) -> Result<Option<Request>, TraceError> {
        let Some(row) = self.table.next()? else { return Ok(None) };
        let [time, input, output] = self.columns;
        let time_ns = row.place.required(TIME, row.get(time), value::date_time)?;
        Ok(Some(Request {
            time_ns: order.take(row.place, TIME, time_ns)?,
            input_tokens: row.place.required(INPUT, row.get(input), value::amount)?,
            output_tokens: row.place.required(OUTPUT, row.get(output), value::amount)?,
        }))
    }
}

//! `mooncake`: JSONL of requests, `timestamp` (ms), `input_length`, `output_length`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::TraceError;
use super::json::{self, text};
use super::order::FileOrder;
use super::requests::{Request, RequestFile};
use super::source::{Lines, Source};
use super::value;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    input_length: Option<&'a RawValue>,
    output_length: Option<&'a RawValue>,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Mooncake(Lines);

impl RequestFile for Mooncake {
    const TENANT: &'static str = "mooncake";

    fn of(source: Source) -> Result<Self, TraceError> {
        Ok(Self(Lines::of(source)))
    }

    fn next(&mut self, order: &mut FileOrder) -> Result<Option<Request>, TraceError> {
        let Some((place, line)) = self.0.next()? else { return Ok(None) };
        let line: Line<'_> = json::object(place, line)?;
        let time_ns = place.required("timestamp", text(line.timestamp), value::milliseconds)?;
        Ok(Some(Request {
            time_ns: order.take(place, "timestamp", time_ns)?,
            input_tokens: place.required("input_length", text(line.input_length), value::amount)?,
            output_tokens: place.required("output_length", text(line.output_length), value::amount)?,
        }))
    }
}

//! JSON whose numbers stay text, with the place of whatever is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{TableError, quoted, said};
use crate::pico::{Per, PicoUsd};

/// An object as its keys and the text of its values, in order and with whatever comes twice.
pub(crate) struct Pairs<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<'a>(PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for PairsVisitor<'a> {
    type Value = Pairs<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'a>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// The text that a table is read from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a>(pub(crate) &'a str);

impl<'a> Source<'a> {
    /// Reads a part of the text, which may be all of it.
    pub(crate) fn read<T: Deserialize<'a>>(self, part: &'a str, place: Option<&str>) -> Result<T, TableError> {
        serde_json::from_str(part).map_err(|error| {
            let lines: usize = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let mut at = self.offset(part) + lines + error.column().saturating_sub(1);
            while !self.0.is_char_boundary(at) && at > 0 {
                at -= 1;
            }
            // The parser ends its message with its own idea of the place.
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            TableError::at(self.0, at, place.map(quoted), said(message))
        })
    }

    /// Reads a number as a price.
    pub(crate) fn price(self, model: &str, key: &str, raw: &'a RawValue, per: Per) -> Result<PicoUsd, TableError> {
        let text = raw.get();
        if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(self.wrong(raw, model, key, format!("expected a number of dollars, found {}", quoted(text))));
        }
        PicoUsd::read(text, per).map_err(|problem| {
            let shown: String = text.chars().take(30).collect();
            self.wrong(raw, model, key, format!("{problem}: {shown}"))
        })
    }

    /// An error of this value.
    pub(crate) fn wrong(self, raw: &RawValue, model: &str, key: &str, message: String) -> TableError {
        let place = if key.is_empty() { quoted(model) } else { format!("{} {}", quoted(model), key.escape_debug()) };
        TableError::at(self.0, self.offset(raw.get()), Some(place), message)
    }

    /// Where a part of the text begins in it, in bytes.
    fn offset(self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.0.as_ptr() as usize)
    }
}

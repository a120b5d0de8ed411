//! JSON read into structs whose fields are raw text, so that numbers are parsed exactly and errors name their field.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError, excerpt};

/// A line or a document that is one object. Structs can be read from arrays too, which nobody means here.
pub(crate) fn object<'a, T: Deserialize<'a>>(place: Place<'_>, json: &'a str) -> Result<T, TraceError> {
    object_by(place, json, serde_json::from_str)
}

/// The same, for what `read` makes of it.
pub(crate) fn object_by<'a, T>(
    place: Place<'_>,
    json: &'a str,
    read: impl FnOnce(&'a str) -> serde_json::Result<T>,
) -> Result<T, TraceError> {
    const EXPECTED: &str = "a JSON object";
    if !json.trim_ascii_start().starts_with('{') {
        return Err(place.wrong("1", Mismatch::text(json, EXPECTED)));
    }
    read(json).map_err(|error| place.not_json(&error, EXPECTED))
}

/// An object within a line or a document, named by its path there.
pub(crate) fn part<'a, T: Deserialize<'a>>(place: Place<'_>, path: &str, json: &'a str) -> Result<T, TraceError> {
    part_by(place, path, json, serde_json::from_str)
}

/// The same, for what `read` makes of it.
pub(crate) fn part_by<'a, T>(
    place: Place<'_>,
    path: &str,
    json: &'a str,
    read: impl FnOnce(&'a str) -> serde_json::Result<T>,
) -> Result<T, TraceError> {
    if !json.starts_with('{') {
        return Err(place.wrong(path, Mismatch::text(json, "a JSON object")));
    }
    read(json).map_err(|error| {
        let message = error.to_string();
        let found = message.split(" at line ").next().unwrap_or_default();
        place.wrong(path, Mismatch::said(excerpt(found), "an object of the shape that this format has"))
    })
}

/// The elements of an array within a line or a document.
pub(crate) fn list<'a>(place: Place<'_>, path: &str, json: &'a str) -> Result<Vec<&'a RawValue>, TraceError> {
    serde_json::from_str(json).map_err(|_| place.wrong(path, Mismatch::text(json, "an array")))
}

/// The text of a field, if it is there.
pub(crate) fn text(raw: Option<&RawValue>) -> Option<&str> {
    raw.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct One<'a> {
        #[serde(borrow)]
        a: Option<&'a RawValue>,
    }

    #[test]
    fn numbers_keep_their_text_and_null_is_absent() {
        let place = Place { file: Path::new("t"), row: 2, line: 2 };
        let one: One<'_> = object(place, r#"{"a": 1.50e-3, "b": []}"#).unwrap();
        assert_eq!(text(one.a), Some("1.50e-3"));
        let one: One<'_> = object(place, r#"{"a": null}"#).unwrap();
        assert_eq!(text(one.a), None);
    }

    #[test]
    fn what_is_no_object_is_named_with_its_place() {
        let place = Place { file: Path::new("t"), row: 2, line: 3 };
        let message = |json| object::<One<'_>>(place, json).unwrap_err().to_string();
        assert_eq!(message("[1]"), "t: row 2 (line 3), column 1, found `[1]`, expected a JSON object");
        assert_eq!(
            message(r#"{"a": NaN}"#),
            "t: row 2 (line 3), column 7, found bad JSON (expected value), expected a JSON object"
        );
        assert!(message(r#"{"a": 1"#).contains("EOF while parsing"), "truncated");
        assert!(message(r#"{"a": 1, "a": 2}"#).contains("duplicate field"), "twice");
    }
}

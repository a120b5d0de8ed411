//! A JSON object whose keys are all known: any other one is an error that names it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError, excerpt};
use super::json;

/// The text that an object holds under each of `keys`. `path` names the object within its line; it is empty where the
/// object is the line.
pub(crate) fn fields<'a, const N: usize>(
    place: Place<'_>,
    path: &str,
    object: &'a str,
    keys: &[&'static str; N],
) -> Result<[Option<&'a str>; N], TraceError> {
    let mut fields = Fields { keys, found: [None; N], unknown: None };
    let read = |object| {
        let mut json = serde_json::Deserializer::from_str(object);
        json.deserialize_map(&mut fields).and_then(|()| json.end())
    };
    let read =
        if path.is_empty() { json::object_by(place, object, read) } else { json::part_by(place, path, object, read) };
    if let Some(key) = fields.unknown {
        return Err(place.wrong(path, unknown_key(&key, keys)));
    }
    read.map(|()| fields.found.map(|field| json::text(field.flatten())))
}

fn unknown_key(key: &str, keys: &[&'static str]) -> Mismatch {
    const MOST_EDITS: usize = 3;
    // A long key is near none, and finding that out takes long.
    const LONGEST: usize = 64;
    let edits = |known: &&'static str| (strsim::levenshtein(key, known), *known);
    let nearest = keys.iter().filter(|_| key.len() <= LONGEST).map(edits).min();
    let nearest = nearest.filter(|(edits, known)| *edits <= MOST_EDITS && edits * 2 <= known.len());
    let advice = nearest.map(|(_, known)| format!(" (did you mean `{known}`?)")).unwrap_or_default();
    let found = format!("the unknown key `{}`{advice}", excerpt(key));
    Mismatch::said(found, format!("no keys but {}", keys.join(", ")))
}

/// What has been read of an object.
struct Fields<'k, 'a, const N: usize> {
    keys: &'k [&'static str],
    /// `None` where the key has not come yet, nothing in it where its value is null.
    found: [Option<Option<&'a RawValue>>; N],
    /// The key that ended the reading.
    unknown: Option<String>,
}

impl<'de, const N: usize> Visitor<'de> for &mut Fields<'_, 'de, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(at) = map.next_key_seed(Key { keys: self.keys, unknown: &mut self.unknown })? {
            let value = map.next_value()?;
            if self.found[at].replace(value).is_some() {
                return Err(A::Error::duplicate_field(self.keys[at]));
            }
        }
        Ok(())
    }
}

/// Reads a key as its number among `keys`.
struct Key<'k> {
    keys: &'k [&'static str],
    unknown: &'k mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<usize, E> {
        self.keys.iter().position(|known| *known == key).ok_or_else(|| {
            *self.unknown = Some(key.to_owned());
            E::custom("an unknown key")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read<'a>(path: &str, object: &'a str) -> Result<[Option<&'a str>; 2], String> {
        let place = Place { file: Path::new("t"), row: 2, line: 3 };
        fields(place, path, object, &["step", "cost_nano_usd"]).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_are_found_by_their_keys() {
        assert_eq!(read("", r#" {"cost_nano_usd": 1.50, "st\u0065p": [ 2 ]} "#), Ok([Some("[ 2 ]"), Some("1.50")]));
        assert_eq!(read("", r#"{"step": null}"#), Ok([None, None]));
        assert_eq!(read("used", "{}"), Ok([None, None]));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_meant_and_all_there_are() {
        assert_eq!(
            read("", r#"{"step": 1, "stpe": 1}"#).unwrap_err(),
            "t: row 2 (line 3), found the unknown key `stpe` (did you mean `step`?), expected no keys but step, \
             cost_nano_usd"
        );
        assert_eq!(
            read("used", r#"{"tokens": 1}"#).unwrap_err(),
            "t: row 2 (line 3), column used, found the unknown key `tokens`, expected no keys but step, cost_nano_usd"
        );
    }

    #[test]
    fn what_is_no_object_of_single_keys_is_an_error() {
        let cases = [
            ("", "[1]", "column 1, found `[1]`, expected a JSON object"),
            ("", r#"{"step": NaN}"#, "column 10, found bad JSON (expected value), expected a JSON object"),
            ("", r#"{"step": 1"#, "found bad JSON (EOF"),
            ("", r#"{"step": 1} 2"#, "found bad JSON (trailing characters)"),
            ("", r#"{"step": null, "step": 1}"#, "found bad JSON (duplicate field `step`)"),
            ("used", "1", "column used, found `1`, expected a JSON object"),
            ("used", r#"{"step": 1, "step": 1}"#, "column used, found duplicate field `step`"),
        ];
        for (path, object, expected) in cases {
            let message = read(path, object).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}

//! The formats of a trace, and which of them a file is in.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use clap::ValueEnum;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError, excerpt};
use super::source::{BYTE_ORDER_MARK, BytesRead, MAX_LINE_BYTES, Source};

/// A trace's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// CSV of an LLM service's requests: TIMESTAMP, ContextTokens, GeneratedTokens
    Azure,
    /// JSONL of an LLM service's requests: timestamp (ms), input_length, output_length
    Mooncake,
    /// CSV of agents' steps: tenant, execution, step and what else is known
    Steps,
    /// JSONL of a user's sessions with aider
    Aider,
    /// One run of mini-swe-agent (.traj.json)
    MiniSweAgent,
    /// One run of SWE-agent (.traj)
    SweAgent,
    /// Many runs of InterCode (JSON)
    Intercode,
    /// Our own JSONL of steps, each with what it asked and what it used
    Events,
}

const KNOWN: &str = "one of the formats azure, mooncake, steps, aider, mini-swe-agent, swe-agent, intercode, events";

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Azure => "azure",
            Self::Mooncake => "mooncake",
            Self::Steps => "steps",
            Self::Aider => "aider",
            Self::MiniSweAgent => "mini-swe-agent",
            Self::SweAgent => "swe-agent",
            Self::Intercode => "intercode",
            Self::Events => "events",
        })
    }
}

impl Format {
    /// Recognises a format by what the file says, not by its name.
    pub(crate) fn of(path: &Path) -> Result<Self, TraceError> {
        let here = Place::file(path);
        let mut reader = BufReader::new(Source::open(path, &BytesRead::default())?.take(MAX_LINE_BYTES as u64));
        if reader.fill_buf().map_err(|error| here.unreadable(&error))?.starts_with(BYTE_ORDER_MARK) {
            reader.consume(BYTE_ORDER_MARK.len());
        }
        let first = loop {
            let buffer = reader.fill_buf().map_err(|error| here.unreadable(&error))?;
            if buffer.is_empty() {
                return Err(here.wrong("", Mismatch::said("an empty file", KNOWN)));
            }
            match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(at) => {
                    let first = buffer[at];
                    reader.consume(at);
                    break first;
                }
                None => {
                    let blanks = buffer.len();
                    reader.consume(blanks);
                }
            }
        };
        let found = if first == b'{' {
            by_keys(&mut reader).ok_or_else(|| Mismatch::said("a JSON object of another shape", KNOWN))
        } else {
            by_header(&mut reader).map_err(|line| Mismatch::said(format!("`{}`", excerpt(&line)), KNOWN))
        };
        found.map_err(|mismatch| Place { line: 1, ..here }.wrong("", mismatch))
    }
}

/// A CSV file shows by its header; any other text is handed back.
fn by_header(reader: &mut impl BufRead) -> Result<Format, String> {
    const LONGEST_HEADER: u64 = 1 << 16;
    let mut line = Vec::new();
    // A file that cannot be read further shows no format.
    drop(reader.take(LONGEST_HEADER).read_until(b'\n', &mut line));
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    let has = |name: &str| line.split(',').any(|column| column.trim_matches('"') == name);
    if has("TIMESTAMP") && has("ContextTokens") && has("GeneratedTokens") {
        Ok(Format::Azure)
    } else if has("tenant") && has("execution") && has("step") {
        Ok(Format::Steps)
    } else {
        Err(line)
    }
}

/// A JSON file shows by the keys of its first object, read until one of them tells.
fn by_keys(reader: &mut impl BufRead) -> Option<Format> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    // Ends in an error by intention as soon as the format is found; any other error is for the format's own reader.
    drop(json.deserialize_map(Keys(&mut found)));
    found
}

struct Keys<'a>(&'a mut Option<Format>);

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            *self.0 = match key.as_str() {
                "input_length" | "output_length" | "hash_ids" => Some(Format::Mooncake),
                "event" | "properties" | "user_id" => Some(Format::Aider),
                "seq" | "time_ns" | "asked" | "used" => Some(Format::Events),
                "trajectory" => Some(Format::SweAgent),
                "messages" | "trajectory_format" => Some(Format::MiniSweAgent),
                // InterCode's keys are its tasks' names: what they hold tells.
                _ => {
                    let value = map.next_value::<Box<RawValue>>()?;
                    serde_json::from_str::<InterCodeRun>(value.get()).is_ok().then_some(Format::Intercode)
                }
            };
            if self.0.is_some() {
                return Err(A::Error::custom("found"));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct InterCodeRun {
    #[serde(rename = "turn_history")]
    _turn_history: IgnoredAny,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn format_of(content: &str) -> Result<Format, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        Format::of(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_format_is_recognised_by_content() {
        let all = [
            ("\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\r\n", Format::Azure),
            ("tenant,execution,step\n", Format::Steps),
            ("\n{\"timestamp\": 5, \"input_length\": 1}\n", Format::Mooncake),
            ("{\"event\": \"exit\"}\n", Format::Aider),
            ("{\"seq\":1}", Format::Events),
            ("{\"environment\":\"e\", \"trajectory\": [", Format::SweAgent),
            ("{\"info\": {\"x\": 1},\n \"messages\": [", Format::MiniSweAgent),
            ("{\"0\": {\"query\": \"q\", \"turn_history\": {}}}", Format::Intercode),
        ];
        for (content, format) in all {
            assert_eq!(format_of(content), Ok(format), "{content}");
        }
    }

    #[test]
    fn a_file_that_shows_no_format_is_an_error() {
        for content in ["", " \n", "hello\n", "{", "{}", "{\"a\": 1}", "[1]", "\0\0", "tenant,execution\n"] {
            let message = format_of(content).unwrap_err();
            assert!(message.contains("expected one of the formats azure,"), "{message}");
        }
    }

    #[test]
    fn a_huge_first_line_is_not_read_whole() {
        let message = format_of(&"x".repeat(1 << 20)).unwrap_err();
        assert!(message.len() < 400, "{message}");
    }
}

//! The formats of a trace, and which of them a file is in.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use clap::ValueEnum;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError};
use super::source::{BYTE_ORDER_MARK, MAX_DOCUMENT_BYTES, Source};

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
    /// Recognises a format by what the file says, not by its name. Nothing is taken from the source.
    pub(crate) fn of(source: &mut Source) -> Result<Self, TraceError> {
        let path = source.path().to_path_buf();
        let here = Place::file(&path);
        let mut reader = BufReader::new(source.ahead().take(MAX_DOCUMENT_BYTES));
        if reader.fill_buf().map_err(|error| here.unreadable(&error))?.starts_with(BYTE_ORDER_MARK) {
            reader.consume(BYTE_ORDER_MARK.len());
        }
        let (first, blank_lines) = skip_blanks(&mut reader).map_err(|error| here.unreadable(&error))?;
        let line = blank_lines + 1;
        match first {
            None => Err(here.wrong("", Mismatch::said("an empty file", KNOWN))),
            Some(b'{') => by_keys(&mut reader).map_err(|error| match (error, reader.get_ref().limit()) {
                (_, 0) => here.wrong("", Mismatch::said("none in 64 MiB", KNOWN)),
                // serde_json counts from the first line that is not blank.
                (Some(error), _) => Place { line: blank_lines + error.line() as u64, ..here }.not_json(&error, KNOWN),
                (None, _) => Place { line, ..here }.wrong("", Mismatch::said("a JSON object of another shape", KNOWN)),
            }),
            Some(_) => by_header(&mut reader)
                .map_err(|header| Place { line, ..here }.wrong("", Mismatch::text(&header, KNOWN))),
        }
    }
}

/// Passes over blanks, and says what comes then and how many line breaks came before.
fn skip_blanks(reader: &mut impl BufRead) -> io::Result<(Option<u8>, u64)> {
    let mut lines = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (skipped, rest) = buffer.split_at(blanks);
        lines += skipped.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (first, is_end) = (rest.first().copied(), buffer.is_empty());
        reader.consume(blanks);
        if first.is_some() || is_end {
            return Ok((first, lines));
        }
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

/// A JSON file shows by the keys of its first object, read until one of them tells; else there may be what is wrong.
fn by_keys(reader: &mut impl BufRead) -> Result<Format, Option<serde_json::Error>> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    // Ends in an error by intention as soon as the format is found.
    let read = json.deserialize_map(Keys(&mut found));
    found.ok_or_else(|| read.err())
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
                    let is_run = value.get().starts_with('{') && serde_json::from_str::<Run>(value.get()).is_ok();
                    is_run.then_some(Format::Intercode)
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
struct Run {
    #[serde(rename = "turn_history")]
    _turn_history: IgnoredAny,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::progress::Progress;

    fn format_of(content: &str) -> Result<Format, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        Format::of(&mut Source::open(file.path(), &Progress::default()).unwrap()).map_err(|error| error.to_string())
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
        let message = format_of("\n\n{\"timestamp\": NaN}").unwrap_err();
        assert!(message.contains("line 3, column 15, found bad JSON (expected value)"), "{message}");
    }

    #[test]
    fn a_huge_first_line_is_not_read_whole() {
        let message = format_of(&"x".repeat(1 << 20)).unwrap_err();
        assert!(message.len() < 400, "{message}");
    }
}

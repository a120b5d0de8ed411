//! What is wrong with a trace, and exactly where.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// As much of a found text as one line of an error shows.
const QUOTED_CHARACTERS: usize = 80;

/// As much of a file's name. It is cut at its beginning, and most are shorter: it should lead to the file.
const NAME_CHARACTERS: usize = 240;

/// A value that is not what its place asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) found: String,
    pub(crate) expected: Cow<'static, str>,
}

impl Mismatch {
    /// `found` is quoted as it stands in the file.
    pub(crate) fn text(found: &str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { found: format!("`{}`", excerpt(found)), expected: expected.into() }
    }

    /// `found` is said in our words.
    pub(crate) fn said(found: impl Into<String>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }
}

/// A place in a trace file. A number that is 0 is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Path,
    /// The data row within the file, from 1, headers and blank lines not counted.
    pub(crate) row: u64,
    /// The line within the file, from 1.
    pub(crate) line: u64,
}

impl<'a> Place<'a> {
    pub(crate) fn file(file: &'a Path) -> Self {
        Self { file, row: 0, line: 0 }
    }

    /// The error that this place's `column` does not hold what it should; an empty `column` names none.
    pub(crate) fn wrong(self, column: &str, mismatch: Mismatch) -> TraceError {
        TraceError {
            file: self.file.to_path_buf(),
            row: self.row,
            line: self.line,
            column: column.to_owned(),
            found: mismatch.found,
            expected: mismatch.expected,
        }
    }

    /// The value of `column`, where there has to be one.
    pub(crate) fn required<'t, T>(
        self,
        column: &str,
        text: Option<&'t str>,
        parse: impl FnOnce(&'t str) -> Result<T, Mismatch>,
    ) -> Result<T, TraceError> {
        let text = text.ok_or_else(|| self.wrong(column, Mismatch::said("nothing", "a value")))?;
        parse(text).map_err(|mismatch| self.wrong(column, mismatch))
    }

    /// The value of `column`, where there may be none.
    pub(crate) fn optional<'t, T>(
        self,
        column: &str,
        text: Option<&'t str>,
        parse: impl FnOnce(&'t str) -> Result<T, Mismatch>,
    ) -> Result<Option<T>, TraceError> {
        text.map(|text| self.required(column, Some(text), parse)).transpose()
    }

    /// The error that the file could not be read here.
    pub(crate) fn unreadable(self, error: &io::Error) -> TraceError {
        let found = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::IsADirectory => "a directory".to_owned(),
            _ => excerpt(&error.to_string()),
        };
        self.wrong("", Mismatch::said(found, "a readable file"))
    }

    /// The error that a JSON text is no JSON, or not of the shape that it should have.
    ///
    /// serde_json counts lines from where its text begins: `self.line` where that is one line of a file, else nothing.
    pub(crate) fn not_json(self, error: &serde_json::Error, expected: &'static str) -> TraceError {
        let message = error.to_string();
        let found = message.split(" at line ").next().unwrap_or_default();
        let line = if self.line == 0 { error.line() as u64 } else { self.line };
        Place { line, ..self }
            .wrong(&error.column().to_string(), Mismatch::said(format!("bad JSON ({})", excerpt(found)), expected))
    }
}

/// A trace that cannot be used: one line that says where, what was found and what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TraceError {
    file: PathBuf,
    row: u64,
    line: u64,
    column: String,
    found: String,
    expected: Cow<'static, str>,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file's name may hold anything, line breaks too.
        write!(f, "{}: ", file_name(&self.file))?;
        match (self.row, self.line) {
            (0, 0) => {}
            (0, line) => write!(f, "line {line}, ")?,
            (row, 0) => write!(f, "row {row}, ")?,
            (row, line) => write!(f, "row {row} (line {line}), ")?,
        }
        if !self.column.is_empty() {
            write!(f, "column {}, ", excerpt(&self.column))?;
        }
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for TraceError {}

/// The beginning of `text`, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    printable(&cut(text, QUOTED_CHARACTERS))
}

/// The name of a file, on one line.
pub(crate) fn file_name(path: &Path) -> String {
    let name = path.to_string_lossy();
    match name.char_indices().rev().nth(NAME_CHARACTERS - 1) {
        Some((at, _)) if at > 0 => format!("…{}", printable(&name[at..])),
        _ => printable(&name),
    }
}

/// At most so many characters of `text`, and a sign that there are more.
pub(crate) fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

/// `text` with its control characters escaped, so that it stays on one line and drives no terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, character| {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_place_found_and_expected_on_one_line() {
        let place = Place { file: Path::new("a\nb.csv"), row: 3, line: 4 };
        let error = place.wrong("step", Mismatch::text("x\ty", "a whole number"));
        assert_eq!(error.to_string(), r"a\nb.csv: row 3 (line 4), column step, found `x\ty`, expected a whole number");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(excerpt(&"é".repeat(100)), format!("{}…", "é".repeat(80)));
        assert_eq!([excerpt("short"), excerpt(&"é".repeat(80))], ["short".to_owned(), "é".repeat(80)]);
    }

    #[test]
    fn a_long_file_name_keeps_its_end() {
        let name = |text: &str| file_name(Path::new(text));
        assert_eq!(name(&("é".repeat(300) + "/t.csv")), format!("…{}/t.csv", "é".repeat(234)));
        assert_eq!([name("t.csv"), name(&"é".repeat(240))], ["t.csv".to_owned(), "é".repeat(240)]);
    }

    #[test]
    fn a_missing_value_is_an_error_only_where_it_is_required() {
        let place = Place::file(Path::new("t"));
        assert_eq!(place.optional("c", None, |text| Ok(text.len())), Ok(None));
        let error = place.required("c", None, |text| Ok(text.len()));
        assert_eq!(
            error.map_err(|error| error.to_string()),
            Err("t: column c, found nothing, expected a value".into())
        );
    }
}

//! A CSV file with a header, one row at a time.

use std::io::{self, Read};
use std::path::PathBuf;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::error::{Mismatch, Place, TraceError, excerpt};
use super::source::{MAX_LINE_BYTES, Source};

/// A reader that fails once it has read more than one row may have. The table resets it after each row; what the CSV
/// reader buffers ahead makes it exact to a buffer (8 KiB).
#[derive(Debug)]
struct Bounded {
    source: Source,
    since_last_row: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_last_row > MAX_LINE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row of more than 16 MiB"));
        }
        let bytes = self.source.read(buffer)?;
        self.since_last_row = self.since_last_row.saturating_add(bytes);
        Ok(bytes)
    }
}

/// An open CSV file.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    reader: csv::Reader<Bounded>,
    header: StringRecord,
    record: StringRecord,
    row: u64,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) place: Place<'a>,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// The field of a column; an empty one is an absent one.
    pub(crate) fn get(self, column: Option<usize>) -> Option<&'a str> {
        self.record.get(column?).filter(|field| !field.is_empty())
    }
}

impl Table {
    pub(crate) fn of(source: Source) -> Result<Self, TraceError> {
        let path = source.path().to_path_buf();
        let mut reader = ReaderBuilder::new().from_reader(Bounded { source, since_last_row: 0 });
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(unusable(Place { file: &path, row: 0, line: 1 }, &error)),
        };
        Ok(Self { path, reader, header, record: StringRecord::new(), row: 0 })
    }

    /// Where the column `name` stands, if there is one. Two are an error.
    pub(crate) fn column(&self, name: &str) -> Result<Option<usize>, TraceError> {
        let mut named = self.header.iter().enumerate().filter(|(_, header)| *header == name);
        let first = named.next().map(|(index, _)| index);
        if named.next().is_some() {
            return Err(self.header_place().wrong(name, Mismatch::said("the column twice", "it once")));
        }
        Ok(first)
    }

    /// Where the column `name` stands.
    pub(crate) fn required_column(&self, name: &'static str) -> Result<Option<usize>, TraceError> {
        match self.column(name)? {
            Some(index) => Ok(Some(index)),
            None => {
                let found = format!("the header `{}`", excerpt(&self.header.iter().collect::<Vec<_>>().join(",")));
                Err(self.header_place().wrong("", Mismatch::said(found, format!("a header with a column `{name}`"))))
            }
        }
    }

    /// The next row. It is known by its number alone: a quoted field may span lines, and the CSV reader takes CRLF for
    /// one line break or two.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, TraceError> {
        self.row += 1;
        self.reader.get_mut().since_last_row = 0;
        let place = Place { file: &self.path, row: self.row, line: 0 };
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Some(Row { place, record: &self.record })),
            Ok(false) => Ok(None),
            Err(error) => Err(unusable(place, &error)),
        }
    }

    fn header_place(&self) -> Place<'_> {
        Place { file: &self.path, row: 0, line: 1 }
    }
}

fn unusable(place: Place<'_>, error: &csv::Error) -> TraceError {
    match error.kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            place.wrong("", Mismatch::said(error.to_string(), "rows of 16 MiB at most"))
        }
        ErrorKind::Io(error) => place.unreadable(error),
        ErrorKind::Utf8 { err, .. } => {
            let column = (err.field() + 1).to_string();
            place.wrong(&column, Mismatch::said("bytes that are not UTF-8", "UTF-8 text"))
        }
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let plural = if *len == 1 { "" } else { "s" };
            place
                .wrong("", Mismatch::said(format!("{len} column{plural}"), format!("{expected_len}, as in the header")))
        }
        _ => place.wrong("", Mismatch::said(excerpt(&error.to_string()), "a CSV row")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::progress::Progress;

    fn table(content: &[u8]) -> (tempfile::NamedTempFile, Table) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let table = Table::of(Source::open(file.path(), &Progress::default()).unwrap()).unwrap();
        (file, table)
    }

    #[test]
    fn crlf_quotes_blank_lines_and_a_missing_last_break_are_fine() {
        let (_file, mut table) = table(b"\xEF\xBB\xBFa,b\r\n1,\"x, y\"\r\n\r\n2,");
        let [a, b] = [table.column("a").unwrap(), table.column("b").unwrap()];
        let row = table.next().unwrap().unwrap();
        assert_eq!((row.get(a), row.get(b), row.get(None)), (Some("1"), Some("x, y"), None));
        let row = table.next().unwrap().unwrap();
        assert_eq!((row.get(a), row.get(b), row.place.row), (Some("2"), None, 2));
        assert!(table.next().unwrap().is_none());
    }

    #[test]
    fn a_short_row_names_its_row() {
        let (_file, mut table) = table(b"a,b\n1,2\n3");
        table.next().unwrap();
        let message = table.next().unwrap_err().to_string();
        assert!(message.contains("row 2, found 1 column, expected 2, as in the header"), "{message}");
    }

    #[test]
    fn bad_bytes_name_their_column() {
        let (_file, mut table) = table(b"a,b\n1,\xFF\n");
        let message = table.next().unwrap_err().to_string();
        assert!(message.contains("row 1, column 2, found bytes that are not UTF-8"), "{message}");
    }

    #[test]
    fn a_row_that_never_ends_is_an_error() {
        let mut content = b"a,b\n1,\"".to_vec();
        content.extend(std::iter::repeat_n(b'x', MAX_LINE_BYTES + (1 << 16)));
        let (_file, mut table) = table(&content);
        let message = table.next().unwrap_err().to_string();
        assert!(message.contains("row 1, found a row of more than 16 MiB"), "{message}");
    }

    #[test]
    fn missing_and_double_columns_are_errors() {
        let (_file, table) = table(b"a,b,b\n");
        assert!(table.column("c").unwrap().is_none());
        assert!(table.required_column("c").unwrap_err().to_string().contains("a column `c`"));
        assert!(table.column("b").unwrap_err().to_string().contains("the column twice"));
    }
}

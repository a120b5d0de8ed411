//! A trace file's bytes: opened once, counted for the progress bar, and never more than a bound of them in memory at
//! once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::{Mismatch, Place, TraceError};
use crate::progress::Progress;

/// The longest line of a JSONL file and the longest row of a CSV file.
pub(crate) const MAX_LINE_BYTES: usize = 16 << 20;

/// The largest JSON document, which has to be read whole.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// An open file that counts what is read of it. It may be a pipe, whose bytes come only once: what [`Ahead`] has read
/// of it is kept until it is read in earnest.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    /// What was read ahead, and how much of that has been read in earnest.
    ahead: Vec<u8>,
    taken: usize,
    progress: Progress,
}

impl Source {
    pub(crate) fn open(path: &Path, progress: &Progress) -> Result<Self, TraceError> {
        let file = File::open(path).map_err(|error| Place::file(path).unreadable(&error))?;
        Ok(Self { path: path.to_path_buf(), file, ahead: Vec::new(), taken: 0, progress: progress.clone() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A look at what comes, before anything has been read in earnest: all of it will be read again.
    pub(crate) fn ahead(&mut self) -> Ahead<'_> {
        Ahead(self)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut kept = self.ahead.get(self.taken..).unwrap_or_default();
        let bytes = if kept.is_empty() { self.file.read(buffer)? } else { kept.read(buffer)? };
        if self.taken < self.ahead.len() {
            self.taken += bytes;
        } else {
            self.ahead = Vec::new();
            self.taken = 0;
        }
        self.progress.add(bytes);
        Ok(bytes)
    }
}

/// Reads a source without taking anything from it.
#[derive(Debug)]
pub(crate) struct Ahead<'a>(&'a mut Source);

impl Read for Ahead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.file.read(buffer)?;
        self.0.ahead.extend_from_slice(&buffer[..bytes]);
        Ok(bytes)
    }
}

/// The lines of a JSONL file that are not blank, one at a time.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    reader: BufReader<Source>,
    bytes: Vec<u8>,
    row: u64,
    line: u64,
}

impl Lines {
    pub(crate) fn of(source: Source) -> Self {
        let path = source.path().to_path_buf();
        Self { path, reader: BufReader::new(source), bytes: Vec::new(), row: 0, line: 0 }
    }

    /// The next line and where it stands, without its line break.
    pub(crate) fn next(&mut self) -> Result<Option<(Place<'_>, &str)>, TraceError> {
        loop {
            self.bytes.clear();
            let bound = MAX_LINE_BYTES as u64 + 1;
            let read = (&mut self.reader).take(bound).read_until(b'\n', &mut self.bytes);
            self.line += 1;
            let here = Place { file: &self.path, row: 0, line: self.line };
            if read.map_err(|error| here.unreadable(&error))? == 0 {
                return Ok(None);
            }
            if self.bytes.len() > MAX_LINE_BYTES {
                return Err(here.wrong("", Mismatch::said("a line of more than 16 MiB", "lines of 16 MiB at most")));
            }
            if self.line == 1 && self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.bytes.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.bytes.trim_ascii().is_empty() {
                break;
            }
        }
        self.row += 1;
        let place = Place { file: &self.path, row: self.row, line: self.line };
        Ok(Some((place, utf8(place, self.bytes.trim_ascii_end())?)))
    }
}

/// What some editors put before UTF-8 text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text of a file that is one JSON document.
pub(crate) fn document(source: &mut Source) -> Result<String, TraceError> {
    let mut bytes = Vec::new();
    let read = source.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes);
    let here = Place::file(source.path());
    read.map_err(|error| here.unreadable(&error))?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        let mismatch = Mismatch::said("a document of more than 64 MiB", "a JSON document of 64 MiB at most");
        return Err(here.wrong("", mismatch));
    }
    utf8(here, bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes)).map(str::to_owned)
}

fn utf8<'a>(place: Place<'_>, bytes: &'a [u8]) -> Result<&'a str, TraceError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        let line_begin = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = valid.iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = if place.line == 0 { lines + 1 } else { place.line };
        let column = (valid.len() - line_begin + 1).to_string();
        Place { line, ..place }.wrong(&column, Mismatch::said("bytes that are not UTF-8", "UTF-8 text"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn lines_of(content: &[u8]) -> Vec<Result<(u64, u64, String), String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mut lines = Lines::of(Source::open(file.path(), &Progress::default()).unwrap());
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(Some((place, text))) => found.push(Ok((place.row, place.line, text.to_owned()))),
                Ok(None) => return found,
                Err(error) => {
                    found.push(Err(error.to_string()));
                    return found;
                }
            }
        }
    }

    #[test]
    fn blank_lines_are_passed_over_and_the_last_needs_no_break() {
        let found = lines_of(b"\xEF\xBB\xBFa\r\n\n  \nb c");
        assert_eq!(found, [Ok((1, 1, "a".to_owned())), Ok((2, 4, "b c".to_owned()))]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_by_line_and_column() {
        let found = lines_of(b"a\nbc\xFFd\n");
        let message = found[1].as_ref().unwrap_err();
        assert!(message.contains("row 2 (line 2), column 3, found bytes that are not UTF-8"), "{message}");
    }

    #[test]
    fn a_huge_line_is_an_error_and_not_read_whole() {
        let mut content = vec![b'x'; MAX_LINE_BYTES + (1 << 20)];
        content.push(b'\n');
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&content).unwrap();
        let read = Progress::default();
        let mut lines = Lines::of(Source::open(file.path(), &read).unwrap());
        assert!(lines.next().unwrap_err().to_string().contains("a line of more than 16 MiB"));
        assert!(read.bytes() <= MAX_LINE_BYTES as u64 + (64 << 10));
    }

    #[test]
    fn what_was_read_ahead_is_read_again_and_counted_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let progress = Progress::default();
        let mut source = Source::open(file.path(), &progress).unwrap();
        let mut seen = [0; 4];
        source.ahead().read_exact(&mut seen).unwrap();
        assert_eq!((&seen, progress.bytes()), (b"0123", 0));
        let mut all = String::new();
        source.read_to_string(&mut all).unwrap();
        assert_eq!((all.as_str(), progress.bytes()), ("0123456789", 10));
    }

    #[test]
    fn a_document_names_the_line_of_a_bad_byte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"{\n \"a\xFF\"}").unwrap();
        let mut source = Source::open(file.path(), &Progress::default()).unwrap();
        let message = document(&mut source).unwrap_err().to_string();
        assert!(message.contains("line 2, column 4, found bytes that are not UTF-8"), "{message}");
    }

    #[test]
    fn missing_files_and_directories_are_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let read = Progress::default();
        let message = Source::open(&folder.path().join("none"), &read).unwrap_err().to_string();
        assert!(message.contains("found no such file"), "{message}");
        let message = document(&mut Source::open(folder.path(), &read).unwrap()).unwrap_err().to_string();
        assert!(message.contains("found a directory"), "{message}");
    }
}

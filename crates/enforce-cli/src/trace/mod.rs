//! Recorded traces: read exactly, put in order, checked.
//!
//! Every file is read once, so that it may be a pipe. Each format has one file here that turns it into items. azure,
//! mooncake and aider are read as they stand, a row at a time; all others are sorted through an index.

use std::path::PathBuf;

mod aider;
mod azure;
mod error;
mod events;
mod fields;
mod files;
mod format;
mod intercode;
mod item;
mod json;
mod mini_swe_agent;
mod mooncake;
mod order;
mod requests;
mod sorted;
mod source;
mod steps;
mod swe_agent;
mod table;
mod value;

pub(crate) use error::{TraceError, cut, excerpt, file_name, printable};
pub(crate) use format::Format;
pub(crate) use item::{Item, Run, Step};

use crate::progress::Progress;
use error::{Mismatch, Place};
use files::Files;
use requests::Requests;
use sorted::Index;
use source::Source;

/// An open trace: what happens in it, in decision order. It ends at the first error.
pub(crate) struct Trace {
    format: Format,
    items: Box<dyn Iterator<Item = Result<Item, TraceError>>>,
    /// The file to name when there is no row in any.
    first: PathBuf,
    rows: u64,
    ended: bool,
}

impl Trace {
    /// Opens the files of one trace. They have to be of one format: `format`, or else the one that they show.
    pub(crate) fn open(paths: &[PathBuf], format: Option<Format>, progress: &Progress) -> Result<Self, TraceError> {
        let mut files = Files::new(paths, progress);
        let format = match format {
            Some(format) => format,
            None => files.recognise()?,
        };
        let items: Box<dyn Iterator<Item = Result<Item, TraceError>>> = match format {
            Format::Azure => Box::new(Requests::<azure::Azure>::new(files)),
            Format::Mooncake => Box::new(Requests::<mooncake::Mooncake>::new(files)),
            Format::Aider => Box::new(aider::Aider::new(files)),
            Format::Steps => sorted(files, steps::read)?,
            Format::MiniSweAgent => sorted(files, mini_swe_agent::read)?,
            Format::SweAgent => sorted(files, swe_agent::read)?,
            Format::Intercode => sorted(files, intercode::read)?,
            Format::Events => sorted(files, events::read)?,
        };
        let first = paths.first().cloned().unwrap_or_default();
        Ok(Self { format, items, first, rows: 0, ended: false })
    }

    /// The format of the files.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    fn no_rows(&self) -> TraceError {
        Place::file(&self.first).wrong("", Mismatch::said("no data row", "one or more"))
    }
}

impl Iterator for Trace {
    type Item = Result<Item, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = match self.items.next() {
            Some(item) => item,
            None if self.rows == 0 => Err(self.no_rows()),
            None => return None,
        };
        self.ended = item.is_err();
        self.rows += u64::from(matches!(item, Ok(Item::Step(_))));
        Some(item)
    }
}

/// A reader of a format whose rows are sorted.
type Read = fn(Source, &mut Index) -> Result<(), TraceError>;

fn sorted(mut files: Files, read: Read) -> Result<Box<dyn Iterator<Item = Result<Item, TraceError>>>, TraceError> {
    let mut index = Index::default();
    while let Some(source) = files.next()? {
        index.begin_file(source.path());
        read(source, &mut index)?;
    }
    Ok(Box::new(index.sort()?.map(Ok)))
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;

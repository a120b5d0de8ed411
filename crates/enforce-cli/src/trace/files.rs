//! The files of a trace: opened one after the other, each once, and held to one format.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::error::{Mismatch, Place, TraceError, file_name};
use super::format::Format;
use super::source::Source;
use crate::progress::Progress;

/// Files that are still to be read, the next one perhaps open already.
#[derive(Debug)]
pub(crate) struct Files {
    paths: VecDeque<PathBuf>,
    opened: Option<Source>,
    /// The format that the first file showed; `None` if nobody asked for it.
    shown: Option<(PathBuf, Format)>,
    progress: Progress,
}

impl Files {
    pub(crate) fn new(paths: &[PathBuf], progress: &Progress) -> Self {
        Self { paths: paths.to_vec().into(), opened: None, shown: None, progress: progress.clone() }
    }

    /// The format that the first file shows; the others will have to show the same one.
    pub(crate) fn recognise(&mut self) -> Result<Format, TraceError> {
        let nothing = || Place::file(Path::new("trace")).wrong("", Mismatch::said("no file", "one or more"));
        let mut first = self.next()?.ok_or_else(nothing)?;
        let format = Format::of(&mut first)?;
        self.shown = Some((first.path().to_path_buf(), format));
        self.opened = Some(first);
        Ok(format)
    }

    /// The next file, from its beginning.
    pub(crate) fn next(&mut self) -> Result<Option<Source>, TraceError> {
        if let Some(opened) = self.opened.take() {
            return Ok(Some(opened));
        }
        let Some(path) = self.paths.pop_front() else { return Ok(None) };
        let mut source = Source::open(&path, &self.progress)?;
        if let Some((first, expected)) = &self.shown {
            let format = Format::of(&mut source)?;
            if format != *expected {
                let first = file_name(first);
                let mismatch = Mismatch::said(format!("the format {format}"), format!("{expected}, as {first}"));
                return Err(Place::file(&path).wrong("", mismatch));
            }
        }
        Ok(Some(source))
    }
}

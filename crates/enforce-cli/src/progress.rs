//! How much of the trace's files has been read: a bar on a terminal, nothing otherwise.

use std::cell::Cell;
use std::fs::Metadata;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::rc::Rc;

use indicatif::{ProgressBar, ProgressStyle};

/// Counts bytes; its clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    bytes: Rc<Cell<u64>>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows a bar as long as the files, if standard error is a terminal.
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let files = paths.iter().map(|path| path.metadata().ok().filter(Metadata::is_file).map(|file| file.len()));
            // A pipe has no length, and then there is only what has been read of it.
            let (bar, template) = match files.sum::<Option<u64>>() {
                Some(bytes) => (ProgressBar::new(bytes), "{wide_bar} {bytes} / {total_bytes}"),
                None => (ProgressBar::no_length(), "{bytes}"),
            };
            // A template that is not understood leaves the plain bar.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bytes: Rc::default(), bar }
    }

    /// Takes bytes that have been read. The bar draws itself at most 20 times a second.
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_add(bytes as u64));
        if let Some(bar) = &self.bar {
            bar.set_position(self.bytes.get());
        }
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }
}

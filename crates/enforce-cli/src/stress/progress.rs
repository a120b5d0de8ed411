//! How much of a run is done: a bar on a terminal, nothing otherwise.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// The bar counts in parts of a thousand.
const WHOLE: u64 = 1_000;

#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Shows a bar, if standard error is a terminal.
    pub(crate) fn new(seed: u64) -> Self {
        Self(stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(WHOLE);
            // A template that is not understood leaves the plain bar.
            if let Ok(style) = ProgressStyle::with_template("seed {msg} {wide_bar} {percent} % {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(seed.to_string());
            bar
        }))
    }

    /// Shows that so much of 1 is done.
    pub(crate) fn show(&self, done: f64) {
        if let Some(bar) = &self.0 {
            bar.set_position((done.clamp(0.0, 1.0) * WHOLE as f64) as u64);
        }
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

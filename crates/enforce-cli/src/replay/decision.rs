//! What became of a row.

/// One letter of `--decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It ran.
    Admitted,
    /// It did not run; its execution goes on.
    Refused,
    /// It did not run, and its execution was halted with it.
    Halted,
    /// It did not run: it is the first that met its execution paused.
    Paused,
    /// It did not run: it is the first of an execution that was not let in.
    NotStarted,
    /// It was not asked about: its execution was halted, paused or not let in before.
    Skipped,
}

impl Decision {
    pub(crate) fn letter(self) -> u8 {
        match self {
            Self::Admitted => b'A',
            Self::Refused => b'R',
            Self::Halted => b'H',
            Self::Paused => b'P',
            Self::NotStarted => b'C',
            Self::Skipped => b'S',
        }
    }
}

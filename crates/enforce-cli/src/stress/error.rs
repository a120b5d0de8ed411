//! Why there is no report.

use std::fmt;
use std::io;

use enforce_core::ConfigError;

/// One clear line for each thing that can be wrong.
#[derive(Debug)]
pub(crate) enum StressError {
    /// The limits of the run are refused.
    Config(ConfigError),
    /// Something of the run cannot be named.
    Setup(String),
    /// A thread cannot be started.
    Thread(io::Error),
    /// The report cannot be written.
    Output(io::Error),
}

impl fmt::Display for StressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "limits of the run: {error}"),
            Self::Setup(error) => write!(f, "setting up the run: {error}"),
            Self::Thread(error) => write!(f, "starting a thread: {error}; ask for fewer with --threads"),
            Self::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl std::error::Error for StressError {}

impl From<ConfigError> for StressError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

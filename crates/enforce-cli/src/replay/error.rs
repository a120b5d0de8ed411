//! Why there is no report.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use enforce_core::{ConfigError, PolicyFileError, ProviderError, RegisterError};

use crate::trace::{Run, TraceError, excerpt, printable};

/// One clear line for each thing that can be wrong.
#[derive(Debug)]
pub(crate) enum ReplayError {
    /// The trace cannot be used.
    Trace(TraceError),
    /// The policy file cannot be read.
    PolicyUnreadable(PathBuf, io::Error),
    /// The policy file says what cannot be.
    Policy(PathBuf, PolicyFileError),
    /// The limits are refused as a whole.
    Config(ConfigError),
    /// An output cannot be written.
    Output(PathBuf, io::Error),
    /// An output would overwrite an input or another output.
    SameFile { path: PathBuf, role: &'static str, other: PathBuf, other_role: &'static str },
    /// An execution cannot be registered, other than by a limit.
    Register(Run, RegisterError),
    /// A provider cannot be named.
    Provider(String, ProviderError),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace(error) => error.fmt(f),
            Self::PolicyUnreadable(path, error) => write!(f, "{}: {}", name(path), excerpt(&error.to_string())),
            Self::Policy(path, error) => write!(f, "{}: {}", name(path), printable(&error.to_string())),
            Self::Config(error) => write!(f, "policy: {}", printable(&error.to_string())),
            Self::Output(path, error) => write!(f, "{}: {}", name(path), excerpt(&error.to_string())),
            Self::SameFile { path, role, other, other_role } => {
                let [path, other] = [path, other].map(|path| name(path));
                write!(f, "{path}: found {role} in the same file as {other_role}, {other}, expected a file of its own")
            }
            Self::Register(run, error) => {
                let [tenant, execution] = [excerpt(&run.tenant), excerpt(&run.execution)];
                write!(f, "execution `{execution}` of tenant `{tenant}`: {error}")
            }
            Self::Provider(provider, error) => write!(f, "provider `{}`: {error}", excerpt(provider)),
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<TraceError> for ReplayError {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

/// A file's name, on one line.
fn name(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

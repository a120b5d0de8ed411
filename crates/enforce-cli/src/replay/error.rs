//! Why there is no report.

use std::fmt;
use std::io;
use std::path::PathBuf;

use enforce_core::{ConfigError, PolicyFileError, ProviderError, RegisterError};

use crate::trace::{Run, TraceError, cut, excerpt, file_name, printable};

/// As much of what the library says as one line shows: all of its own words, and the beginning of what it quotes, which
/// comes last.
const MESSAGE_CHARACTERS: usize = 300;

/// As much of a key.
const KEY_CHARACTERS: usize = 80;

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
            Self::PolicyUnreadable(path, error) => write!(f, "{}: {}", file_name(path), excerpt(&error.to_string())),
            Self::Policy(path, error) => write!(f, "{}: {}", file_name(path), policy(error)),
            Self::Config(error) => write!(f, "policy: {}", printable(&cut(&error.to_string(), MESSAGE_CHARACTERS))),
            Self::Output(path, error) => write!(f, "{}: {}", file_name(path), excerpt(&error.to_string())),
            Self::SameFile { path, role, other, other_role } => {
                let [path, other] = [path, other].map(|path| file_name(path));
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

/// A line about a policy, however long the text is that it is about.
fn policy(error: &PolicyFileError) -> String {
    let mut short = error.clone();
    short.key = short.key.map(|key| cut(&key, KEY_CHARACTERS).into_owned());
    short.message = cut(&short.message, MESSAGE_CHARACTERS).into_owned();
    printable(&short.to_string())
}

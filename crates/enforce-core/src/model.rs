//! Models: names resolved once to `Copy` keys.

use std::fmt;

use crate::id::InvalidId;
use crate::names::{Number, Unnamed};

/// A model's name, resolved. Valid for the enforcer that resolved it; to another it means another model, or none,
/// and then no rate admits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelKey(pub(crate) Number);

/// Why a model's name has no key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelError {
    /// The name is empty or too long.
    InvalidName(InvalidId),
    /// As many models as the enforcer may know are known already.
    Full {
        /// The cap, as built.
        cap: u64,
    },
}

impl From<Unnamed> for ModelError {
    fn from(unnamed: Unnamed) -> Self {
        match unnamed {
            Unnamed::Invalid(error) => Self::InvalidName(error),
            Unnamed::Full(cap) => Self::Full { cap },
        }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::Full { cap } => write!(f, "{cap} models are known already; raise max_models"),
        }
    }
}

impl std::error::Error for ModelError {}

//! Providers: names resolved once to `Copy` keys.

use std::fmt;

use crate::id::InvalidId;
use crate::names::{Number, Unnamed};

/// A provider's name, resolved. Valid for the enforcer that resolved it; to another it means another provider, or none,
/// and then no rate admits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProviderKey(pub(crate) Number);

/// Why a provider's name has no key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderError {
    /// The name is empty or too long.
    InvalidName(InvalidId),
    /// As many providers as the enforcer may know are known already.
    Full {
        /// The cap, as built.
        cap: u64,
    },
}

impl From<Unnamed> for ProviderError {
    fn from(unnamed: Unnamed) -> Self {
        match unnamed {
            Unnamed::Invalid(error) => Self::InvalidName(error),
            Unnamed::Full(cap) => Self::Full { cap },
        }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::Full { cap } => write!(f, "{cap} providers are known already; raise max_providers"),
        }
    }
}

impl std::error::Error for ProviderError {}

//! The outcome of a check.

use super::{EnforcementViolation, EnforcementWarning};
use crate::error::ExecutionError;

/// The outcome of a check that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a check that nobody looks at decides nothing"]
#[non_exhaustive]
pub enum EnforcementResult {
    /// It would be admitted.
    Allowed,
    /// It would be refused.
    Blocked(EnforcementViolation),
    /// It would be admitted, and a limit is near.
    Warning(EnforcementWarning),
}

impl EnforcementResult {
    /// Whether it would be admitted, with a warning or without.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        !self.is_blocked()
    }

    /// Whether it would be refused.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked(_))
    }

    /// The error to return if it would be refused.
    #[must_use]
    pub fn to_error(&self) -> Option<ExecutionError> {
        match self {
            Self::Blocked(violation) => Some(violation.to_error()),
            Self::Allowed | Self::Warning(_) => None,
        }
    }
}

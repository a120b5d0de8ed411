//! A limit is near.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::allowance::AllowanceKey;

use super::{Ratio, ScopeKind, ViolationType, percent};

/// A limit is near: admitted, but `usage_percent` has reached the policy's threshold.
///
/// Serializes with the fields below and `message`. The message is made when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EnforcementWarning {
    /// Which limit is near.
    pub warning_type: ViolationType,
    /// Used and asked together, in percent of the limit, rounded down.
    pub usage_percent: u32,
    /// Whose limit.
    #[serde(default)]
    pub scope: ScopeKind,
    /// Used and asked together, in the unit of the limit.
    #[serde(default)]
    pub current: u64,
    /// The limit.
    #[serde(default)]
    pub limit: u64,
    /// Behind `allowance_limit`: which.
    #[serde(default)]
    pub allowance: Option<AllowanceKey>,
}

impl EnforcementWarning {
    /// A warning of the execution's own limit; the percentage of a limit of 0 is 0.
    #[must_use]
    pub fn new(warning_type: ViolationType, current: u64, limit: u64) -> Self {
        Self::of(ScopeKind::Execution, warning_type, current, limit)
    }

    #[inline]
    pub(crate) fn of(scope: ScopeKind, warning_type: ViolationType, current: u64, limit: u64) -> Self {
        Self {
            warning_type,
            usage_percent: percent(current, limit).unwrap_or(0),
            scope,
            current,
            limit,
            allowance: None,
        }
    }

    /// The line that it prints as: `step_limit at 80%: 8 / 10`.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for EnforcementWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { warning_type: kind, usage_percent, current, limit, .. } = *self;
        write!(f, "{kind} at {usage_percent}%: {}", Ratio { kind, current, limit })
    }
}

impl Serialize for EnforcementWarning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire {
            warning_type: ViolationType,
            usage_percent: u32,
            message: String,
            scope: ScopeKind,
            current: u64,
            limit: u64,
            allowance: Option<AllowanceKey>,
        }
        let Self { warning_type, usage_percent, scope, current, limit, allowance } = *self;
        Wire { warning_type, usage_percent, message: self.message(), scope, current, limit, allowance }
            .serialize(serializer)
    }
}

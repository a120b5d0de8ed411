//! What was decided, and why, as data.

mod result;
mod violation;
mod warning;

pub use result::EnforcementResult;
pub use violation::{EnforcementViolation, RatesRefused, Retry};
pub use warning::EnforcementWarning;

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which limit a decision speaks of. Prints and serializes in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum ViolationType {
    /// Steps begun. Unit: steps.
    #[serde(alias = "StepLimit")]
    StepLimit = 1,
    /// Input and output tokens. Unit: tokens.
    #[serde(alias = "TokenLimit")]
    TokenLimit,
    /// Time since registration. Unit: milliseconds.
    #[serde(alias = "WallTimeLimit")]
    WallTimeLimit,
    /// Memory held. Unit: bytes.
    #[serde(alias = "MemoryLimit")]
    MemoryLimit,
    /// Live executions of a tenant, or of all tenants together. Unit: executions.
    #[serde(alias = "ConcurrencyLimit")]
    ConcurrencyLimit,
    /// Requests or tokens per period. Unit: requests or tokens.
    #[serde(alias = "RateLimit")]
    RateLimit,
    /// A host that the network policy does not allow.
    #[serde(alias = "NetworkViolation")]
    NetworkViolation,
    /// Steps that were discovered rather than planned. Unit: steps.
    #[serde(alias = "DiscoveredStepLimit")]
    DiscoveredStepLimit,
    /// Open discoveries inside each other. Unit: levels.
    #[serde(alias = "DiscoveryDepthLimit")]
    DiscoveryDepthLimit,
    /// Money committed that wants an approval. Unit: nano-dollars.
    #[serde(alias = "CostThreshold")]
    CostThreshold,
    /// Money, hard. Unit: nano-dollars.
    CostLimit,
    /// Time since the last activity. Unit: seconds.
    #[serde(alias = "IdleTimeout")]
    IdleTimeout,
    /// The same step, or round of steps, in a row. Unit: repetitions.
    #[serde(alias = "SameStepLoop")]
    SameStepLoop,
    /// No such registration.
    UnknownExecution,
    /// The execution is halted; the cause says by which limit. To a registration: its tenant or the process is.
    Halted,
    /// The execution is paused; the cause says by which limit.
    Paused,
    /// The execution has ended. To a registration: its tenant or the process is closed.
    Closed,
    /// Nobody's limit: somebody asked for it.
    Requested,
    /// Children of an execution: live, in all, or inside each other. Unit: executions.
    ChildLimit,
    /// The hold was ended by its deadline.
    HoldExpired,
    /// A named allowance, such as calls of a tool. Unit: its own.
    AllowanceLimit,
}

impl ViolationType {
    const ALL: [Self; 21] = [
        Self::StepLimit,
        Self::TokenLimit,
        Self::WallTimeLimit,
        Self::MemoryLimit,
        Self::ConcurrencyLimit,
        Self::RateLimit,
        Self::NetworkViolation,
        Self::DiscoveredStepLimit,
        Self::DiscoveryDepthLimit,
        Self::CostThreshold,
        Self::CostLimit,
        Self::IdleTimeout,
        Self::SameStepLoop,
        Self::UnknownExecution,
        Self::Halted,
        Self::Paused,
        Self::Closed,
        Self::Requested,
        Self::ChildLimit,
        Self::HoldExpired,
        Self::AllowanceLimit,
    ];

    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StepLimit => "step_limit",
            Self::TokenLimit => "token_limit",
            Self::WallTimeLimit => "wall_time_limit",
            Self::MemoryLimit => "memory_limit",
            Self::ConcurrencyLimit => "concurrency_limit",
            Self::RateLimit => "rate_limit",
            Self::NetworkViolation => "network_violation",
            Self::DiscoveredStepLimit => "discovered_step_limit",
            Self::DiscoveryDepthLimit => "discovery_depth_limit",
            Self::CostThreshold => "cost_threshold",
            Self::CostLimit => "cost_limit",
            Self::IdleTimeout => "idle_timeout",
            Self::SameStepLoop => "same_step_loop",
            Self::UnknownExecution => "unknown_execution",
            Self::Halted => "halted",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Requested => "requested",
            Self::ChildLimit => "child_limit",
            Self::HoldExpired => "hold_expired",
            Self::AllowanceLimit => "allowance_limit",
        }
    }

    fn is_money(self) -> bool {
        matches!(self, Self::CostLimit | Self::CostThreshold)
    }
}

impl fmt::Display for ViolationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum ScopeKind {
    /// The execution's own.
    #[default]
    Execution,
    /// Its tenant's.
    Tenant,
    /// A provider's.
    Provider,
    /// A parent's, whose budget the execution shares or whose child it is.
    Parent,
    /// A model's.
    Model,
    /// The enforcer's: of all tenants together.
    Process,
}

impl ScopeKind {
    const ALL: [Self; 6] = [Self::Execution, Self::Tenant, Self::Provider, Self::Parent, Self::Model, Self::Process];

    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Tenant => "tenant",
            Self::Provider => "provider",
            Self::Parent => "parent",
            Self::Model => "model",
            Self::Process => "process",
        }
    }
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The limit that halted or paused an execution. Prints as `step_limit`, or `tenant:cost_limit` if it is not the
/// execution's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Which limit.
    pub violation_type: ViolationType,
    /// Whose.
    pub scope: ScopeKind,
}

impl Cause {
    /// A limit of the execution itself.
    #[must_use]
    pub const fn own(violation_type: ViolationType) -> Self {
        Self { violation_type, scope: ScopeKind::Execution }
    }

    /// As the state word keeps it: the scope in the upper three bits, the limit in the lower five; never 0.
    pub(crate) const fn code(self) -> u8 {
        (self.scope as u8) << 5 | self.violation_type as u8
    }

    /// What [`Cause::code`] stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let violation_type = ViolationType::ALL.into_iter().find(|kind| *kind as u8 == code & 0x1f)?;
        let scope = ScopeKind::ALL.into_iter().find(|kind| *kind as u8 == code >> 5)?;
        Some(Self { violation_type, scope })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            ScopeKind::Execution => f.write_str(self.violation_type.as_str()),
            scope => write!(f, "{scope}:{}", self.violation_type),
        }
    }
}

/// `part` of `whole` in percent, rounded down; `None` of a whole of 0.
#[cold]
pub(crate) fn percent(part: u64, whole: u64) -> Option<u32> {
    let percent = (u128::from(part) * 100).checked_div(u128::from(whole))?;
    Some(u32::try_from(percent).unwrap_or(u32::MAX))
}

/// A current value and its limit, in the unit of the violation type.
struct Ratio {
    kind: ViolationType,
    current: u64,
    limit: u64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_money() {
            let dollars = |nanos: u64| crate::money::NanoUsd::new(nanos).unwrap_or(crate::money::NanoUsd::MAX);
            write!(f, "{} / {}", dollars(self.current), dollars(self.limit))
        } else {
            write!(f, "{} / {}", self.current, self.limit)
        }
    }
}

//! Pauses and what ends them: tickets, approvals, and the versions of an execution's limits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decision::Cause;

/// A pause that awaits an approval: what was asked, of which limit. Serializable, to be shown to whoever decides.
///
/// It stands for that one pause and no other: an approval of an earlier one does nothing (E3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PauseTicket {
    /// Which execution.
    pub execution_id: String,
    /// Whose.
    pub tenant_id: String,
    /// The number of the pause, unique within its enforcer.
    pub pause: u64,
    /// The limit that paused it.
    pub cause: Cause,
    /// That limit, in its unit; 0 of a pause that somebody asked for.
    pub limit: u64,
    /// What was used of it.
    pub used: u64,
    /// What was asked of it.
    pub asked: u64,
    /// Why somebody paused it, if it was no limit.
    #[serde(default)]
    pub why: Option<String>,
    /// When it was paused.
    pub paused_at: Timestamp,
    /// When it goes on by itself, if nobody decides before: the next period of the budget that paused it approves
    /// ([`Budget::next_period_approves`](crate::Budget::next_period_approves)). `None` if it waits for somebody.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// A decision to let a paused execution go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// The limit from here on, in its unit. Default: the limit that paused it and the one that was registered.
    pub next_limit: Option<u64>,
}

impl Approval {
    /// An approval of the default next limit.
    #[must_use]
    pub fn new(by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { by: by.into(), why: why.into(), next_limit: None }
    }

    /// Names the limit from here on. For steps and tokens [`UNLIMITED`](crate::UNLIMITED) takes it away, unless there is a
    /// ceiling or a slice.
    #[must_use]
    pub fn next_limit(self, limit: u64) -> Self {
        Self { next_limit: Some(limit), ..self }
    }
}

/// An approval as it was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approved {
    /// The pause that it ended.
    pub pause: u64,
    /// The limit that had paused it.
    pub cause: Cause,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// The limit from there on; `None` where the pause was not a limit's.
    pub next_limit: Option<u64>,
    /// When.
    pub at: Timestamp,
}

impl Approved {
    /// Who has decided where the owner of a budget approved its pauses beforehand
    /// ([`Budget::next_period_approves`](crate::Budget::next_period_approves)).
    pub const NEXT_PERIOD: &str = "next period";
}

/// Why an approval or a rejection did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApprovalError {
    /// The pause has ended, by another approval, a halt or the end; or there is no such pause.
    NotPaused,
    /// The next limit leaves no room: so much is used.
    TooLow {
        /// The limit that was named.
        next_limit: u64,
        /// What is committed.
        committed: u64,
    },
    /// The next limit is above what may be approved.
    AboveCeiling {
        /// The limit that was named.
        next_limit: u64,
        /// The most that may be approved.
        ceiling: u64,
    },
}

impl fmt::Display for ApprovalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPaused => f.write_str("that pause has ended; nothing was changed"),
            Self::TooLow { next_limit, committed } => {
                write!(f, "a limit of {next_limit} leaves no room: {committed} are used; name a larger one")
            }
            Self::AboveCeiling { next_limit, ceiling } => {
                write!(f, "a limit of {next_limit} is above the ceiling of {ceiling}; name a smaller one")
            }
        }
    }
}

impl std::error::Error for ApprovalError {}

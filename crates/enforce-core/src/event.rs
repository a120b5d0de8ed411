//! Events: what was decided and what became of it, for whoever watches.

mod buffer;

pub use self::buffer::EventBuffer;

use serde::{Deserialize, Serialize};

use crate::approval::Approved;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, EnforcementWarning};
use crate::snapshot::{TenantUsage, UsageSnapshot};

/// Hears of every event, in the order of their numbers, one at a time: [`EnforcerBuilder::events`] names it to an enforcer.
///
/// It is called behind every lock, by whichever caller of the enforcer comes by, in its thread: it may call the enforcer
/// back (what that leads to is told next, by the call that is under way), and it should not take long, because that call
/// waits for it. No other call does: what happens meanwhile is kept, up to [`EnforcerBuilder::max_pending_events`]. A panic
/// of a sink is caught and costs that event; [`Enforcer::dropped_events`] counts both.
///
/// A sink that keeps an [`Enforcer`] keeps it in memory for ever.
///
/// Any `Fn(&Event)` is one; so is an [`EventBuffer`].
///
/// [`Enforcer`]: crate::Enforcer
/// [`Enforcer::dropped_events`]: crate::Enforcer::dropped_events
/// [`EnforcerBuilder::events`]: crate::EnforcerBuilder::events
/// [`EnforcerBuilder::max_pending_events`]: crate::EnforcerBuilder::max_pending_events
pub trait EventSink: Send + Sync + 'static {
    /// Hears of `event`.
    fn emit(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> EventSink for F {
    fn emit(&self, event: &Event) {
        self(event);
    }
}

/// Something that happened. Serializes flat: `kind` stands beside the fields of the kind.
///
/// ```
/// use enforce_core::{Demand, Enforcer, EventBuffer, ResourceLimits};
///
/// let events = EventBuffer::new(1_000);
/// let limits = ResourceLimits { max_steps: 0, ..ResourceLimits::unlimited() };
/// let enforcer = Enforcer::builder().limits(limits).events(events.clone()).build()?;
/// let run = enforcer.execution("exec_1", "tenant_a").register()?;
/// assert!(run.reserve(Demand::step()).is_err());
/// run.finish();
///
/// let kinds: Vec<_> = events.drain().iter().map(|event| event.kind.as_str()).collect();
/// assert_eq!(kinds, ["registered", "halted", "blocked", "cleared", "ended"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Its number within its enforcer, from 1 on, in the order in which things happened. A number that is missing is that of
    /// an event that was dropped.
    pub sequence: u64,
    /// When: the time that the call was given or had read; where no limit needed the time, when the event was told.
    pub at: Timestamp,
    /// To which execution; `None` of what happened to a tenant.
    #[serde(default)]
    pub execution_id: Option<String>,
    /// To which tenant; `None` where none is known.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Serializes with its name in snake case as `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An execution was registered.
    Registered {
        /// Its parent's id, if it is a child.
        #[serde(default)]
        parent: Option<String>,
    },
    /// A registration was refused by a limit or a state: the first of a run of refusals.
    RegistrationRefused {
        /// Which.
        violation: EnforcementViolation,
    },
    /// A demand was refused: the first of a run of refusals of this execution by this limit or state.
    Blocked {
        /// Which.
        violation: EnforcementViolation,
    },
    /// A demand came through a limit that only observes and would have refused it: the first of a run.
    Observed {
        /// Which.
        violation: EnforcementViolation,
    },
    /// A run of refusals (or of what would have been refused) is over: the limit lets a demand through, or its execution
    /// has ended.
    Cleared {
        /// The last of them.
        violation: EnforcementViolation,
        /// How many there were, the first included.
        count: u64,
        /// The number of the event that told the first.
        since: u64,
    },
    /// A limit is near, or reached: once for each limit and level (below 100 percent, from 100 percent on), and anew when it
    /// is raised or, of a budget, when a period begins.
    Warning {
        /// Which.
        warning: EnforcementWarning,
    },
    /// The execution is halted, by itself or with its parent.
    Halted {
        /// The limit that did it.
        cause: Cause,
    },
    /// The execution is paused.
    Paused {
        /// The limit that did it.
        cause: Cause,
        /// The number of the pause, which its ticket bears; `None` of one that is paused with its parent.
        #[serde(default)]
        pause: Option<u64>,
    },
    /// Its pause was approved.
    Approved {
        /// Who approved what, and why.
        approved: Approved,
    },
    /// Its pause was rejected; that it is halted is told next.
    Rejected {
        /// The limit that had paused it.
        cause: Cause,
        /// The number of the pause.
        pause: u64,
    },
    /// Its parent's pause is over, and it does not pause by itself.
    Resumed {},
    /// A hold was settled with more than it had set aside.
    Overrun {
        /// Tokens above those set aside.
        tokens: u64,
        /// Nano-dollars above those set aside.
        nano_usd: u64,
    },
    /// A settle or a charge came after the execution's halt or end, or after the hold's deadline. It is recorded.
    LateSettle {
        /// Tokens used.
        tokens: u64,
        /// Nano-dollars used.
        nano_usd: u64,
    },
    /// A hold was ended by its deadline.
    HoldExpired {
        /// Tokens that its policy charged.
        tokens: u64,
        /// Nano-dollars that its policy charged.
        nano_usd: u64,
    },
    /// The execution has ended.
    Ended {
        /// What it had used.
        usage: UsageSnapshot,
    },
    /// The tenant was let go, because a fresh entry decides the same.
    Evicted {
        /// Its last figures.
        usage: TenantUsage,
    },
}

impl EventKind {
    /// Its name, as it serializes.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "registered",
            Self::RegistrationRefused { .. } => "registration_refused",
            Self::Blocked { .. } => "blocked",
            Self::Observed { .. } => "observed",
            Self::Cleared { .. } => "cleared",
            Self::Warning { .. } => "warning",
            Self::Halted { .. } => "halted",
            Self::Paused { .. } => "paused",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Resumed {} => "resumed",
            Self::Overrun { .. } => "overrun",
            Self::LateSettle { .. } => "late_settle",
            Self::HoldExpired { .. } => "hold_expired",
            Self::Ended { .. } => "ended",
            Self::Evicted { .. } => "evicted",
        }
    }
}

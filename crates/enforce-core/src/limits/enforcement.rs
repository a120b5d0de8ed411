//! How limits are enforced: when to warn, what to report, and what happens at a limit.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// What happens when a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Refuse this demand only.
    Refuse,
    /// Refuse this demand; admit nothing more until someone approves.
    Pause,
    /// Refuse this demand; admit nothing more, ever.
    Halt,
    /// Decide and report, and admit all the same.
    Observe,
}

/// As in a policy file: `refuse`, `pause`, `halt`, `observe`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refuse => "refuse",
            Self::Pause => "pause",
            Self::Halt => "halt",
            Self::Observe => "observe",
        })
    }
}

/// What happens at each limit. Whatever the action, a demand that is merely too large for what is left is refused and
/// changes nothing; *pause* and *halt* act once the limit is exhausted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitActions {
    /// At `max_steps`. Default [`Action::Halt`].
    pub steps: Action,
    /// At `max_tokens`. Default [`Action::Halt`].
    pub tokens: Action,
    /// At `max_cost_usd`. Default [`Action::Halt`].
    pub cost: Action,
    /// At `max_wall_time_ms`. Default [`Action::Halt`].
    pub wall_time: Action,
    /// At `idle_timeout_seconds`. Default [`Action::Halt`].
    pub idle: Action,
    /// At `max_same_step_repetitions`. Default [`Action::Halt`].
    pub same_step_loop: Action,
    /// At `max_memory_mb`. Default [`Action::Refuse`].
    pub memory: Action,
    /// At `max_discovered_steps`. Default [`Action::Refuse`].
    pub discovered_steps: Action,
    /// At `max_discovery_depth`: only refuse or observe, since depth comes back. Default [`Action::Refuse`].
    pub discovery_depth: Action,
    /// At `max_concurrent_executions`: only refuse or observe, since slots come back. Default [`Action::Refuse`].
    pub concurrency: Action,
    /// At a rate of requests or tokens: only refuse or observe, since rates refill. Default [`Action::Refuse`].
    pub rate: Action,
    /// At `cost_alert_threshold_usd`. Default [`Action::Pause`].
    pub cost_threshold: Action,
    /// At a named allowance. Default [`Action::Refuse`].
    pub allowances: Action,
}

impl Default for LimitActions {
    fn default() -> Self {
        Self {
            steps: Action::Halt,
            tokens: Action::Halt,
            cost: Action::Halt,
            wall_time: Action::Halt,
            idle: Action::Halt,
            same_step_loop: Action::Halt,
            memory: Action::Refuse,
            discovered_steps: Action::Refuse,
            discovery_depth: Action::Refuse,
            concurrency: Action::Refuse,
            rate: Action::Refuse,
            cost_threshold: Action::Pause,
            allowances: Action::Refuse,
        }
    }
}

impl LimitActions {
    /// Observe every limit and block nothing: for a trial run beside the limits in force.
    #[must_use]
    pub const fn observe() -> Self {
        Self {
            steps: Action::Observe,
            tokens: Action::Observe,
            cost: Action::Observe,
            wall_time: Action::Observe,
            idle: Action::Observe,
            same_step_loop: Action::Observe,
            memory: Action::Observe,
            discovered_steps: Action::Observe,
            discovery_depth: Action::Observe,
            concurrency: Action::Observe,
            rate: Action::Observe,
            cost_threshold: Action::Observe,
            allowances: Action::Observe,
        }
    }

    /// Whether each limit can have its action.
    ///
    /// # Errors
    /// Pause or halt for `discovery_depth`, `concurrency` or `rate`: those are never exhausted, only full for now.
    ///
    /// ```
    /// use enforce_core::{Action, LimitActions};
    ///
    /// assert_eq!(LimitActions { rate: Action::Halt, ..Default::default() }.validate().unwrap_err().key, "rate");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        let passing =
            [("discovery_depth", self.discovery_depth), ("concurrency", self.concurrency), ("rate", self.rate)];
        for (key, action) in passing {
            if matches!(action, Action::Pause | Action::Halt) {
                return Err(ConfigError::new(
                    key,
                    format!("{action} never acts on a limit that frees itself"),
                    format!("write {} or {}", Action::Refuse, Action::Observe),
                ));
            }
        }
        Ok(())
    }
}

/// How limits are enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnforcementPolicy {
    /// From which part of a limit on to warn, in percent of it, 0 to 100. Default 80.
    pub warning_threshold: u32,
    /// Whether a warning is also an event. Default true.
    pub emit_warning_events: bool,
    /// Whether a refusal is also an event. Default true.
    pub emit_block_events: bool,
    /// Time that an execution has beyond `max_wall_time_ms`, in milliseconds. Default 1,000.
    pub timeout_grace_ms: u64,
    /// What happens at each limit.
    pub actions: LimitActions,
}

impl Default for EnforcementPolicy {
    fn default() -> Self {
        Self {
            warning_threshold: 80,
            emit_warning_events: true,
            emit_block_events: true,
            timeout_grace_ms: 1_000,
            actions: LimitActions::default(),
        }
    }
}

impl EnforcementPolicy {
    /// Whether this policy makes sense, its [`actions`](Self::actions) included.
    ///
    /// # Errors
    /// A warning threshold above 100 percent; what [`LimitActions::validate`] refuses.
    ///
    /// ```
    /// use enforce_core::EnforcementPolicy;
    ///
    /// let policy = EnforcementPolicy { warning_threshold: 101, ..Default::default() };
    /// assert_eq!(policy.validate().unwrap_err().key, "warning_threshold");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.warning_threshold > 100 {
            return Err(ConfigError::new(
                "warning_threshold",
                format!("a warning at {} percent comes after the limit", self.warning_threshold),
                "write 0 to 100",
            ));
        }
        self.actions.validate()
    }
}

//! Limits on executions that run for long and find their own next steps.

use serde::{Deserialize, Serialize};

use super::{ConfigError, MAX_AMOUNT, at_most};
use crate::money::NanoUsd;

/// What keeps a long, self-directed execution from running away. The default is [`standard`](Self::standard).
///
/// | preset | discovered steps | depth | cost alert | idle | equal steps |
/// |---|---|---|---|---|---|
/// | `standard` | 50 | 5 | $5 | 30 min | 3 |
/// | `extended` | 300 | 10 | $50 | 4 h | 5 |
/// | `unlimited` | – | – | $100 | 24 h | – |
/// | `disabled` | – | – | – | – | – |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LongRunningExecutionPolicy {
    /// Steps that the execution found for itself. Default 50.
    pub max_discovered_steps: Option<u64>,
    /// How deep a discovered step may discover further ones. Default 5.
    pub max_discovery_depth: Option<u64>,
    /// What the execution may have cost, in dollars, before it waits for approval. Default $5.
    pub cost_alert_threshold_usd: Option<NanoUsd>,
    /// The highest cost threshold that an approval may name, in dollars. Default none.
    pub approval_ceiling_usd: Option<NanoUsd>,
    /// Time without activity, in seconds. Default 1,800 (half an hour).
    pub idle_timeout_seconds: Option<u64>,
    /// How many equal steps (or equal blocks of steps, see `max_cycle_length`) in a row are a loop: the step that
    /// would complete that many is refused. At least 2. Default 3.
    pub max_same_step_repetitions: Option<u64>,
    /// How many steps a repeated block may have: 1 sees A-A-A, 2 also A-B-A-B-A-B. From 1 to 8. Default 1.
    pub max_cycle_length: u64,
}

impl Default for LongRunningExecutionPolicy {
    fn default() -> Self {
        Self::standard()
    }
}

impl LongRunningExecutionPolicy {
    /// For most executions.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            max_discovered_steps: Some(50),
            max_discovery_depth: Some(5),
            cost_alert_threshold_usd: NanoUsd::from_usd_whole(5).ok(),
            idle_timeout_seconds: Some(1_800),
            max_same_step_repetitions: Some(3),
            ..Self::disabled()
        }
    }

    /// For large, supervised work.
    #[must_use]
    pub fn extended() -> Self {
        Self {
            max_discovered_steps: Some(300),
            max_discovery_depth: Some(10),
            cost_alert_threshold_usd: NanoUsd::from_usd_whole(50).ok(),
            idle_timeout_seconds: Some(14_400),
            max_same_step_repetitions: Some(5),
            ..Self::disabled()
        }
    }

    /// Anything goes for a day, but a person is asked from $100 on.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            cost_alert_threshold_usd: NanoUsd::from_usd_whole(100).ok(),
            idle_timeout_seconds: Some(86_400),
            ..Self::disabled()
        }
    }

    /// None of these limits. Switches nothing else off.
    #[must_use]
    pub const fn disabled() -> Self {
        Self {
            max_discovered_steps: None,
            max_discovery_depth: None,
            cost_alert_threshold_usd: None,
            approval_ceiling_usd: None,
            idle_timeout_seconds: None,
            max_same_step_repetitions: None,
            max_cycle_length: 1,
        }
    }

    /// The preset of this name: `standard`, `extended`, `unlimited` or `disabled`.
    ///
    /// ```
    /// use enforce_core::LongRunningExecutionPolicy;
    ///
    /// assert_eq!(LongRunningExecutionPolicy::preset("standard"), Some(LongRunningExecutionPolicy::default()));
    /// assert_eq!(LongRunningExecutionPolicy::preset("generous"), None);
    /// ```
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "standard" => Some(Self::standard()),
            "extended" => Some(Self::extended()),
            "unlimited" => Some(Self::unlimited()),
            "disabled" => Some(Self::disabled()),
            _ => None,
        }
    }

    /// Whether these limits make sense.
    ///
    /// # Errors
    /// An amount above 2⁵⁶ − 1; fewer than two repetitions, since every step repeats itself once; a cycle length
    /// outside 1 to 8. A time may be any number.
    ///
    /// ```
    /// use enforce_core::LongRunningExecutionPolicy;
    ///
    /// let policy = LongRunningExecutionPolicy { max_same_step_repetitions: Some(1), ..Default::default() };
    /// assert_eq!(policy.validate().unwrap_err().key, "max_same_step_repetitions");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_most(MAX_AMOUNT, "max_discovered_steps", self.max_discovered_steps)?;
        at_most(MAX_AMOUNT, "max_discovery_depth", self.max_discovery_depth)?;
        at_most(MAX_AMOUNT, "max_same_step_repetitions", self.max_same_step_repetitions)?;
        if let Some(repetitions @ 0..=1) = self.max_same_step_repetitions {
            return Err(ConfigError::new(
                "max_same_step_repetitions",
                format!("{repetitions} would refuse every first step"),
                "write at least 2 or leave it out",
            ));
        }
        if !(1..=8).contains(&self.max_cycle_length) {
            return Err(ConfigError::new(
                "max_cycle_length",
                format!("a block of {} steps is not looked for", self.max_cycle_length),
                "write 1 to 8",
            ));
        }
        Ok(())
    }
}

//! The process: the scope above all tenants of one enforcer.

use crate::budget::{self, Budgets, Terms};
use crate::clock::Timestamp;
use crate::kernel::door::{Door, Stand};
use crate::limits::{ConfigError, EnforcementPolicy, ProcessPolicy};
use crate::slots::{Slots, live_limit};
use crate::snapshot::ProcessUsage;
use crate::sync::Mutex;

/// What all tenants may do together, compiled.
#[derive(Debug, Default)]
pub(crate) struct ProcessPlan {
    live_limit: Option<u64>,
    budgets: Box<[Terms]>,
}

impl ProcessPlan {
    /// Slots, as many as it says.
    pub(crate) fn slots(&self) -> Slots {
        Slots::new(self.live_limit)
    }

    pub(crate) fn compile(policy: &ProcessPolicy, enforcement: &EnforcementPolicy) -> Result<Self, ConfigError> {
        policy.validate()?;
        let budgets = budget::compile(&policy.budgets, None, enforcement.warning_threshold);
        Ok(Self { live_limit: live_limit(policy.max_concurrent_executions, enforcement), budgets })
    }
}

/// What all tenants share: budgets. Their slots lie beside the table of executions.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) budgets: Budgets,
    /// Whether roots may be registered.
    pub(crate) door: Door,
    /// Serialises changes.
    changes: Mutex<()>,
}

impl Process {
    pub(crate) fn new(plan: &ProcessPlan, now: Timestamp) -> Self {
        Self { budgets: Budgets::new(&plan.budgets, now), door: Door::new(Stand::Open), changes: Mutex::new(()) }
    }

    /// Replaces its limits, those of its `slots` too, by `plan`; what is used stays (L1). `reach` sees to it that every
    /// execution meets them.
    pub(crate) fn relimit(&self, plan: &ProcessPlan, slots: &Slots, now: Timestamp, reach: impl FnOnce()) {
        let _turn = self.changes.lock();
        slots.relimit(plan.live_limit);
        self.budgets.replace(&plan.budgets, now);
        if self.budgets.is_set() {
            reach();
        }
    }

    pub(crate) fn usage(&self, live_executions: u64, now: Timestamp) -> ProcessUsage {
        ProcessUsage { live_executions, budgets: self.budgets.usage(now) }
    }
}

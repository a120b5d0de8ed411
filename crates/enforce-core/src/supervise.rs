//! Watching over an execution from outside: pauses, approvals and changes of its limits.

use crate::allowance::{AllowanceKey, Spent};
use crate::approval::{Approval, ApprovalError, Approved, PauseTicket};
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, ScopeKind, ViolationType};
use crate::event::EventKind;
use crate::execution::Execution;
use crate::extra::{Extra, Pause};
use crate::kernel::tally::MAX_AMOUNT;
use crate::limits::{ConfigError, LongRunningExecutionPolicy, ResourceLimits, amount_or_unlimited};
use crate::money::NanoUsd;
use crate::plan::{Plan, Source};
use crate::resource::Resource;
use crate::snapshot::Status;

impl Execution {
    /// Pauses it: nothing is admitted once this has returned, to any caller, until the pause is approved. Open holds can
    /// still be settled; its slot stays taken. An execution that is paused, halted or ended stays as it is: the status
    /// that comes back tells.
    pub fn pause(&self, why: impl Into<String>) -> Status {
        self.pause_at(why, self.record().core().clock.now())
    }

    /// [`Execution::pause`] at a time that the caller has minted.
    pub fn pause_at(&self, why: impl Into<String>, now: Timestamp) -> Status {
        let requested = EnforcementViolation::new(ViolationType::Requested, 0, 0);
        let _first = self.record().pause(&requested, Some(why.into()), None, now).first;
        self.status()
    }

    /// The pause that awaits an approval; `None` if it is not paused, or no longer.
    #[must_use]
    pub fn pause_ticket(&self) -> Option<PauseTicket> {
        let Pause { number, violation, why, at, until } = self.record().open_pause()?;
        Some(PauseTicket {
            execution_id: self.id().into(),
            tenant_id: self.tenant_id().into(),
            pause: number,
            cause: violation.as_cause(),
            limit: violation.limit,
            used: violation.used,
            asked: violation.asked,
            why,
            paused_at: at,
            until,
        })
    }

    /// Ends the pause that `ticket` stands for, and no other, and lets the execution go on under the limit that the
    /// approval names. The approval is kept: [`Execution::approvals`].
    ///
    /// The limit that paused it is raised before anything is admitted again. A tenant's limit is not: its execution goes
    /// on, and is paused again if the tenant has nothing left. Where the owner of a budget has approved its pauses beforehand
    /// ([`Budget::next_period_approves`](crate::Budget::next_period_approves)), this comes before that, and that does nothing any
    /// more.
    ///
    /// # Errors
    /// The pause has ended, by another approval, a halt or the end (E3); the limit that is named leaves no room or is
    /// above the ceiling. Nothing is changed then.
    ///
    /// ```
    /// use enforce_core::{Actual, Approval, ApprovalError, Demand, Enforcer, LongRunningExecutionPolicy};
    ///
    /// let policy = LongRunningExecutionPolicy {
    ///     cost_alert_threshold_usd: Some("5".parse()?),
    ///     ..LongRunningExecutionPolicy::disabled()
    /// };
    /// let run = Enforcer::builder().long_running(policy).build()?.execution("exec_1", "tenant_a").register()?;
    /// run.charge(Actual::none().cost("5.20".parse()?)); // reaches the threshold: paused before this returns
    /// assert!(run.reserve(Demand::step()).is_err());
    ///
    /// let ticket = run.pause_ticket().ok_or("not paused")?;
    /// run.approve(&ticket, Approval::new("ada", "worth another five dollars"))?;
    /// assert!(run.reserve(Demand::step()).is_ok());
    /// assert_eq!(run.approve(&ticket, Approval::new("bob", "late")), Err(ApprovalError::NotPaused));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn approve(&self, ticket: &PauseTicket, approval: Approval) -> Result<Approved, ApprovalError> {
        self.approve_at(ticket, approval, self.record().core().clock.now())
    }

    /// [`Execution::approve`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::approve`].
    pub fn approve_at(
        &self,
        ticket: &PauseTicket,
        approval: Approval,
        now: Timestamp,
    ) -> Result<Approved, ApprovalError> {
        let record = self.record();
        let cause = self.pause_of(ticket)?.violation.as_cause();
        let mut approved = None;
        let change = record.resume(ticket.pause, now, |plan| {
            let raised = Raise::of(plan, record.registered_plan(), cause)
                .map(|raise| raise.by(plan, approval.next_limit, self.committed(cause)))
                .transpose()?;
            let (next_limit, plan) = raised.unzip();
            let Approval { by, why, .. } = approval;
            let done = Approved { pause: ticket.pause, cause, by, why, next_limit, at: now };
            // Under the lock of the pause, so that they stand in the order in which they were carried out.
            record.extra_or_new().record(done.clone());
            record.note(Some(now), || EventKind::Approved { approved: done.clone() });
            approved = Some(done);
            Ok(plan)
        })?;
        approved.filter(|_| change.first).ok_or(ApprovalError::NotPaused)
    }

    /// Halts it instead of letting it go on, for what had paused it.
    ///
    /// # Errors
    /// The pause has ended, by an approval, a halt or the end; nothing is changed then.
    ///
    /// ```
    /// use enforce_core::{Enforcer, Status};
    ///
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
    /// run.pause("looks lost");
    /// let ticket = run.pause_ticket().ok_or("not paused")?;
    /// assert!(matches!(run.reject(&ticket)?, Status::Halted(_)));
    /// assert!(run.reject(&ticket).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reject(&self, ticket: &PauseTicket) -> Result<Status, ApprovalError> {
        self.reject_with(ticket, None)
    }

    /// [`Execution::reject`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::reject`].
    pub fn reject_at(&self, ticket: &PauseTicket, now: Timestamp) -> Result<Status, ApprovalError> {
        self.reject_with(ticket, Some(now))
    }

    fn reject_with(&self, ticket: &PauseTicket, now: Option<Timestamp>) -> Result<Status, ApprovalError> {
        self.pause_of(ticket)?;
        let first = self.record().reject(ticket.pause, now).first;
        first.then(|| self.status()).ok_or(ApprovalError::NotPaused)
    }

    /// The open pause that `ticket` stands for. Numbers are given anew by every enforcer, so they alone do not tell (E3); of
    /// one enforcer they never return, so the number still stands for this pause when it is compared under the lock.
    fn pause_of(&self, ticket: &PauseTicket) -> Result<Pause, ApprovalError> {
        let mine = ticket.execution_id == self.id() && ticket.tenant_id == self.tenant_id();
        let open = self.record().open_pause().filter(|pause| mine && pause.at == ticket.paused_at);
        open.filter(|pause| pause.number == ticket.pause).ok_or(ApprovalError::NotPaused)
    }

    /// The approvals that were carried out, oldest first.
    #[must_use]
    pub fn approvals(&self) -> Vec<Approved> {
        self.record().extra().map(Extra::approved).unwrap_or_default()
    }

    /// Replaces its limits while it runs; what it has used stays. A lower limit than what is used leaves debt, which
    /// blocks; a raise is seen by the next attempt (L1). `max_concurrent_executions` is the tenant's and is not looked at.
    ///
    /// # Errors
    /// Limits that cannot be counted; the old ones stay.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, ResourceLimits};
    ///
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
    /// run.set_limits(ResourceLimits { max_steps: 0, ..ResourceLimits::unlimited() })?;
    /// assert!(run.check(Demand::step()).is_blocked());
    /// assert!(run.set_limits(ResourceLimits { max_steps: u64::MAX - 1, ..ResourceLimits::unlimited() }).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_limits(&self, limits: ResourceLimits) -> Result<(), ConfigError> {
        self.change_limits(|source| Source { limits, ..source })
    }

    /// Replaces its long-running limits while it runs, as [`Execution::set_limits`] does. A memory of longer cycles begins
    /// with the change.
    ///
    /// # Errors
    /// Limits that make no sense; the old ones stay.
    pub fn set_long_running(&self, long_running: LongRunningExecutionPolicy) -> Result<(), ConfigError> {
        self.change_limits(|source| Source { long_running, ..source })
    }

    /// Changes the limit of one of its allowances while it runs; what it has used stays (L1). [`UNLIMITED`](crate::UNLIMITED)
    /// takes the limit away.
    ///
    /// # Errors
    /// A key that another enforcer resolved, or units that cannot be counted; the old limit stays.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer};
    ///
    /// let enforcer = Enforcer::builder().allowance("web_search", 1).build()?;
    /// let (search, run) = (enforcer.allowance("web_search")?, enforcer.execution("exec_1", "tenant_a").register()?);
    /// drop(run.reserve(Demand::step().allowance(search))?);
    /// run.set_allowance(search, 2)?;
    /// drop(run.reserve(Demand::step().allowance(search))?);
    /// assert!(run.reserve(Demand::step().allowance(search)).is_err());
    /// assert!(run.set_allowance(search, u64::MAX - 1).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_allowance(&self, key: AllowanceKey, units: u64) -> Result<(), ConfigError> {
        amount_or_unlimited("allowance", units)?;
        let spent = Spent::of(self.record().spent_or_new(), key).ok_or_else(|| {
            ConfigError::new("allowance", "the key is another enforcer's", "resolve it from this one")
        })?;
        self.record().change_while_still(|| spent.relimit(units.min(MAX_AMOUNT)));
        Ok(())
    }

    fn change_limits(&self, next: impl FnOnce(Source) -> Source) -> Result<(), ConfigError> {
        self.record().change_limits(|plan| Plan::compile(next(plan.source.clone())))?;
        // A limit of time may be new, or come earlier now.
        self.record().core().time_anew(self);
        self.record().core().flush();
        Ok(())
    }

    fn committed(&self, cause: Cause) -> u64 {
        counted(cause).map_or(0, |resource| self.record().committed_of(resource))
    }
}

/// The resource that a limit counts.
fn counted(cause: Cause) -> Option<Resource> {
    Some(match cause.violation_type {
        ViolationType::StepLimit => Resource::Steps,
        ViolationType::TokenLimit => Resource::Tokens,
        ViolationType::CostLimit | ViolationType::CostThreshold => Resource::Cost,
        ViolationType::DiscoveredStepLimit => Resource::DiscoveredSteps,
        _ => return None,
    })
}

/// A limit that an approval may raise.
struct Raise {
    kind: ViolationType,
    current: u64,
    registered: u64,
    ceiling: Option<u64>,
}

impl Raise {
    /// `None` of what has no limit to be raised: somebody's wish, a tenant's limit, time, a loop.
    fn of(plan: &Plan, registered: &Plan, cause: Cause) -> Option<Self> {
        let kind = cause.violation_type;
        let resource = counted(cause).filter(|_| cause.scope == ScopeKind::Execution)?;
        let of = |plan: &Plan| match kind {
            ViolationType::CostThreshold => plan.cost_threshold.as_ref().map(|threshold| threshold.limit),
            _ => plan.limits(resource).then(|| plan.tally(resource).limit),
        };
        let current = of(plan)?;
        let ceiling = plan.source.long_running.approval_ceiling_usd.map(NanoUsd::get);
        let ceiling = ceiling.filter(|_| kind == ViolationType::CostThreshold);
        // A slice is no more than it is.
        let slice = plan.source.slice.map(|slice| slice.get(resource));
        let ceiling = ceiling.or(slice.filter(|_| kind != ViolationType::CostThreshold));
        // A limit that it was not registered with is its own original.
        Some(Self { kind, current, registered: of(registered).unwrap_or(current), ceiling })
    }

    /// The next limit and the plan that has it.
    fn by(&self, plan: &Plan, next: Option<u64>, committed: u64) -> Result<(u64, Plan), ApprovalError> {
        let next_limit = next.unwrap_or_else(|| self.current.saturating_add(self.registered).min(NanoUsd::MAX.get()));
        if next_limit <= committed {
            return Err(ApprovalError::TooLow { next_limit, committed });
        }
        if let Some(ceiling) = self.ceiling.filter(|ceiling| next_limit > *ceiling) {
            return Err(ApprovalError::AboveCeiling { next_limit, ceiling });
        }
        let mut source = plan.source.clone();
        let too_large = |_| ApprovalError::AboveCeiling { next_limit, ceiling: NanoUsd::MAX.get() };
        match self.kind {
            ViolationType::StepLimit => source.limits.max_steps = next_limit,
            ViolationType::TokenLimit => source.limits.max_tokens = next_limit,
            ViolationType::DiscoveredStepLimit => source.long_running.max_discovered_steps = Some(next_limit),
            ViolationType::CostLimit => {
                source.limits.max_cost_usd = Some(NanoUsd::new(next_limit).map_err(too_large)?);
            }
            _ => {
                let threshold = NanoUsd::new(next_limit).map_err(too_large)?;
                source.long_running.cost_alert_threshold_usd = Some(threshold);
            }
        }
        let plan = Plan::compile(source)
            .map_err(|_| ApprovalError::AboveCeiling { next_limit, ceiling: NanoUsd::MAX.get() })?;
        Ok((next_limit, plan))
    }
}

//! Registering a child.

use std::borrow::Cow;

use crate::admission;
use crate::books;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, ScopeKind};
use crate::event::EventKind;
use crate::execution::Execution;
use crate::family::{Parent, Share, Slice};
use crate::id::validate;
use crate::kernel::table::Rejected;
use crate::limits::{LongRunningExecutionPolicy, ResourceLimits};
use crate::plan::{Plan, Source};
use crate::record::Record;
use crate::register::RegisterError;
use crate::resource::{Amounts, Demand};
use crate::sync::Arc;
use crate::told::Asked;

/// Registers a child of an execution.
#[derive(Debug)]
#[must_use = "nothing is registered until `register`"]
pub struct ChildBuilder<'a> {
    parent: &'a Execution,
    id: Cow<'a, str>,
    limits: ResourceLimits,
    long_running: Option<LongRunningExecutionPolicy>,
    slice: Option<Demand>,
}

impl Execution {
    /// Begins to register a child under `id`. It takes no slot of the tenant, and shares its parent's budget unless
    /// [`ChildBuilder::slice`] sets a part of it aside.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, ResourceLimits, ScopeKind};
    ///
    /// let limits = ResourceLimits { max_steps: 3, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
    /// let helper = run.child("exec_1.1").register()?;
    /// drop(run.reserve(Demand::step().steps(2))?);
    /// drop(helper.reserve(Demand::step())?);
    /// assert_eq!(helper.reserve(Demand::step()).unwrap_err().scope, ScopeKind::Parent); // one budget, used up together
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn child<'a>(&'a self, id: impl Into<Cow<'a, str>>) -> ChildBuilder<'a> {
        ChildBuilder {
            parent: self,
            id: id.into(),
            limits: ResourceLimits::unlimited(),
            long_running: None,
            slice: None,
        }
    }
}

impl ChildBuilder<'_> {
    /// Its own limits, besides its parent's budget. Default: none.
    pub fn limits(self, limits: ResourceLimits) -> Self {
        Self { limits, ..self }
    }

    /// Its own long-running limits. Default: its parent's guards (idleness, repeated steps, depth), without a cost
    /// threshold or a limit on discovered steps of its own.
    pub fn long_running(self, long_running: LongRunningExecutionPolicy) -> Self {
        Self { long_running: Some(long_running), ..self }
    }

    /// Sets the amounts of `slice` aside for it, on its parent and on everything that its parent shares a budget with,
    /// until it ends; what it has not used then goes back, and what its open holds have not used when they end. Of what
    /// `slice` does not name it may use nothing, whatever its limits are or become; a provider or a fingerprint that it
    /// names is not looked at. Default: it shares its parent's budget.
    pub fn slice(self, slice: Demand) -> Self {
        Self { slice: Some(slice), ..self }
    }

    /// Registers it, or says why not.
    ///
    /// # Errors
    /// As [`crate::ExecutionBuilder::register`]; the parent is halted, paused or ended; it may have no more children; it
    /// has no room for the slice. Nothing is left behind.
    ///
    /// ```
    /// use enforce_core::{Enforcer, RegisterError};
    ///
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
    /// run.finish();
    /// assert!(matches!(run.child("exec_1.1").register(), Err(RegisterError::Refused(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register(self) -> Result<Execution, RegisterError> {
        let now = self.parent.record().core().clock.now();
        self.register_at(now)
    }

    /// [`ChildBuilder::register`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`ChildBuilder::register`].
    pub fn register_at(self, now: Timestamp) -> Result<Execution, RegisterError> {
        let above = self.parent.record();
        let registered = self.enter_at(now);
        match &registered {
            Ok(_) => above.tell_answered(Asked::Registration, Some(now)),
            Err(RegisterError::Refused(violation)) => {
                above.tell_refused(Asked::Registration, violation, None, Some(now));
            }
            Err(_) => {}
        }
        above.core().flush();
        registered
    }

    fn enter_at(self, now: Timestamp) -> Result<Execution, RegisterError> {
        validate("execution id", &self.id).map_err(RegisterError::InvalidId)?;
        let above = self.parent.record();
        if let Some(violation) = above.too_deep() {
            return Err(RegisterError::Refused(violation));
        }
        let plan = Plan::compile(self.source(&above.plan())).map_err(RegisterError::Config)?;
        if let Some(violation) = above.barred_at(Some(now)) {
            return Err(refused(violation));
        }
        // From here on steps are counted apart: a slice or a child is about to take from the tally.
        above
            .hold_still(now, || {
                above.meter_steps();
                Ok(())
            })
            .map_err(refused)?;
        let share = match &self.slice {
            None => Share::Pool,
            Some(slice) => {
                let amounts = slice.amounts();
                let periods = admission::set_aside(above, &amounts, now).map_err(refused)?;
                Share::Slice(Slice { amounts, periods })
            }
        };
        let parent = Parent { execution: self.parent.clone(), share, depth: above.tree_depth().saturating_add(1) };
        // The parent is attached, so its tenant is not retired.
        above.tenant.attachments().attach();
        let child = Execution::new(&self.id, Arc::clone(&above.tenant), Arc::new(plan), Some(parent), now);
        let registered =
            above.hold_still(now, || above.children().join(&above.plan(), &child, || enter(above, &child, now)));
        let refused = match registered {
            Ok(Ok(Entered { in_time: true })) => {
                above.core().flush();
                return Ok(child);
            }
            Ok(Ok(Entered { in_time: false })) => {
                // Outside the locks that this takes. Who may have found it by its id meanwhile is not forgotten.
                child.finish_at(now);
                return Err(refused(above.reaped_violation(Some(now))));
            }
            Ok(Err(Rejected::Duplicate)) => RegisterError::Duplicate { id: self.id.into_owned() },
            Ok(Err(_)) => RegisterError::Full { table: "executions" },
            Err(violation) => refused(violation),
        };
        give_back(&child);
        Err(refused)
    }

    /// Its own limits, and no more of anything than its slice.
    fn source(&self, above: &Plan) -> Source {
        let long_running = self.long_running.clone().unwrap_or_else(|| guards(&above.source));
        let (policy, slice) = (Arc::clone(&above.source.policy), self.slice.as_ref().map(Demand::amounts));
        Source { limits: self.limits.clone(), long_running, policy, slice }
    }
}

/// The long-running limits of a child that names none: the guards of its parent.
pub(crate) fn guards(above: &Source) -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy {
        cost_alert_threshold_usd: None,
        max_discovered_steps: None,
        ..above.long_running.clone()
    }
}

/// A child has got into the table.
struct Entered {
    /// Its parent had not been found idle before.
    in_time: bool,
}

/// Enters `child` into the table. That is its parent's activity: who has a live child is not idle (I1).
fn enter(above: &Record, child: &Execution, now: Timestamp) -> Result<Entered, Rejected> {
    let core = above.core();
    match core.executions.register([], child.clone()) {
        // Without an enforcer nobody looks for anyone by id: its handles and its parent know it.
        Ok(()) | Err(Rejected::Closed) => {}
        Err(rejected) => return Err(rejected),
    }
    child.record().note(Some(now), || EventKind::Registered { parent: Some(above.id().as_str().into()) });
    core.time(child);
    let in_time = above.plan().idle.is_none() || above.hot.activity.touch(now.nanos_since(core.epoch));
    Ok(Entered { in_time })
}

/// Gives back what was set aside for a child that was not registered.
fn give_back(child: &Execution) {
    child.record().annul();
    if let Some(Parent { execution, share: Share::Slice(slice), .. }) = child.record().parent() {
        books::shift(execution, slice.periods, &slice.amounts, &Amounts::default());
        execution.record().core().flush();
    }
}

/// Refused, by a limit or a state of its parent, as seen from below.
fn refused(violation: EnforcementViolation) -> RegisterError {
    let above = |scope| if scope == ScopeKind::Execution { ScopeKind::Parent } else { scope };
    let cause = violation.cause.map(|cause| Cause { scope: above(cause.scope), ..cause });
    RegisterError::Refused(EnforcementViolation { scope: above(violation.scope), cause, ..violation })
}

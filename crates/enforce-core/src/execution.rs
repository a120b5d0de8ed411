//! One execution: its record, and the handle through which it is asked.

use std::fmt;

use crate::admission::{self, Asked};
use crate::books::Exhausted;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementResult, EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::family::Parent;
use crate::hold::{Hold, Lasting, OwnedHold, Settlement};
use crate::kept::{Kept, OnDrop};
use crate::kernel::timers::{Seat, Seated};
use crate::limits::Action;
use crate::plan::Plan;
use crate::record::Record;
use crate::resource::{Actual, Demand};
use crate::snapshot::{Status, UsageSnapshot};
use crate::sync::{Arc, Keyed, Weak};
use crate::tenant::Tenant;
use crate::told::Asked as Asking;

/// The handle of one registered execution: cheap to clone, `Send + Sync + 'static`; all clones are the same execution.
///
/// Dropping a handle ends nothing: [`Execution::finish`] does. Every verb that asks for the time has an `_at` form for
/// callers who mint one [`Timestamp`] a batch. No verb reads the clock more than once; asking, settling and charging
/// read it only where a limit needs it, a touch, a snapshot and an end always.
///
/// **Progress.** Asking and settling are lock-free but for two small locks: a step with a fingerprint, or without one
/// behind one that has it, takes its execution's; the first to ask in a new period of a budget, and who has to undo a
/// rate, take those of the budget and the rate. A halt, a pause, a change of limits and an end take a cold lock of the
/// execution. Registering and ending a root take its tenant's, which [`crate::Enforcer::tenant_usage`] holds while it
/// walks; a child takes its parent's.
#[derive(Clone)]
pub struct Execution(Arc<Record>);

/// An execution that is known, but not kept in memory.
#[derive(Debug)]
pub(crate) struct Known(Weak<Record>);

impl Known {
    pub(crate) fn upgrade(&self) -> Option<Execution> {
        self.0.upgrade().map(Execution)
    }

    pub(crate) fn is(&self, other: &Execution) -> bool {
        self.0.as_ptr() == Arc::as_ptr(&other.0)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Seated for Execution {
    fn seat(&self) -> &Seat {
        self.0.seat()
    }
}

impl Keyed for Execution {
    fn key(&self) -> &[u8] {
        self.0.id().as_str().as_bytes()
    }
}

impl Execution {
    /// One attached to `tenant`: the attachment ends with its record. Nobody knows it yet.
    pub(crate) fn new(id: &str, tenant: Arc<Tenant>, plan: Arc<Plan>, parent: Option<Parent>, now: Timestamp) -> Self {
        // Where it will lie there is memory before it is made, so it is made there: `Arc::new` would write it elsewhere,
        // in small pieces, and then read it back in large ones, for which a processor has to wait.
        Self(Arc::new_cyclic(|_| Record::new(id, tenant, plan, parent, now)))
    }

    #[inline]
    pub(crate) fn record(&self) -> &Record {
        &self.0
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn downgrade(&self) -> Known {
        Known(Arc::downgrade(&self.0))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.id().as_str()
    }

    /// The id of its tenant.
    #[must_use]
    pub fn tenant_id(&self) -> &str {
        self.0.tenant.id().as_str()
    }

    /// When it was registered.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.0.started
    }

    /// Takes everything that `demand` asks, on every limit, or nothing.
    ///
    /// Steps count as begun from here on, whatever becomes of the hold; tokens, money and memory are set aside until the
    /// hold is settled or dropped. Rates keep the request, and get the tokens back that were not used.
    ///
    /// # Errors
    /// The first limit that refuses, in the order state, wall time, active time, idle time, steps, tokens, memory, cost, cost
    /// threshold, discovered steps, allowances, loop, parents whose budget it shares, tenant, process, rates. A refusal
    /// changes no amount; if the limit is exhausted, its action (halt, pause) has been carried out before this returns.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, ResourceLimits, ViolationType};
    ///
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
    /// let hold = run.reserve(Demand::step().tokens(600, 300))?;
    /// let refused = run.reserve(Demand::step().tokens(100, 100)).unwrap_err();
    /// assert_eq!((refused.violation_type, refused.remaining), (ViolationType::TokenLimit, 100));
    /// # drop(hold);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn reserve(&self, demand: Demand) -> Result<Hold<'_>, EnforcementViolation> {
        admission::reserve(self, &demand, None)
    }

    /// [`Execution::reserve`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::reserve`].
    #[inline(always)]
    pub fn reserve_at(&self, demand: Demand, now: Timestamp) -> Result<Hold<'_>, EnforcementViolation> {
        admission::reserve(self, &demand, Some(now))
    }

    /// [`Execution::reserve`] for a hold that outlives the borrow: for tasks and response bodies.
    ///
    /// # Errors
    /// As [`Execution::reserve`].
    #[inline(always)]
    pub fn reserve_owned(&self, demand: Demand) -> Result<OwnedHold, EnforcementViolation> {
        admission::reserve(Lasting(self), &demand, None)
    }

    /// [`Execution::reserve_owned`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::reserve`].
    #[inline(always)]
    pub fn reserve_owned_at(&self, demand: Demand, now: Timestamp) -> Result<OwnedHold, EnforcementViolation> {
        admission::reserve(Lasting(self), &demand, Some(now))
    }

    /// Whether `demand` would be admitted now. Changes nothing; the answer may be out of date when it arrives, which is
    /// why [`Execution::reserve`] does not build on it.
    pub fn check(&self, demand: Demand) -> EnforcementResult {
        admission::check(&self.0, &demand, None)
    }

    /// [`Execution::check`] at a time that the caller has minted.
    pub fn check_at(&self, demand: Demand, now: Timestamp) -> EnforcementResult {
        admission::check(&self.0, &demand, Some(now))
    }

    /// Records what happened without having been asked. Never refused, by no state either; what passes a limit is debt.
    pub fn charge(&self, actual: Actual) -> Settlement {
        self.charge_with(&actual, None)
    }

    /// [`Execution::charge`] at a time that the caller has minted.
    pub fn charge_at(&self, actual: Actual, now: Timestamp) -> Settlement {
        self.charge_with(&actual, Some(now))
    }

    fn charge_with(&self, actual: &Actual, now: Option<Timestamp>) -> Settlement {
        let (periods, now) = Asked::to_record(&self.0, now);
        let settled = Kept::nothing(periods, OnDrop::GiveBack).settle(&self.0, actual, now);
        if settled.late {
            self.0.tell_settled(actual, &settled, false, now);
        }
        settled
    }

    /// Says that it is not idle.
    ///
    /// # Errors
    /// The state that bars it, if it is halted, paused or ended.
    ///
    /// ```
    /// use enforce_core::{Enforcer, ViolationType};
    ///
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
    /// run.touch()?;
    /// run.finish();
    /// assert_eq!(run.touch().unwrap_err().violation_type, ViolationType::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn touch(&self) -> Result<(), EnforcementViolation> {
        self.touch_at(self.0.core().clock.now())
    }

    /// [`Execution::touch`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::touch`].
    pub fn touch_at(&self, now: Timestamp) -> Result<(), EnforcementViolation> {
        match self.0.barred_at(Some(now)) {
            Some(violation) => Err(violation),
            None if self.0.hot.activity.touch(now.nanos_since(self.0.core().epoch)) => Ok(()),
            None => Err(self.0.reaped_violation(Some(now))),
        }
    }

    /// Whether `host` may be reached, by the network policy of its enforcer. A pure check: it changes nothing, asks for no
    /// state, and no reservation makes it.
    ///
    /// # Errors
    /// `network_violation`: never to be retried.
    ///
    /// ```
    /// use enforce_core::{Enforcer, NetworkPolicy};
    ///
    /// let run = Enforcer::builder().network(NetworkPolicy::AirGapped).build()?.execution("exec_1", "tenant_a").register()?;
    /// run.check_host("localhost:11434")?; // a local provider
    /// let refused = run.check_host("api.example.com").unwrap_err();
    /// assert_eq!(refused.to_error().to_http_status(), 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_host(&self, host: &str) -> Result<(), EnforcementViolation> {
        let checked = self.0.core().check_host(host);
        self.tell_asked(Asking::Host, checked.as_ref().err());
        checked
    }

    /// One discovery deeper, until the guard is dropped.
    ///
    /// # Errors
    /// `discovery_depth_limit` if that would be too deep; the depth is unchanged. The state that bars it, if it is
    /// halted, paused or ended.
    ///
    /// ```
    /// use enforce_core::{Enforcer, LongRunningExecutionPolicy, ViolationType};
    ///
    /// let policy = LongRunningExecutionPolicy { max_discovery_depth: Some(1), ..Default::default() };
    /// let run = Enforcer::builder().long_running(policy).build()?.execution("exec_1", "tenant_a").register()?;
    /// let outer = run.enter_discovery()?;
    /// assert_eq!(run.enter_discovery().unwrap_err().violation_type, ViolationType::DiscoveryDepthLimit);
    /// drop(outer);
    /// assert!(run.enter_discovery().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn enter_discovery(&self) -> Result<DepthGuard<'_>, EnforcementViolation> {
        let entered = self.enter();
        self.tell_asked(Asking::Level, entered.as_ref().err());
        entered.map(|()| DepthGuard(self))
    }

    fn enter(&self) -> Result<(), EnforcementViolation> {
        if let Some(violation) = self.0.barred_at(None) {
            return Err(violation);
        }
        let limit = self.0.plan().depth_limit.filter(|_| self.0.plan().depth_action != Action::Observe);
        match self.0.hot.depth.push(limit.unwrap_or(u64::MAX)) {
            Ok(_) => Ok(()),
            Err(depth) => Err(depth_violation(depth, limit.unwrap_or(u64::MAX))),
        }
    }

    /// Tells how something went that is asked for without a demand.
    #[inline]
    fn tell_asked(&self, asked: Asking, refused: Option<&EnforcementViolation>) {
        match refused {
            Some(violation) => self.0.tell_refused(asked, violation, None, None),
            None => self.0.tell_answered(asked, None),
        }
    }

    /// Halts it for good: nothing is admitted once this has returned, to any caller. Its slot is free at once; open
    /// holds can still be settled.
    ///
    /// The cause is the limit whose violation the caller acts upon. The first cause stays: the status that comes back
    /// tells which one it is.
    pub fn halt(&self, cause: Cause) -> Status {
        self.halt_with(cause, None)
    }

    /// [`Execution::halt`] at a time that the caller has minted.
    pub fn halt_at(&self, cause: Cause, now: Timestamp) -> Status {
        self.halt_with(cause, Some(now))
    }

    fn halt_with(&self, cause: Cause, now: Option<Timestamp>) -> Status {
        let _first = self.0.halt(cause, now).first;
        self.0.status()
    }

    /// Ends it, and everything below it, for all clones: new holds are refused, its slot is free, its id may be registered
    /// again. Usage is final once nothing is outstanding; open holds can still be settled, into its record and its
    /// tenant's.
    pub fn finish(&self) -> UsageSnapshot {
        self.finish_at(self.0.core().clock.now())
    }

    /// [`Execution::finish`] at a time that the caller has minted.
    pub fn finish_at(&self, now: Timestamp) -> UsageSnapshot {
        let mut exhausted = Vec::new();
        self.end(now, &mut exhausted);
        // What a slice has exhausted above acts before this returns, outside the locks under which it was settled.
        for exhausted in &exhausted {
            let _acted = exhausted.carry_out(Some(now));
        }
        self.0.core().flush();
        self.0.snapshot(now)
    }

    /// Ends it and everything below it.
    pub(crate) fn end(&self, now: Timestamp, exhausted: &mut Vec<Exhausted>) {
        let record = &*self.0;
        // Still under the lock of those beside it, where whoever comes second waits: to every caller to whom the end has
        // returned, the id and its place in the table are free (G1).
        let end = |exhausted: &mut Vec<Exhausted>| record.end(now, exhausted).inspect(|_| record.core().forget(self));
        match self.parent() {
            Some(parent) => parent.record().children().leave(self, now, exhausted, end),
            None => record.tenant.leave(self, || end(exhausted).map(|ended| ended.committed)),
        }
    }

    /// An owner that finishes it when it is dropped, also on panic.
    #[must_use = "dropping it ends the execution"]
    pub fn finish_on_drop(self) -> FinishOnDrop {
        FinishOnDrop(self)
    }

    /// What it has used.
    #[must_use]
    pub fn snapshot(&self) -> UsageSnapshot {
        self.snapshot_at(self.0.core().clock.now())
    }

    /// [`Execution::snapshot`] at a time that the caller has minted.
    #[must_use]
    pub fn snapshot_at(&self, now: Timestamp) -> UsageSnapshot {
        self.0.snapshot(now)
    }

    /// How many of its demands wait: [`Execution::reserve_within`], [`Execution::wait_for`].
    #[must_use]
    pub fn waiting_count(&self) -> u64 {
        self.0.extra().map_or(0, |extra| extra.waiters.len())
    }

    /// Whether it runs, and if not, why.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }
}

pub(crate) fn depth_violation(depth: u64, limit: u64) -> EnforcementViolation {
    let retry = if limit == 0 { Retry::Never } else { Retry::WhenFreed };
    EnforcementViolation::of(ScopeKind::Execution, ViolationType::DiscoveryDepthLimit, depth, 1, limit, retry)
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("id", &self.id())
            .field("tenant_id", &self.tenant_id())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// One level of discovery; dropping it leaves the level.
#[derive(Debug)]
#[must_use = "dropping it leaves the level at once"]
pub struct DepthGuard<'a>(&'a Execution);

impl Drop for DepthGuard<'_> {
    fn drop(&mut self) {
        self.0.record().hot.depth.pop();
    }
}

/// Finishes its execution when it is dropped, also on panic. Dereferences to the execution.
#[derive(Debug)]
#[must_use = "dropping it ends the execution"]
pub struct FinishOnDrop(Execution);

impl std::ops::Deref for FinishOnDrop {
    type Target = Execution;

    fn deref(&self) -> &Execution {
        &self.0
    }
}

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        self.0.finish();
    }
}

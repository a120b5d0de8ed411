//! One execution: its record, and the handle through which it is asked.

use std::fmt;

use crate::admission::{self, Asked};
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementResult, EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::hold::{Hold, Kept, OwnedHold, Settlement};
use crate::id::ExecutionId;
use crate::kernel::activity::Activity;
use crate::kernel::cell::Cell;
use crate::kernel::depth::Depth;
use crate::kernel::meter::Meter;
use crate::kernel::repetition::RepetitionGuard;
use crate::kernel::state::{Change, Lifecycle, State};
use crate::kernel::tally::{CLOSED, HALTED, PAUSED, Tally};
use crate::limits::Action;
use crate::money::NanoUsd;
use crate::plan::Plan;
use crate::registry::Core;
use crate::resource::{Actual, Demand, Resource};
use crate::snapshot::{Outstanding, Status, UsageSnapshot};
use crate::sync::{Arc, Keyed};
use crate::tenant::Tenant;

/// What every step of an execution touches: one block, because one step updates most of it.
#[derive(Debug)]
pub(crate) struct Hot {
    tallies: [Tally; Resource::ALL.len()],
    pub(crate) total_tokens: Meter,
    pub(crate) input_tokens: Meter,
    pub(crate) cost: Meter,
    pub(crate) discovered: Meter,
    pub(crate) activity: Activity,
    /// Open holds that set nothing aside and so show in no tally; counted only where idleness is limited.
    pub(crate) bare_holds: Tally,
    pub(crate) depth: Depth,
}

impl Hot {
    fn new(plan: &Plan, now_ns: u64) -> Self {
        Self {
            tallies: Resource::ALL.map(|resource| Tally::new(plan.tally(resource).limit)),
            total_tokens: Meter::new(),
            input_tokens: Meter::new(),
            cost: Meter::new(),
            discovered: Meter::new(),
            activity: Activity::new(now_ns),
            bare_holds: Tally::new(0),
            depth: Depth::new(),
        }
    }

    #[inline]
    pub(crate) fn tally(&self, resource: Resource) -> &Tally {
        let [steps, tokens, memory, cost, discovered] = &self.tallies;
        match resource {
            Resource::Steps => steps,
            Resource::Tokens => tokens,
            Resource::Memory => memory,
            Resource::Cost => cost,
            Resource::DiscoveredSteps => discovered,
        }
    }
}

/// All of one execution, in the order in which it lies in memory.
///
/// The hot words stand in the middle, so that what lies around them keeps them off other executions' cache lines: an
/// allocation of twice the size, aligned to lines, would pad them no better, and allocators are slow at those. What
/// steps read and nobody writes shares their lines.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Record {
    id: ExecutionId,
    pub(crate) started: Timestamp,
    pub(crate) plan: Arc<Plan>,
    /// Steps are all that is limited, here and of its tenant's.
    pub(crate) bare: bool,
    pub(crate) hot: Hot,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) core: Arc<Core>,
    lifecycle: Lifecycle,
    /// Where it stands among its tenant's members; changes under the tenant's lock.
    place: Cell,
    pub(crate) repetition: RepetitionGuard,
}

/// Bytes that an [`Arc`] counts in, before what it holds.
const ARC: usize = 16;
/// A line less the 16 bytes to which allocators align.
const APART: usize = 48;
const _: () = {
    let begin = std::mem::offset_of!(Record, hot);
    let end = begin + std::mem::size_of::<Hot>();
    assert!(ARC + begin >= APART && std::mem::size_of::<Record>() - end >= APART, "hot words could share a line");
    assert!(ARC + std::mem::size_of::<Record>() <= 256 - 8, "does not fit where an allocator puts 256 bytes");
};

impl Record {
    /// A record attached to `tenant`: the attachment ends with the record.
    pub(crate) fn new(id: &str, tenant: Arc<Tenant>, plan: Arc<Plan>, core: Arc<Core>, now: Timestamp) -> Self {
        let longest = plan.repetition.map_or(1, |repetition| repetition.longest);
        Self {
            hot: Hot::new(&plan, now.nanos_since(core.epoch)),
            started: now,
            bare: plan.bare && tenant.plan.budget.is_none(),
            lifecycle: Lifecycle::new(true),
            repetition: RepetitionGuard::new(longest),
            id: id.into(),
            place: Cell::new(0),
            plan,
            tenant,
            core,
        }
    }

    pub(crate) fn id(&self) -> &ExecutionId {
        &self.id
    }

    pub(crate) fn place(&self) -> usize {
        usize::try_from(self.place.load()).unwrap_or(usize::MAX)
    }

    pub(crate) fn set_place(&self, place: usize) {
        self.place.apply(|_| (place as u64, ()));
    }

    #[inline]
    pub(crate) fn used(&self, resource: Resource) -> u64 {
        self.hot.tally(resource).word().used(self.plan.tally(resource).limit)
    }

    /// What of `resource` is committed: for what counts beginnings, what has begun.
    #[inline]
    pub(crate) fn committed_of(&self, resource: Resource) -> u64 {
        match resource {
            // Steps are taken last and never given back, so what is used is what has begun.
            Resource::Steps => self.used(Resource::Steps),
            Resource::Tokens => self.hot.total_tokens.read(),
            Resource::Cost => self.hot.cost.read(),
            Resource::DiscoveredSteps => self.hot.discovered.read(),
            Resource::Memory => 0,
        }
    }

    /// Steps, total tokens, input tokens, cost; the input is read before the total, so it never exceeds it (S1).
    pub(crate) fn committed(&self) -> [u64; 4] {
        let input = self.hot.input_tokens.read();
        [self.used(Resource::Steps), self.hot.total_tokens.read(), input, self.hot.cost.read()]
    }

    /// What open holds have set aside. Committed is read before used, so a hold that stays open is never missed.
    pub(crate) fn outstanding(&self) -> Outstanding {
        let of = |resource| {
            let committed = self.committed_of(resource);
            self.used(resource).saturating_sub(committed)
        };
        Outstanding {
            tokens: of(Resource::Tokens),
            cost_nano_usd: of(Resource::Cost),
            memory_bytes: of(Resource::Memory),
        }
    }

    /// Whether a hold is open, as far as idleness is concerned (I1).
    pub(crate) fn has_open_holds(&self) -> bool {
        self.hot.bare_holds.word().used(0) > 0 || !self.outstanding().is_zero()
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.hot.tallies.iter()
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.lifecycle.state()
    }

    pub(crate) fn halt(&self, cause: Cause) -> Change {
        self.lifecycle.halt(cause.code(), self.tallies(), Some(&self.tenant.live))
    }

    pub(crate) fn pause(&self, cause: Cause) -> Change {
        self.lifecycle.pause(cause.code(), self.tallies())
    }

    /// Why nothing is admitted, if a flag of `flags` says so.
    #[inline]
    pub(crate) fn barred(&self, flags: u64) -> Option<EnforcementViolation> {
        if flags & (HALTED | PAUSED | CLOSED) == 0 { None } else { Some(self.state_violation()) }
    }

    /// Why nothing is admitted. The state is written before the first flag, so who met a flag finds it there.
    #[cold]
    pub(crate) fn state_violation(&self) -> EnforcementViolation {
        self.status().violation().unwrap_or_else(|| {
            let (kind, retry) = (ViolationType::Paused, Retry::AfterApproval);
            EnforcementViolation::of(ScopeKind::Execution, kind, 0, 0, 0, retry)
        })
    }

    /// Why nothing is admitted after a reaper found it idle: what the reaper is about to do is done by whoever meets its
    /// mark.
    #[cold]
    pub(crate) fn reaped_violation(&self) -> EnforcementViolation {
        let _first = self.halt(Cause::own(ViolationType::IdleTimeout)).first;
        self.state_violation()
    }

    fn status(&self) -> Status {
        let state = self.state();
        match (state.is_finished(), Cause::from_code(state.cause())) {
            (true, cause) => Status::Finished(cause),
            (false, Some(cause)) if state.is_halted() => Status::Halted(cause),
            (false, Some(cause)) if state.is_paused() => Status::Paused(cause),
            (false, _) => Status::Live,
        }
    }

    fn snapshot(&self, now: Timestamp) -> UsageSnapshot {
        // Outstanding first: an amount that is settled meanwhile may show as both, but never as neither.
        let outstanding = self.outstanding();
        let [steps, total_tokens, input_tokens, cost] = self.committed();
        let (discovery_depth, max_discovery_depth) = self.hot.depth.read();
        let debt = |resource: Resource, committed: u64| committed.saturating_sub(self.plan.tally(resource).limit);
        UsageSnapshot {
            execution_id: self.id.as_str().into(),
            tenant_id: self.tenant.id().as_str().into(),
            steps,
            input_tokens,
            output_tokens: total_tokens.saturating_sub(input_tokens),
            total_tokens,
            wall_time_ms: now.nanos_since(self.started) / 1_000_000,
            discovered_steps: self.hot.discovered.read(),
            discovery_depth,
            max_discovery_depth,
            cost_usd: NanoUsd::new(cost).unwrap_or(NanoUsd::MAX).to_f64(),
            cost_nano_usd: cost,
            outstanding,
            debt_tokens: debt(Resource::Tokens, total_tokens),
            debt_nano_usd: debt(Resource::Cost, cost),
            status: self.status(),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.core.detach(&self.tenant);
    }
}

/// The handle of one registered execution: cheap to clone, `Send + Sync + 'static`; all clones are the same execution.
///
/// Dropping a handle ends nothing: [`Execution::finish`] does. Every verb that asks for the time has an `_at` form for
/// callers who mint one [`Timestamp`] a batch; no verb reads the clock more than once, and none where no limit needs
/// it.
///
/// **Progress.** Asking and settling are lock-free; a demand with a fingerprint takes a small lock of its execution. A
/// halt, a pause and an end take a cold lock that no other verb touches.
#[derive(Clone)]
pub struct Execution(Arc<Record>);

impl Keyed for Execution {
    fn key(&self) -> &[u8] {
        self.0.id.as_str().as_bytes()
    }
}

impl Execution {
    pub(crate) fn from_record(record: Record) -> Self {
        Self(Arc::new(record))
    }

    #[inline]
    pub(crate) fn record(&self) -> &Record {
        &self.0
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.id.as_str()
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
    /// hold is settled or dropped. Rates are charged for good.
    ///
    /// # Errors
    /// The first limit that refuses, in the order state, wall time, idle time, steps, tokens, memory, cost, discovered
    /// steps, loop, tenant, rates. A refusal changes no amount; if the limit is exhausted, its action (halt, pause) has
    /// been carried out before this returns.
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
        admission::reserve(&self.0, &demand, None).map(|receipt| Hold::new(self, receipt))
    }

    /// [`Execution::reserve`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::reserve`].
    #[inline(always)]
    pub fn reserve_at(&self, demand: Demand, now: Timestamp) -> Result<Hold<'_>, EnforcementViolation> {
        admission::reserve(&self.0, &demand, Some(now)).map(|receipt| Hold::new(self, receipt))
    }

    /// [`Execution::reserve`] for a hold that outlives the borrow: for tasks and response bodies.
    ///
    /// # Errors
    /// As [`Execution::reserve`].
    #[inline(always)]
    pub fn reserve_owned(&self, demand: Demand) -> Result<OwnedHold, EnforcementViolation> {
        admission::reserve(&self.0, &demand, None).map(|receipt| OwnedHold::new(self.clone(), receipt))
    }

    /// [`Execution::reserve_owned`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::reserve`].
    #[inline(always)]
    pub fn reserve_owned_at(&self, demand: Demand, now: Timestamp) -> Result<OwnedHold, EnforcementViolation> {
        admission::reserve(&self.0, &demand, Some(now)).map(|receipt| OwnedHold::new(self.clone(), receipt))
    }

    /// [`Execution::reserve_owned`] of a handle that is not needed for anything else.
    #[inline(always)]
    pub(crate) fn into_reserved(
        self,
        demand: Demand,
        now: Option<Timestamp>,
    ) -> Result<OwnedHold, EnforcementViolation> {
        let receipt = admission::reserve(&self.0, &demand, now)?;
        Ok(OwnedHold::new(self, receipt))
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
        let asked = Asked::at(&self.0, now);
        Kept::nothing(asked.window).settle(&self.0, actual, asked.now_ns)
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
        self.touch_at(self.0.core.clock.now())
    }

    /// [`Execution::touch`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Execution::touch`].
    pub fn touch_at(&self, now: Timestamp) -> Result<(), EnforcementViolation> {
        match self.0.barred(self.0.hot.tally(Resource::Steps).word().flags()) {
            Some(violation) => Err(violation),
            None if self.0.hot.activity.touch(now.nanos_since(self.0.core.epoch)) => Ok(()),
            None => Err(self.0.reaped_violation()),
        }
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
        if let Some(violation) = self.0.barred(self.0.hot.tally(Resource::Steps).word().flags()) {
            return Err(violation);
        }
        let limit = self.0.plan.depth_limit.filter(|_| self.0.plan.depth_action != Action::Observe);
        match self.0.hot.depth.push(limit.unwrap_or(u64::MAX)) {
            Ok(_) => Ok(DepthGuard(self)),
            Err(depth) => Err(depth_violation(depth, limit.unwrap_or(u64::MAX))),
        }
    }

    /// Halts it for good: nothing is admitted once this has returned, to any caller. Its slot is free at once; open
    /// holds can still be settled.
    ///
    /// The cause is the limit whose violation the caller acts upon. The first cause stays: the status that comes back
    /// tells which one it is.
    pub fn halt(&self, cause: Cause) -> Status {
        let _first = self.0.halt(cause).first;
        self.0.status()
    }

    /// Ends it for all clones: new holds are refused, its slot is free, its id may be registered again. Usage is final
    /// once nothing is outstanding; open holds can still be settled, into its record and its tenant's.
    pub fn finish(&self) -> UsageSnapshot {
        self.finish_at(self.0.core.clock.now())
    }

    /// [`Execution::finish`] at a time that the caller has minted.
    pub fn finish_at(&self, now: Timestamp) -> UsageSnapshot {
        let record = &*self.0;
        record.tenant.leave(self, || {
            let change = record.lifecycle.finish(record.tallies(), Some(&record.tenant.live));
            // Still under the tenant's lock, where whoever comes second waits: to every caller to whom the end has
            // returned, the id and its place in the table are free (G1).
            change.first.then(|| {
                record.core.forget(self);
                record.close_meters()
            })
        });
        record.snapshot(now)
    }

    /// An owner that finishes it when it is dropped, also on panic.
    #[must_use = "dropping it ends the execution"]
    pub fn finish_on_drop(self) -> FinishOnDrop {
        FinishOnDrop(self)
    }

    /// What it has used.
    #[must_use]
    pub fn snapshot(&self) -> UsageSnapshot {
        self.snapshot_at(self.0.core.clock.now())
    }

    /// [`Execution::snapshot`] at a time that the caller has minted.
    #[must_use]
    pub fn snapshot_at(&self, now: Timestamp) -> UsageSnapshot {
        self.0.snapshot(now)
    }

    /// Whether it runs, and if not, why.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }
}

impl Record {
    /// Closes what is summed into the tenant's totals and says what it had counted. Steps are read behind their flag:
    /// none is begun any more, and what is charged late sees the flag and goes up by itself (C1).
    fn close_meters(&self) -> [u64; 4] {
        let steps = self.hot.tally(Resource::Steps).mark(crate::kernel::tally::COUNTED);
        // Total before input, as everywhere: the sums above never show more input than total (S1).
        [
            steps.used(self.plan.tally(Resource::Steps).limit),
            self.hot.total_tokens.close().unwrap_or(0),
            self.hot.input_tokens.close().unwrap_or(0),
            self.hot.cost.close().unwrap_or(0),
        ]
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

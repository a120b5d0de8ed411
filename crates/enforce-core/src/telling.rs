//! Telling: who hears of what happens, and what of it is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::admission::Noticed;
use crate::clock::{Clock, Timestamp};
use crate::decision::{EnforcementViolation, EnforcementWarning, ScopeKind};
use crate::event::{Event, EventKind, EventSink};
use crate::hold::Settlement;
use crate::kernel::outbox::Outbox;
use crate::limits::EnforcementPolicy;
use crate::record::Record;
use crate::registry::Core;
use crate::resource::{Actual, Demand};
use crate::snapshot::TenantUsage;
use crate::sync::Arc;
use crate::tenant::Tenant;
use crate::told::{Asked, Near, Over, Told};

/// What an enforcer has that tells of its events.
///
/// Events are noted where they happen, under whatever lock that is, and told by [`Core::flush`] behind all of them.
pub(crate) struct Telling {
    outbox: Outbox<Noted>,
    sink: Arc<dyn EventSink>,
    warnings: bool,
    blocks: bool,
    /// Of those who are not known, and of slots of the process.
    told: Told,
}

/// An event before it is told.
#[derive(Debug)]
struct Noted {
    at: Option<Timestamp>,
    execution: Option<String>,
    tenant: Option<String>,
    kind: EventKind,
}

impl Telling {
    pub(crate) fn new(sink: Arc<dyn EventSink>, policy: &EnforcementPolicy, max_pending: u64) -> Self {
        Self {
            outbox: Outbox::new(max_pending),
            sink,
            warnings: policy.emit_warning_events,
            blocks: policy.emit_block_events,
            told: Told::new(),
        }
    }

    fn note(&self, execution: Option<&str>, tenant: Option<&str>, at: Option<Timestamp>, kind: EventKind) -> u64 {
        self.outbox.note(Noted { at, execution: execution.map(Into::into), tenant: tenant.map(Into::into), kind })
    }

    /// Notes what happened to `record`.
    pub(crate) fn note_of(&self, record: &Record, at: Option<Timestamp>, kind: EventKind) -> u64 {
        self.note(Some(record.id().as_str()), Some(record.tenant.id().as_str()), at, kind)
    }

    /// Notes what happened to a tenant.
    pub(crate) fn note_tenant(&self, tenant: &str, at: Timestamp, kind: EventKind) {
        self.note(None, Some(tenant), Some(at), kind);
    }

    fn note_over(&self, execution: Option<&str>, tenant: Option<&str>, at: Option<Timestamp>, over: Over) {
        let Over { last, count, since } = over;
        self.note(execution, tenant, at, EventKind::Cleared { violation: last, count, since });
    }

    #[inline(never)]
    fn tell(&self, clock: &Clock) {
        self.outbox.tell(|sequence, noted| {
            let Noted { at, execution, tenant, kind } = noted;
            let at = at.unwrap_or_else(|| clock.now());
            let event = Event { sequence, at, execution_id: execution, tenant_id: tenant, kind };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.sink.emit(&event))) {
                self.outbox.lose();
                // What it panicked with may panic when it is dropped.
                std::mem::forget(panic);
            }
        });
    }

    /// How many events nobody heard of.
    pub(crate) fn dropped(&self) -> u64 {
        self.outbox.dropped()
    }

    /// A refusal of somebody who is not known, or by the slots of the process.
    fn refused_unknown(
        &self,
        asked: Asked,
        violation: &EnforcementViolation,
        id: &str,
        tenant: Option<&str>,
        at: Option<Timestamp>,
    ) {
        self.told.refused(asked, violation, None, || self.note(Some(id), tenant, at, first(asked, *violation)));
    }

    fn answered_unknown(&self, asked: Asked, at: Option<Timestamp>) {
        self.told.answered(asked, |over| self.note_over(None, None, at, over));
    }
}

/// What tells the first of a run.
const fn first(asked: Asked, violation: EnforcementViolation) -> EventKind {
    match asked {
        Asked::Demand | Asked::Level | Asked::Host | Asked::Id => EventKind::Blocked { violation },
        Asked::Observed => EventKind::Observed { violation },
        Asked::Registration => EventKind::RegistrationRefused { violation },
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").finish_non_exhaustive()
    }
}

impl Core {
    /// Wakes who is to be woken and tells what is to be told. Loads where there is nothing. No lock may be held.
    #[inline]
    pub(crate) fn flush(&self) {
        self.wakes.flush();
        if let Some(telling) = &self.telling {
            telling.tell(&self.clock);
        }
    }

    /// What tells, if anybody wants to hear of refusals.
    #[inline]
    fn tells_blocks(&self) -> Option<&Telling> {
        self.telling.as_deref().filter(|telling| telling.blocks)
    }

    /// Tells that an id is not known.
    pub(crate) fn tell_unknown(&self, violation: &EnforcementViolation, id: &str) {
        if let Some(telling) = self.tells_blocks() {
            telling.refused_unknown(Asked::Id, violation, id, None, None);
            self.flush();
        }
    }

    /// Tells, where ids were not known, that one is.
    #[inline]
    pub(crate) fn tell_known(&self) {
        if let Some(telling) = self.tells_blocks()
            && telling.told.has_runs()
        {
            telling.answered_unknown(Asked::Id, None);
            self.flush();
        }
    }

    /// Notes that a registration was refused by the slots of `tenant` or of the process.
    pub(crate) fn note_no_slot(&self, tenant: &Tenant, violation: &EnforcementViolation, id: &str, now: Timestamp) {
        let Some(telling) = self.tells_blocks() else { return };
        let (name, asked) = (tenant.id().as_str(), Asked::Registration);
        if violation.scope == ScopeKind::Process {
            telling.refused_unknown(asked, violation, id, Some(name), Some(now));
        } else {
            tenant.told_or_new().refused(asked, violation, None, || {
                telling.note(Some(id), Some(name), Some(now), first(asked, *violation))
            });
        }
    }

    /// Notes that a root was registered.
    pub(crate) fn note_registered(&self, record: &Record) {
        let Some(telling) = self.telling.as_deref() else { return };
        let at = Some(record.started);
        telling.answered_unknown(Asked::Registration, at);
        record.tenant.note_over(telling, at);
        telling.note_of(record, at, EventKind::Registered { parent: None });
    }

    /// Notes that a tenant was let go.
    pub(crate) fn note_evicted(&self, tenant: &Tenant, now: Timestamp, usage: impl FnOnce() -> TenantUsage) {
        let Some(telling) = self.telling.as_deref() else { return };
        tenant.note_over(telling, Some(now));
        telling.note_tenant(tenant.id().as_str(), now, EventKind::Evicted { usage: usage() });
    }

    /// Ends every run of refusals: nobody looks any more.
    pub(crate) fn close_runs<'a>(
        &self,
        records: impl Iterator<Item = &'a Record>,
        tenants: impl Iterator<Item = &'a Tenant>,
    ) {
        let Some(telling) = self.telling.as_deref() else { return };
        records.for_each(|record| record.note_over(telling, None));
        tenants.for_each(|tenant| tenant.note_over(telling, None));
        telling.told.close(|over| telling.note_over(None, None, None, over));
    }
}

impl Tenant {
    /// Ends the runs of registrations that were refused.
    pub(crate) fn note_over(&self, telling: &Telling, at: Option<Timestamp>) {
        if let Some(told) = self.told() {
            told.close(|over| telling.note_over(None, Some(self.id().as_str()), at, over));
        }
    }
}

impl Record {
    fn told(&self) -> Option<&Told> {
        self.extra()?.told.get().map(Box::as_ref)
    }

    fn told_or_new(&self) -> &Told {
        self.extra_or_new().told.get_or_init(|| Box::new(Told::new()))
    }

    /// Ends its runs of refusals.
    pub(crate) fn note_over(&self, telling: &Telling, at: Option<Timestamp>) {
        if let Some(told) = self.told() {
            told.close(|over| self.note_run(telling, at, over));
        }
    }

    fn note_run(&self, telling: &Telling, at: Option<Timestamp>, over: Over) {
        telling.note_over(Some(self.id().as_str()), Some(self.tenant.id().as_str()), at, over);
    }

    /// Notes what `kind` makes of what happened to it, if anybody listens.
    #[inline]
    pub(crate) fn note(&self, at: Option<Timestamp>, kind: impl FnOnce() -> EventKind) {
        if let Some(telling) = self.core().telling.as_deref() {
            telling.note_of(self, at, kind());
        }
    }

    /// Tells a refusal.
    #[cold]
    pub(crate) fn tell_refused(
        &self,
        asked: Asked,
        violation: &EnforcementViolation,
        demand: Option<&Demand>,
        at: Option<Timestamp>,
    ) {
        if let Some(telling) = self.core().tells_blocks() {
            self.told_or_new()
                .refused(asked, violation, demand, || telling.note_of(self, at, first(asked, *violation)));
        }
        self.core().flush();
    }

    /// Tells, where something other than a demand was refused, that it was let through.
    #[inline]
    pub(crate) fn tell_answered(&self, asked: Asked, at: Option<Timestamp>) {
        if let Some(telling) = self.core().tells_blocks()
            && let Some(told) = self.told()
            && told.has_runs()
        {
            told.answered(asked, |over| self.note_run(telling, at, over));
            self.core().flush();
        }
    }

    /// Tells what there is to be told of a demand that has come through: limits that are near, one that observes, and runs of
    /// refusals that are over.
    #[inline]
    pub(crate) fn tell_admitted(&self, demand: &Demand, noticed: &Noticed, near: &[Near], at: Option<Timestamp>) {
        let Some(telling) = self.core().telling.as_deref() else { return };
        let has_runs = self.told().is_some_and(Told::has_runs);
        if !near.is_empty() || noticed.observed.is_some() || has_runs {
            self.tell_noticed(telling, demand, noticed, near, at);
        }
    }

    #[cold]
    fn tell_noticed(
        &self,
        telling: &Telling,
        demand: &Demand,
        noticed: &Noticed,
        near: &[Near],
        at: Option<Timestamp>,
    ) {
        if let Some(told) = self.told() {
            told.admitted(demand, noticed.observed.is_some(), |over| self.note_run(telling, at, over));
        }
        if let Some(violation) = noticed.observed.filter(|_| telling.blocks) {
            let asked = Asked::Observed;
            self.told_or_new()
                .refused(asked, &violation, Some(demand), || telling.note_of(self, at, first(asked, violation)));
        }
        if telling.warnings {
            for near in near.iter().filter(|near| self.is_news(near)) {
                telling.note_of(self, at, EventKind::Warning { warning: near.warning });
            }
        }
        self.core().flush();
    }

    /// Whether nobody was told of that limit at that level: neither of this execution, nor of who owns the limit.
    fn is_news(&self, near: &Near) -> bool {
        if !self.told_or_new().is_news(near) {
            return false;
        }
        let own = Near { level: 0, ..*near };
        match near.warning.scope {
            ScopeKind::Tenant => self.tenant.told_or_new().is_news(&own),
            ScopeKind::Process => self.core().telling.as_deref().is_none_or(|telling| telling.told.is_news(&own)),
            ScopeKind::Parent => {
                let pool = near.level.checked_sub(1).and_then(|above| self.pools().nth(above));
                let warning = EnforcementWarning { scope: ScopeKind::Execution, ..near.warning };
                pool.is_none_or(|pool| pool.told_or_new().is_news(&Near { warning, ..own }))
            }
            _ => true,
        }
    }

    /// Tells that a settle, or a charge, was late, and, of a settle, that it used more than was set aside.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_settled(&self, actual: &Actual, settled: &Settlement, hold: bool, at: Option<Timestamp>) {
        let Some(telling) = self.core().telling.as_deref() else { return };
        let (tokens, nano_usd) = (settled.overrun_tokens, settled.overrun_nano_usd);
        if hold && (tokens | nano_usd) > 0 {
            telling.note_of(self, at, EventKind::Overrun { tokens, nano_usd });
        }
        if settled.late {
            telling.note_of(self, at, EventKind::LateSettle { tokens: actual.total_tokens(), nano_usd: actual.cost });
        }
        self.core().flush();
    }
}

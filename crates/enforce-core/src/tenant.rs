//! A tenant: the scope above its executions.

use crate::budget::{self, Budgets, Terms};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, ScopeKind};
use crate::execution::Execution;
use crate::id::TenantId;
use crate::kernel::attachments::Attachments;
use crate::kernel::cell::Cell;
use crate::kernel::door::{Door, Stand};
use crate::kernel::meter::Meter;
use crate::kernel::table::Rejected;
use crate::kernel::tally::Tally;
use crate::limits::{ConfigError, EnforcementPolicy, TenantPolicy};
use crate::rates::TenantRates;
use crate::record::Committed;
use crate::registry::Core;
use crate::scope::ScopeStatus;
use crate::slots::{Slots, live_limit};
use crate::snapshot::TenantUsage;
use crate::sync::{Arc, CachePadded, Keyed, Mutex, OnceLock};
use crate::told::Told;

/// What every tenant may do, compiled.
#[derive(Debug, Default)]
pub(crate) struct TenantPlan {
    live_limit: Option<u64>,
    budgets: Box<[Terms]>,
}

impl TenantPlan {
    pub(crate) fn compile(
        policy: &TenantPolicy,
        max_concurrent: Option<u64>,
        enforcement: &EnforcementPolicy,
    ) -> Result<Self, ConfigError> {
        policy.validate()?;
        let budgets = budget::compile(&policy.budgets, policy.usd_budget(), enforcement.warning_threshold);
        Ok(Self { live_limit: live_limit(max_concurrent, enforcement), budgets })
    }
}

/// What its ended executions have committed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) steps: Meter,
    pub(crate) input_tokens: Meter,
    pub(crate) output_tokens: Meter,
    pub(crate) cost: Meter,
}

/// What registrations and ends of its executions write: each of them all of it, so it lies together, and nothing that
/// others read lies beside it.
#[derive(Debug)]
#[repr(C)]
struct Busy {
    attachments: Attachments,
    slots: Slots,
    /// Live executions. The lock orders registrations, ends, sums and halts of the whole tenant among each other (C1, E1).
    members: Mutex<Vec<Execution>>,
    ended: Ended,
}

/// One tenant.
///
/// Its totals have no word of their own on the path of a step: they are the sums of its live executions' meters and of
/// what its ended ones left in `ended` (C1). Only what is limited is shared: the slots, and the budgets' windows.
/// What strangers share has cache lines of its own.
#[derive(Debug)]
pub(crate) struct Tenant {
    busy: CachePadded<Busy>,
    id: TenantId,
    /// Whose tenant it is; the core lets go of its tenants when its last handle goes, and so of itself.
    pub(crate) core: Arc<Core>,
    pub(crate) budgets: Budgets,
    /// Whether roots may be registered.
    pub(crate) door: Door,
    /// Its rates with the providers that it has named.
    rates: TenantRates,
    /// What was told of it: registrations that were refused, budgets that were near.
    told: OnceLock<Box<Told>>,
    /// 1 while it stands in the queue of those that may be evicted.
    pub(crate) queued: Cell,
}

/// A tenant in its table.
#[derive(Debug, Clone)]
pub(crate) struct TenantEntry(pub(crate) Arc<Tenant>);

impl Keyed for TenantEntry {
    fn key(&self) -> &[u8] {
        self.0.id.as_str().as_bytes()
    }
}

impl Tenant {
    pub(crate) fn new(id: &str, plan: &TenantPlan, stand: Stand, core: Arc<Core>, now: Timestamp) -> Self {
        Self {
            busy: CachePadded::new(Busy {
                attachments: Attachments::new(),
                slots: Slots::new(plan.live_limit),
                members: Mutex::new(Vec::new()),
                ended: Ended::new(),
            }),
            id: id.into(),
            budgets: Budgets::new(&plan.budgets, now),
            door: Door::new(stand),
            rates: TenantRates::new(),
            told: OnceLock::new(),
            queued: Cell::new(0),
            core,
        }
    }

    /// Replaces its limits by `plan`; what is used stays (L1). A budget that it did not have counts from the next
    /// reservation on; what holds taken before it use is recorded when they are settled.
    pub(crate) fn relimit(&self, plan: &Arc<TenantPlan>, now: Timestamp) {
        // The lock of its members serialises changes, and no execution joins meanwhile.
        let members = self.busy.members.lock();
        self.busy.slots.relimit(plan.live_limit);
        self.budgets.replace(&plan.budgets, now);
        close_short_way(&members);
        // Who waits looks at the new limits (W1); the caller holds a lock.
        self.core.wakes.put(self.budgets.line.first());
    }

    /// Sees to it that every execution meets the budgets of the process, which have just got some.
    pub(crate) fn reach(&self) {
        close_short_way(&self.busy.members.lock());
    }

    pub(crate) fn id(&self) -> &TenantId {
        &self.id
    }

    /// Who is attached to it.
    #[inline]
    pub(crate) fn attachments(&self) -> &Attachments {
        &self.busy.attachments
    }

    /// What its ended executions have committed.
    pub(crate) fn ended(&self) -> &Ended {
        &self.busy.ended
    }

    /// How many of its slots are taken.
    pub(crate) fn live(&self) -> u64 {
        self.busy.slots.live()
    }

    #[inline]
    pub(crate) const fn rates(&self) -> &TenantRates {
        &self.rates
    }

    /// What was told of it, if anything was.
    pub(crate) fn told(&self) -> Option<&Told> {
        self.told.get().map(Box::as_ref)
    }

    pub(crate) fn told_or_new(&self) -> &Told {
        self.told.get_or_init(|| Box::new(Told::new()))
    }

    /// Whether a root may come in: the number of the scope that lets nobody in, if one does not, as in [`Tenant::no_slot`].
    /// Asked while it is made a member (E1).
    #[inline]
    pub(crate) fn let_in(&self) -> Result<(), Rejected> {
        for (number, door) in [&self.door, &self.core.process.door].into_iter().enumerate() {
            match door.stand() {
                Stand::Open => {}
                shut => return Err(Rejected::Shut(number, shut)),
            }
        }
        Ok(())
    }

    /// Why nobody is let in where `number` says so.
    pub(crate) fn shut(number: usize, stand: Stand) -> EnforcementViolation {
        ScopeStatus::of(stand).violation(if number == 0 { ScopeKind::Tenant } else { ScopeKind::Process })
    }

    /// Where `number` says that there is no slot to give: its own come first, then the process's.
    pub(crate) fn no_slot(&self, number: usize) -> EnforcementViolation {
        match number {
            0 => self.busy.slots.refusal(ScopeKind::Tenant),
            _ => self.core.slots().refusal(ScopeKind::Process),
        }
    }

    /// The slots that an execution without a parent takes: its own and the process's.
    pub(crate) fn slots(&self) -> [&Tally; 2] {
        [self.busy.slots.tally(), self.core.slots().tally()]
    }

    /// Makes `execution` a member while `enter` registers it, or leaves nothing behind.
    pub(crate) fn join(
        &self,
        execution: &Execution,
        enter: impl FnOnce([&Tally; 2]) -> Result<(), Rejected>,
    ) -> Result<(), Rejected> {
        let mut members = self.busy.members.lock();
        enter(self.slots())?;
        if execution.record().alone && execution.record().has_budgets() {
            // It was made before the budgets were: the short way is not for it.
            execution.record().extra_or_new();
        }
        execution.record().set_place(members.len());
        members.push(execution.clone());
        Ok(())
    }

    /// Ends `execution`'s membership: runs `end`, which says what it had committed, and carries that over (C1). `end`
    /// returns `None` if somebody has ended it before.
    pub(crate) fn leave(&self, execution: &Execution, end: impl FnOnce() -> Option<Committed>) {
        let mut members = self.busy.members.lock();
        let Some(committed) = end() else { return };
        self.busy.ended.add(committed);
        let place = execution.record().place();
        if members.get(place).is_some_and(|member| member.is(execution)) {
            members.swap_remove(place);
            if let Some(moved) = members.get(place) {
                moved.record().set_place(place);
            }
        }
    }

    /// Its executions without a parent that have not ended. Who is registered behind this sees how the doors stand by now
    /// (E1).
    pub(crate) fn roots(&self) -> Vec<Execution> {
        self.busy.members.lock().clone()
    }

    /// Forgets its members; they live on in their handles.
    pub(crate) fn disband(&self) {
        let members = std::mem::take(&mut *self.busy.members.lock());
        drop(members);
    }

    /// Whether a fresh entry would decide the same, if nobody is attached: nothing of a budget used in its period, and all
    /// rates passed.
    pub(crate) fn equals_fresh(&self, now: Timestamp) -> bool {
        let now_ns = now.nanos_since(self.core.epoch);
        self.budgets.are_whole(now) && self.core.rates.have_passed(&self.rates, now_ns)
    }

    /// Whether it never equals a fresh entry again: what was used of a budget without periods stays used.
    pub(crate) fn stays(&self) -> bool {
        self.budgets.are_marked()
    }

    /// Whether nothing was ever recorded for it that counts.
    pub(crate) fn is_blank(&self) -> bool {
        self.rates.is_empty()
            && self.busy.ended.read() == Committed::default()
            && self.budgets.are_whole(Timestamp::ZERO)
    }

    /// What its ended executions have committed, and those that live: each of them is in one of the two (C1).
    pub(crate) fn standing(&self) -> (Committed, Vec<Execution>) {
        let members = self.busy.members.lock();
        (self.busy.ended.read(), members.clone())
    }

    /// Waits until those whose registration or end has begun have got through with it.
    pub(crate) fn wait_for_ends(&self) {
        drop(self.busy.members.lock());
    }

    pub(crate) fn usage(&self, now: Timestamp) -> TenantUsage {
        let members = self.busy.members.lock();
        let committed =
            members.iter().map(|member| member.record().committed()).fold(self.busy.ended.read(), Committed::plus);
        let (total_tokens, output_tokens) = (committed.total_tokens(), committed.output_of_total());
        let Committed { steps, input_tokens, cost, .. } = committed;
        drop(members);
        TenantUsage {
            tenant_id: self.id.as_str().into(),
            live_executions: self.live(),
            steps,
            input_tokens,
            output_tokens,
            total_tokens,
            cost_nano_usd: cost,
            budget: self.budgets.usd_usage(now),
            budgets: self.budgets.usage(now),
        }
    }
}

/// The short way of executions that nothing but steps limits is not the whole way any more.
fn close_short_way(members: &[Execution]) {
    for member in members {
        member.record().extra_or_new();
    }
}

impl Ended {
    fn new() -> Self {
        let [steps, input_tokens, output_tokens, cost] = std::array::from_fn(|_| Meter::new());
        Self { steps, input_tokens, output_tokens, cost }
    }

    /// Adds what an execution has committed.
    pub(crate) fn add(&self, committed: Committed) {
        let Committed { steps, input_tokens, output_tokens, cost, discovered: _ } = committed;
        let meters = [&self.steps, &self.input_tokens, &self.output_tokens, &self.cost];
        // What is nothing needs no exchange.
        let used = meters.into_iter().zip([steps, input_tokens, output_tokens, cost]).filter(|(_, amount)| *amount > 0);
        used.for_each(|(meter, amount)| {
            let _total = meter.add(amount).total;
        });
    }

    /// What was added.
    pub(crate) fn read(&self) -> Committed {
        Committed {
            steps: self.steps.read(),
            input_tokens: self.input_tokens.read(),
            output_tokens: self.output_tokens.read(),
            cost: self.cost.read(),
            discovered: 0,
        }
    }
}

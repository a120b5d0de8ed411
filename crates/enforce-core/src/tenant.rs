//! A tenant: the scope above its executions.

use std::num::NonZeroU32;

use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::execution::Execution;
use crate::id::TenantId;
use crate::kernel::attachments::Attachments;
use crate::kernel::bound::Bound;
use crate::kernel::cell::Cell;
use crate::kernel::meter::Meter;
use crate::kernel::queue::Queue;
use crate::kernel::table::Rejected;
use crate::kernel::tally::{MAX_AMOUNT, Tally};
use crate::kernel::versions::Versions;
use crate::kernel::window::{Window, Windows};
use crate::limits::{Action, BudgetPeriod, ConfigError, EnforcementPolicy, TenantPolicy};
use crate::plan::{NS_PER_SECOND, TallyLimit};
use crate::rates::TenantRates;
use crate::record::Committed;
use crate::registry::Core;
use crate::snapshot::{BudgetUsage, TenantUsage};
use crate::sync::{Arc, CachePadded, Keyed, Mutex, OnceLock};

const NS_PER_DAY: u64 = 86_400 * NS_PER_SECOND;

/// What every tenant may do, compiled.
#[derive(Debug)]
pub(crate) struct TenantPlan {
    pub(crate) live_limit: Option<u64>,
    pub(crate) budget: Option<TallyLimit>,
    pub(crate) period: BudgetPeriod,
}

impl TenantPlan {
    pub(crate) fn compile(
        policy: &TenantPolicy,
        max_concurrent: Option<u64>,
        enforcement: &EnforcementPolicy,
    ) -> Result<Self, ConfigError> {
        policy.validate()?;
        let budget = policy.budget_usd.map(|usd| {
            TallyLimit::new(
                ViolationType::CostLimit,
                Some(usd.get()),
                policy.budget_action,
                enforcement.warning_threshold,
            )
            .overdraft(policy.budget_overdraft_usd.get())
        });
        // An observed concurrency limit takes slots all the same, but never runs out of them.
        let live_limit = max_concurrent.filter(|_| enforcement.actions.concurrency != Action::Observe);
        Ok(Self { live_limit, budget, period: policy.budget_period })
    }

    /// The plan that limits nothing.
    pub(crate) fn unlimited() -> Self {
        Self { live_limit: None, budget: None, period: BudgetPeriod::Total }
    }

    /// The number of the period in which `now` lies.
    #[inline]
    pub(crate) fn period_at(&self, now: Timestamp) -> u64 {
        match self.period {
            BudgetPeriod::Total => 0,
            BudgetPeriod::Day => now.as_nanos() / NS_PER_DAY,
        }
    }

    /// Whether the budget needs to know the time.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.budget.is_some() && self.period == BudgetPeriod::Day
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

/// The number of a window. Optional in four bytes, because it travels with every hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowKey(NonZeroU32);

impl WindowKey {
    #[inline]
    const fn of(number: u32) -> Self {
        // Numbers end far below the last one.
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    #[inline]
    const fn number(self) -> u32 {
        self.0.get() - 1
    }
}

/// One tenant.
///
/// Its totals have no word of their own on the path of a step: they are the sums of its live executions' meters and of
/// what its ended ones left in `ended` (C1). Only what is limited is shared: the slots, and the budget's window.
/// What strangers share has cache lines of its own.
#[derive(Debug)]
pub(crate) struct Tenant {
    id: TenantId,
    /// As it was made.
    plan: Arc<TenantPlan>,
    /// Its limits, if they were changed since.
    changed: OnceLock<Box<Versions<Arc<TenantPlan>>>>,
    /// Whose tenant it is; the core lets go of its tenants when its last handle goes, and so of itself.
    pub(crate) core: Arc<Core>,
    pub(crate) attachments: CachePadded<Attachments>,
    pub(crate) live: CachePadded<Tally>,
    live_limit: Bound,
    /// Live executions. The lock orders registrations, ends and sums among each other (C1).
    members: Mutex<Vec<Execution>>,
    pub(crate) ended: Ended,
    budget: OnceLock<Box<CachePadded<Windows>>>,
    /// Its rates with providers, once it has named one.
    rates: OnceLock<Box<TenantRates>>,
    /// Those who wait for its budget.
    pub(crate) line: Queue,
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
    pub(crate) fn new(id: &str, plan: Arc<TenantPlan>, core: Arc<Core>, now: Timestamp) -> Self {
        let budget = plan.budget.as_ref().map(|budget| windows(&plan, budget, now));
        let live_limit = plan.live_limit.unwrap_or(MAX_AMOUNT);
        Self {
            id: id.into(),
            attachments: CachePadded::new(Attachments::new()),
            live: CachePadded::new(Tally::new(live_limit)),
            live_limit: Bound::new(live_limit),
            members: Mutex::new(Vec::new()),
            ended: Ended {
                steps: Meter::new(),
                input_tokens: Meter::new(),
                output_tokens: Meter::new(),
                cost: Meter::new(),
            },
            budget: budget.map_or_else(OnceLock::new, OnceLock::from),
            changed: OnceLock::new(),
            rates: OnceLock::new(),
            line: Queue::new(),
            queued: Cell::new(0),
            core,
            plan,
        }
    }

    /// Its limits now.
    #[inline]
    pub(crate) fn plan(&self) -> &TenantPlan {
        match self.changed.get() {
            None => &self.plan,
            Some(versions) => versions.get().unwrap_or(&self.plan),
        }
    }

    pub(crate) fn was_made_with(&self, plan: &Arc<TenantPlan>) -> bool {
        Arc::ptr_eq(&self.plan, plan)
    }

    /// Replaces its limits by `plan`; what is used stays (L1). A budget that it did not have counts from the next
    /// reservation on; what holds taken before it use is recorded when they are settled.
    pub(crate) fn relimit(&self, plan: &Arc<TenantPlan>, now: Timestamp) {
        // The lock of its members serialises changes, and no execution joins meanwhile.
        let members = self.members.lock();
        self.live_limit.change(&self.live, plan.live_limit.unwrap_or(MAX_AMOUNT));
        if let Some(budget) = &plan.budget {
            self.budget.get_or_init(|| windows(plan, budget, now)).relimit(budget.limit);
        }
        let versions = self.changed.get_or_init(|| Box::new(Versions::new(Arc::clone(&self.plan))));
        versions.change(Arc::clone(plan), || ());
        for member in members.iter() {
            // The short way of an execution that nothing but steps limits is not the whole way any more.
            member.record().extra_or_new();
        }
        // Who waits looks at the new limits (W1); the caller holds a lock.
        self.core.wakes.put(self.line.first());
    }

    pub(crate) fn id(&self) -> &TenantId {
        &self.id
    }

    /// The budget and its windows, if it has one.
    #[inline]
    pub(crate) fn budget(&self) -> Option<(&TallyLimit, &Windows)> {
        Some((self.plan().budget.as_ref()?, self.budget.get()?))
    }

    /// The window of its budget for the period of `now`, begun if need be; `None` without a budget.
    #[inline]
    pub(crate) fn enter_window(&self, now: Timestamp) -> Option<WindowKey> {
        let (_, windows) = self.budget()?;
        Some(WindowKey::of(windows.enter(self.plan().period_at(now))))
    }

    #[inline]
    pub(crate) fn window(&self, key: WindowKey) -> Option<&Window> {
        self.budget.get()?.get(key.number())
    }

    /// The window that is in force, if there ever was a budget.
    pub(crate) fn current_window(&self) -> Option<&Window> {
        self.budget.get()?.latest()
    }

    #[inline]
    pub(crate) fn rates(&self) -> &TenantRates {
        self.rates.get_or_init(|| Box::new(TenantRates::new()))
    }

    pub(crate) fn live_count(&self) -> u64 {
        let (limit, word) = self.live_limit.read(&self.live);
        word.used(limit)
    }

    /// Why it has no slot to give.
    pub(crate) fn no_slot(&self) -> EnforcementViolation {
        let limit = self.plan().live_limit.unwrap_or(MAX_AMOUNT);
        let retry = if limit == 0 { Retry::Never } else { Retry::WhenFreed };
        // When it refused, all were taken: a slot that was given back since is no longer part of why.
        EnforcementViolation::of(ScopeKind::Tenant, ViolationType::ConcurrencyLimit, limit, 1, limit, retry)
    }

    /// Makes `execution` a member while `enter` registers it, or leaves nothing behind.
    pub(crate) fn join(
        &self,
        execution: &Execution,
        enter: impl FnOnce(&Tally) -> Result<(), Rejected>,
    ) -> Result<(), Rejected> {
        let mut members = self.members.lock();
        enter(&self.live)?;
        if self.plan().budget.is_some() && execution.record().alone {
            // It was made before the budget was: the short way is not for it.
            execution.record().extra_or_new();
        }
        execution.record().set_place(members.len());
        members.push(execution.clone());
        Ok(())
    }

    /// Ends `execution`'s membership: runs `end`, which says what it had committed, and carries that over (C1). `end`
    /// returns `None` if somebody has ended it before.
    pub(crate) fn leave(&self, execution: &Execution, end: impl FnOnce() -> Option<Committed>) {
        let mut members = self.members.lock();
        let Some(committed) = end() else { return };
        self.ended.add(committed);
        let place = execution.record().place();
        if members.get(place).is_some_and(|member| member.is(execution)) {
            members.swap_remove(place);
            if let Some(moved) = members.get(place) {
                moved.record().set_place(place);
            }
        }
    }

    /// Forgets its members; they live on in their handles.
    pub(crate) fn disband(&self) {
        let members = std::mem::take(&mut *self.members.lock());
        drop(members);
    }

    /// Whether a fresh entry would decide the same, if nobody is attached: no limited budget used in this period, and
    /// all rates passed.
    pub(crate) fn equals_fresh(&self, now: Timestamp) -> bool {
        let now_ns = now.nanos_since(self.core.epoch);
        self.has_whole_budget(now) && self.rates.get().is_none_or(|rates| self.core.rates.have_passed(rates, now_ns))
    }

    fn has_whole_budget(&self, now: Timestamp) -> bool {
        self.budget().is_none_or(|(_, windows)| {
            windows
                .peek(self.plan().period_at(now))
                .is_none_or(|window| window.committed.read() == 0 && window.used() == 0)
        })
    }

    /// Whether it never equals a fresh entry again: what was used of a budget without periods stays used.
    pub(crate) fn stays(&self) -> bool {
        self.plan().period == BudgetPeriod::Total && !self.has_whole_budget(Timestamp::ZERO)
    }

    /// Whether nothing was ever recorded for it.
    pub(crate) fn is_blank(&self) -> bool {
        let untouched = |(_, windows): (_, &Windows)| windows.is_untouched();
        let unrated = self.rates.get().is_none();
        unrated && self.ended.read() == Committed::default() && self.budget().is_none_or(untouched)
    }

    pub(crate) fn usage(&self, now: Timestamp) -> TenantUsage {
        let members = self.members.lock();
        let committed =
            members.iter().map(|member| member.record().committed()).fold(self.ended.read(), Committed::plus);
        let (total_tokens, output_tokens) = (committed.total_tokens(), committed.output_of_total());
        let Committed { steps, input_tokens, cost, .. } = committed;
        drop(members);
        let budget = self.budget().map(|(limit, windows)| {
            let window = windows.peek(self.plan().period_at(now));
            let (committed, outstanding) = window.map_or((0, 0), Window::split);
            BudgetUsage::new(limit, committed, outstanding)
        });
        TenantUsage {
            tenant_id: self.id.as_str().into(),
            live_executions: self.live_count(),
            steps,
            input_tokens,
            output_tokens,
            total_tokens,
            cost_nano_usd: cost,
            budget,
        }
    }
}

fn windows(plan: &TenantPlan, budget: &TallyLimit, now: Timestamp) -> Box<CachePadded<Windows>> {
    Box::new(CachePadded::new(Windows::new(plan.period_at(now), budget.limit)))
}

impl Ended {
    /// Adds what an execution has committed.
    pub(crate) fn add(&self, committed: Committed) {
        let Committed { steps, input_tokens, output_tokens, cost, discovered: _ } = committed;
        self.steps.add(steps);
        self.input_tokens.add(input_tokens);
        self.output_tokens.add(output_tokens);
        self.cost.add(cost);
    }

    fn read(&self) -> Committed {
        Committed {
            steps: self.steps.read(),
            input_tokens: self.input_tokens.read(),
            output_tokens: self.output_tokens.read(),
            cost: self.cost.read(),
            discovered: 0,
        }
    }
}

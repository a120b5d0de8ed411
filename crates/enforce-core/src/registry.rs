//! Who is known: executions, tenants and providers, and what they share.

pub(crate) mod doors;
mod eviction;
mod lanes;

use std::collections::{HashMap, VecDeque};

use self::lanes::Lanes;
use crate::allowance::Allowances;
use crate::clock::{Clock, Timestamp};
use crate::deadline::Deadlines;
use crate::decision::EnforcementViolation;
use crate::execution::Execution;
use crate::kernel::cell::Cell;
use crate::kernel::door::Stand;
use crate::kernel::state::PAUSE_NUMBERS;
use crate::kernel::table::{Rejected, Table};
use crate::kernel::tally::Tally;
use crate::kernel::timers::Moment;
use crate::kernel::timers::Timers;
use crate::kernel::wakes::Wakes;
use crate::limits::{Action, EnforcementPolicy};
use crate::network::NetworkPolicy;
use crate::plan::Plan;
use crate::process::{Process, ProcessPlan};
use crate::rate_plan::RatePlan;
use crate::rates::Rates;
use crate::record::Record;
use crate::slots::Slots;
use crate::sync::{Arc, Mutex};
use crate::telling::Telling;
use crate::tenant::{Tenant, TenantEntry, TenantPlan};

/// How many of each may be known at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub(crate) executions: u64,
    pub(crate) tenants: u64,
    pub(crate) providers: u64,
    pub(crate) models: u64,
    pub(crate) timed_holds: u64,
    pub(crate) waiters: u64,
    /// Events that are still to be told.
    pub(crate) events: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            executions: 1 << 24,
            tenants: 1 << 20,
            providers: 1 << 12,
            models: 1 << 12,
            timed_holds: 1 << 20,
            waiters: 1 << 20,
            events: 1 << 16,
        }
    }
}

/// So many threads may register and end executions that have a limit of time at once.
const TIMER_SHARDS: usize = 16;

/// What tenants may do: every one, but for those that have limits of their own, and those whose door is shut.
#[derive(Debug)]
struct TenantPlans {
    every: Arc<TenantPlan>,
    own: HashMap<Box<str>, Arc<TenantPlan>>,
    shut: HashMap<Box<str>, Stand>,
}

impl TenantPlans {
    fn of(&self, id: &str) -> &Arc<TenantPlan> {
        self.own.get(id).unwrap_or(&self.every)
    }
}

/// What all executions of one enforcer share.
#[derive(Debug)]
pub(crate) struct Core {
    /// Beside it the slots of the process.
    pub(crate) executions: Table<Execution, Slots>,
    tenants: Table<TenantEntry>,
    pub(crate) rates: Rates,
    pub(crate) clock: Clock,
    /// When it was built; activity and rates count from here.
    pub(crate) epoch: Timestamp,
    /// What an execution may do that brings no limits of its own, and the tenants that were asked for last.
    pub(crate) lanes: Lanes,
    /// How everything is enforced; it never changes.
    pub(crate) policy: Arc<EnforcementPolicy>,
    /// What all tenants share.
    pub(crate) process: Process,
    /// What tenants may do.
    tenant_plans: Mutex<TenantPlans>,
    pub(crate) max_tenants: u64,
    pub(crate) rate_action: Action,
    /// Tenants that nobody is attached to, in the order in which they were left; `None` once everyone is forgotten.
    left: Mutex<Option<VecDeque<Arc<Tenant>>>>,
    /// When the last period ended of which something was forgotten with its tenant: no tenant begins in an earlier one.
    forgotten: Cell,
    /// How many pauses there were.
    pub(crate) pauses: Cell,
    pub(crate) deadlines: Deadlines,
    /// The executions that have a limit of time.
    pub(crate) timers: Timers<Execution>,
    /// How many demands wait.
    pub(crate) waiters: Tally,
    pub(crate) max_waiters: u64,
    /// Who is to be woken.
    pub(crate) wakes: Wakes,
    /// Who hears of events, if anybody does.
    pub(crate) telling: Option<Box<Telling>>,
    network: Mutex<Arc<NetworkPolicy>>,
    pub(crate) allowances: Allowances,
}

impl Core {
    pub(crate) fn new(
        clock: Clock,
        plan: Arc<Plan>,
        tenant_plan: TenantPlan,
        process_plan: &ProcessPlan,
        rates: RatePlan,
        rate_action: Action,
        caps: Caps,
    ) -> Self {
        let epoch = clock.now();
        Self {
            // Their places are numbered.
            executions: Table::with(caps.executions.min(u64::from(u32::MAX)), process_plan.slots()),
            tenants: Table::new(caps.tenants),
            rates: Rates::new(rates, caps.providers, caps.models),
            epoch,
            clock,
            policy: Arc::clone(&plan.source.policy),
            lanes: Lanes::new(&plan),
            process: Process::new(process_plan, epoch),
            tenant_plans: Mutex::new(TenantPlans {
                every: Arc::new(tenant_plan),
                own: HashMap::new(),
                shut: HashMap::new(),
            }),
            max_tenants: caps.tenants,
            rate_action,
            left: Mutex::new(Some(VecDeque::new())),
            forgotten: Cell::new(0),
            pauses: Cell::new(0),
            deadlines: Deadlines::new(caps.timed_holds),
            timers: Timers::new(TIMER_SHARDS),
            waiters: Tally::new(caps.waiters),
            max_waiters: caps.waiters,
            wakes: Wakes::new(),
            telling: None,
            network: Mutex::default(),
            allowances: Allowances::default(),
        }
    }

    /// The slots of the process.
    #[inline]
    pub(crate) fn slots(&self) -> &Slots {
        self.executions.beside()
    }

    /// The limits of an execution that brings none of its own.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.lanes.plan()
    }

    /// Replaces them, for executions that are registered from here on.
    pub(crate) fn set_plan(&self, plan: &Plan) {
        self.lanes.set(plan);
    }

    /// Which hosts may be reached.
    pub(crate) fn check_host(&self, host: &str) -> Result<(), EnforcementViolation> {
        // Looked through behind the lock: a list of hosts may be long.
        let network = Arc::clone(&self.network.lock());
        network.check(host)
    }

    pub(crate) fn set_network(&self, network: NetworkPolicy) {
        *self.network.lock() = Arc::new(network);
    }

    /// A number that no other pause has.
    pub(crate) fn next_pause(&self) -> u64 {
        // 2^40 pauses: one a microsecond for twelve days, and then the numbers begin again.
        self.pauses.apply(|before| (before.wrapping_add(1), before.wrapping_add(1) % PAUSE_NUMBERS))
    }

    /// The number of the latest pause.
    pub(crate) fn last_pause(&self) -> u64 {
        self.pauses.load() % PAUSE_NUMBERS
    }

    /// Whether nothing is counted in it by `now` that a new one would not count.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        let untouched = self.executions.len() == 0 && self.tenants.len() == 0 && self.slots().live() == 0;
        untouched && self.process.budgets.are_whole(now) && self.rates.all_have_passed(now.nanos_since(self.epoch))
    }

    pub(crate) fn tenant(&self, id: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(id.as_bytes()).map(|entry| entry.0)
    }

    /// Everyone in the table of tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = Arc<Tenant>> + use<> {
        self.tenants.entries().into_iter().map(|entry| entry.0)
    }

    pub(crate) fn tenant_count(&self) -> u64 {
        self.tenants.len()
    }

    /// The limits of an execution that brings none of its own, and the tenant of that id, made if need be, with one more
    /// attachment; `None` if the table of tenants is full.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>, id: &str, now: Timestamp) -> (Arc<Plan>, Option<Arc<Tenant>>) {
        let (plan, at_hand) = self.lanes.enter(id);
        (plan, at_hand.or_else(|| self.attach(id, now)))
    }

    /// The tenant of that id, made if need be, with one more attachment; `None` if the table is full.
    #[cold]
    pub(crate) fn attach(self: &Arc<Self>, id: &str, now: Timestamp) -> Option<Arc<Tenant>> {
        loop {
            if let Some(tenant) = self.tenant(id) {
                if tenant.attachments().attach() {
                    self.lanes.keep(&tenant);
                    return Some(tenant);
                }
                // Retired (G2): whoever meets it helps it out of the table and looks again.
                self.drop_entry(&tenant);
                continue;
            }
            match self.enter_tenant(id, now) {
                Ok(tenant) => {
                    self.lanes.keep(&tenant);
                    return Some(tenant);
                }
                Err(Rejected::Duplicate) => {}
                Err(Rejected::Full | Rejected::NoSlot(_) | Rejected::Shut(..) | Rejected::Closed) => {
                    if !self.evict_one(now) {
                        return None;
                    }
                    // Who has gone is told here: another may take the room, and then nothing else is told (V1).
                    self.flush();
                }
            }
        }
    }

    /// Enters a new tenant of that id, with one attachment.
    fn enter_tenant(self: &Arc<Self>, id: &str, now: Timestamp) -> Result<Arc<Tenant>, Rejected> {
        // The lock orders entries and changes: who enters later is made as things stand by then, and who has entered is
        // found by the change (L1, E1).
        let plans = self.tenant_plans.lock();
        let tenant = self.made(id, &plans, now);
        self.tenants.register([], TenantEntry(Arc::clone(&tenant))).map(|()| tenant)
    }

    /// A tenant in no table, with one attachment.
    pub(crate) fn fresh_tenant(self: &Arc<Self>, id: &str, now: Timestamp) -> Arc<Tenant> {
        self.made(id, &self.tenant_plans.lock(), now)
    }

    fn made(self: &Arc<Self>, id: &str, plans: &TenantPlans, now: Timestamp) -> Arc<Tenant> {
        let stand = plans.shut.get(id).copied().unwrap_or_default();
        // Acquire (in `load`), under the lock under which a tenant goes that is forgotten: whom `let_go` has made room for
        // begins no earlier; partner: the exchange there (G2).
        let now = now.max(Timestamp::from_nanos(self.forgotten.load()));
        let tenant = Arc::new(Tenant::new(id, plans.of(id), stand, Arc::clone(self), now));
        tenant.attachments().attach();
        tenant
    }

    /// Gives the tenant `id` limits of its own, or, with `None`, those of every tenant again; false if as many tenants
    /// have limits of their own as may be known.
    pub(crate) fn set_tenant(&self, id: &str, plan: Option<TenantPlan>, now: Timestamp) -> bool {
        // As in `enter_tenant`.
        let mut plans = self.tenant_plans.lock();
        let plan = match plan {
            None => {
                plans.own.remove(id);
                Arc::clone(&plans.every)
            }
            Some(_) if plans.own.len() as u64 >= self.max_tenants && !plans.own.contains_key(id) => return false,
            Some(plan) => {
                let plan = Arc::new(plan);
                plans.own.insert(id.into(), Arc::clone(&plan));
                plan
            }
        };
        if let Some(tenant) = self.tenant(id) {
            tenant.relimit(&plan, now);
        }
        drop(plans);
        self.flush();
        true
    }

    /// Gives every tenant that has no limits of its own those of `plan`.
    pub(crate) fn set_every_tenant(&self, plan: TenantPlan, now: Timestamp) {
        // As in `enter_tenant`.
        let mut plans = self.tenant_plans.lock();
        plans.every = Arc::new(plan);
        for TenantEntry(tenant) in self.tenants.entries() {
            if !plans.own.contains_key(tenant.id().as_str()) {
                tenant.relimit(&plans.every, now);
            }
        }
        drop(plans);
        self.flush();
    }

    /// Replaces the limits of all tenants together.
    pub(crate) fn set_process(&self, plan: &ProcessPlan, now: Timestamp) {
        // Whoever joins a tenant behind this walk, or joins one that is entered behind it, finds the budgets there.
        self.process
            .relimit(plan, self.slots(), now, || self.tenants.entries().iter().for_each(|entry| entry.0.reach()));
        // Who waits looks at the new limits (W1).
        self.wakes.put(self.process.budgets.line.first());
        self.flush();
    }

    /// Has an execution found when a limit of its time has come, if anybody looks for that. It has just been entered into the
    /// table, and whoever would end it waits.
    #[inline]
    pub(crate) fn time(&self, execution: &Execution) {
        if self.timers.is_on() {
            self.time_anew(execution);
        }
    }

    /// The same for one whose limits were changed.
    #[inline(never)]
    pub(crate) fn time_anew(&self, execution: &Execution) {
        if execution.record().plan().times_out {
            self.time_pause(execution);
        }
    }

    /// The same for one whose pause ends by itself, whatever its limits are.
    pub(crate) fn time_pause(&self, execution: &Execution) {
        self.timers.enter(execution, |execution| execution.record().moment(Timestamp::ZERO));
        self.hurry(execution.record());
    }

    /// Has whoever keeps deadlines look, if that of `record` comes before they would. The caller may hold a lock; who holds
    /// none wakes them.
    pub(crate) fn hurry(&self, record: &Record) {
        if let Moment::At(moment) = record.moment(Timestamp::ZERO) {
            let keepers = self.deadlines.hurry(moment);
            if !keepers.is_empty() {
                self.wakes.put(keepers);
            }
        }
    }

    /// Begins to look for limits of time that have come, at the first call.
    pub(crate) fn start_timers(&self, now: Timestamp) {
        let timed = |execution: &Execution| {
            let record = execution.record();
            record.plan().times_out || record.has_rolled()
        };
        let all = || self.executions.entries().into_iter().filter(timed).collect();
        self.timers.start(now.as_nanos(), all, |execution| execution.record().moment(Timestamp::ZERO));
    }

    /// Takes an execution that has ended out of the table, and then out of the timers.
    pub(crate) fn forget(&self, execution: &Execution) {
        let record = execution.record();
        self.executions.remove(execution.id().as_bytes(), |entry| entry.is(execution));
        let was_timed = record.has_changed_limits() || record.has_rolled();
        if was_timed || (record.registered_plan().times_out && self.timers.is_on()) {
            self.timers.leave(record.seat());
        }
    }

    /// Forgets everyone, so that what refers to this core can go. Handles live on.
    pub(crate) fn disband(&self) {
        // First: a child that came later would keep itself and this core in memory.
        self.executions.close();
        if self.telling.is_some() {
            let (executions, tenants) = (self.executions.entries(), self.tenants.entries());
            self.close_runs(executions.iter().map(Execution::record), tenants.iter().map(|entry| &*entry.0));
        }
        for entry in self.tenants.entries() {
            entry.0.disband();
        }
        self.executions.clear();
        self.deadlines.clear();
        self.timers.close();
        self.tenants.clear();
        self.lanes.forget();
        let left = self.left.lock().take();
        drop(left);
        self.flush();
    }
}

//! All of one execution: its words, its limits, and its state.

mod calls;
mod expiry;
mod recalled;
mod rolling;
mod standing;

pub(crate) use self::standing::Ended;

use crate::allowance::Spent;
use crate::clock::Timestamp;
use crate::extra::Extra;
use crate::family::{Children, Parent};
use crate::id::ExecutionId;
use crate::kernel::activity::Activity;
use crate::kernel::depth::Depth;
use crate::kernel::meter::Meter;
use crate::kernel::open::Open;
use crate::kernel::repetition::RepetitionGuard;
use crate::kernel::state::Lifecycle;
use crate::kernel::tally::{MAX_AMOUNT, METERED, Tally, Word};
use crate::kernel::timers::Seat;
use crate::kernel::versions::{Version, Versions};
use crate::money::NanoUsd;
use crate::plan::{Plan, TallyLimit};
use crate::registry::Core;
use crate::resource::Resource;
use crate::snapshot::{Outstanding, UsageSnapshot};
use crate::sync::{Arc, OnceLock};
use crate::tenant::Tenant;

/// What steps of an execution write: one block. The words that nearly every step updates stand first and together, for
/// two workers hand a line to and fro once a word at worst.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Hot {
    /// Of steps, tokens and cost.
    common: [Tally; 3],
    pub(crate) input_tokens: Meter,
    pub(crate) output_tokens: Meter,
    pub(crate) cost: Meter,
    pub(crate) activity: Activity,
    /// Open holds that set nothing aside and so show in no tally; counted only where idleness is limited.
    pub(crate) bare_holds: Open,
    /// Of memory and discovered steps.
    rare: [Tally; 2],
    pub(crate) discovered: Meter,
    /// Steps that will stay, kept only once others take from the tally, too: see [`METERED`].
    pub(crate) steps: Meter,
    pub(crate) depth: Depth,
}

impl Hot {
    #[inline(always)]
    fn new(plan: &Plan, now_ns: u64) -> Self {
        let tally = |resource| Tally::new(plan.tally(resource).limit);
        Self {
            common: [Resource::Steps, Resource::Tokens, Resource::Cost].map(tally),
            input_tokens: Meter::new(),
            output_tokens: Meter::new(),
            cost: Meter::new(),
            activity: Activity::new(now_ns),
            bare_holds: Open::new(),
            rare: [Resource::Memory, Resource::DiscoveredSteps].map(tally),
            discovered: Meter::new(),
            steps: Meter::new(),
            depth: Depth::new(),
        }
    }

    #[inline]
    pub(crate) fn tally(&self, resource: Resource) -> &Tally {
        let ([steps, tokens, cost], [memory, discovered]) = (&self.common, &self.rare);
        match resource {
            Resource::Steps => steps,
            Resource::Tokens => tokens,
            Resource::Memory => memory,
            Resource::Cost => cost,
            Resource::DiscoveredSteps => discovered,
        }
    }
}

/// What an execution has committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) steps: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost: u64,
    pub(crate) discovered: u64,
}

impl Committed {
    /// Input and output together, cut at the bound.
    pub(crate) fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens).min(MAX_AMOUNT)
    }

    /// The output: the total less the input, also where the total was cut.
    pub(crate) fn output_of_total(&self) -> u64 {
        self.total_tokens().saturating_sub(self.input_tokens)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let sum = |a: u64, b: u64| a.saturating_add(b).min(MAX_AMOUNT);
        Self {
            steps: sum(self.steps, other.steps),
            input_tokens: sum(self.input_tokens, other.input_tokens),
            output_tokens: sum(self.output_tokens, other.output_tokens),
            cost: sum(self.cost, other.cost),
            discovered: sum(self.discovered, other.discovered),
        }
    }
}

/// All of one execution, in the order in which it lies in memory.
///
/// The hot words stand in the middle, so that what lies around them keeps them off other executions' cache lines: an
/// allocation of twice the size, aligned to lines, would pad them no better, and allocators are slow at those. What
/// steps read and nobody writes shares their lines: where steps are all that is limited the first two are all that is met.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Record {
    id: ExecutionId,
    /// As registered.
    plan: Arc<Plan>,
    /// What only some have.
    extra: OnceLock<Box<Extra>>,
    /// Its tenant and the process have no budgets.
    pub(crate) alone: bool,
    /// Nor is anything limited here but steps.
    pub(crate) bare: bool,
    pub(crate) hot: Hot,
    pub(crate) started: Timestamp,
    pub(crate) tenant: Arc<Tenant>,
    lifecycle: Lifecycle,
    /// Where it stands among the timers, and among its tenant's members or its parent's children.
    seat: Seat,
    pub(crate) repetition: RepetitionGuard,
}

/// Bytes that an [`Arc`] counts in, before what it holds.
const ARC: usize = 16;
/// A cache line.
const LINE: usize = 64;
/// How allocators align at least.
const ALIGNED: usize = 16;
const _: () = {
    let (begin, size) = (ARC + std::mem::offset_of!(Record, hot), ARC + std::mem::size_of::<Record>());
    assert!(begin.is_multiple_of(LINE), "hot words begin with a line where allocations of 256 bytes do");
    assert!(
        begin >= LINE - ALIGNED && size - begin - std::mem::size_of::<Hot>() >= LINE - ALIGNED,
        "neighbours are near"
    );
    assert!(size <= 256 - 8, "an allocation of 256 bytes, and what an allocator notes of it");
};

impl Record {
    /// A record attached to `tenant`: the attachment ends with the record.
    #[inline(always)]
    pub(crate) fn new(id: &str, tenant: Arc<Tenant>, plan: Arc<Plan>, parent: Option<Parent>, now: Timestamp) -> Self {
        let longest = plan.repetition.map_or(1, |repetition| repetition.longest);
        let has_budgets = tenant.budgets.is_set() || tenant.core.process.budgets.is_set();
        Self {
            hot: Hot::new(&plan, now.nanos_since(tenant.core.epoch)),
            started: now,
            alone: !has_budgets,
            bare: plan.bare && !has_budgets,
            lifecycle: Lifecycle::new(true),
            repetition: RepetitionGuard::new(longest),
            id: id.into(),
            seat: Seat::new(),
            extra: parent
                .map_or_else(OnceLock::new, |parent| OnceLock::from(Box::new(Extra::new(&plan, Some(parent))))),
            plan,
            tenant,
        }
    }

    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.tenant.core
    }

    /// Its limits now.
    #[inline]
    pub(crate) fn plan(&self) -> Version<'_, Arc<Plan>> {
        match self.extra.get() {
            None => Version::Kept(&self.plan),
            Some(extra) => extra.plans().and_then(Versions::get).unwrap_or(Version::Kept(&self.plan)),
        }
    }

    /// What `look` makes of its limits now; nothing has to be let go afterwards where they were never changed.
    #[inline(always)]
    pub(crate) fn of_plan<R>(&self, look: impl Fn(&Plan) -> R) -> R {
        if self.is_as_registered() { look(&self.plan) } else { self.of_changed_plan(look) }
    }

    #[inline(never)]
    fn of_changed_plan<R>(&self, look: impl Fn(&Plan) -> R) -> R {
        look(&self.plan())
    }

    /// Whether the short way is open: steps are all that is limited, and the limit is the one that was registered.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.bare && self.extra.get().is_none()
    }

    /// Whether its limits are those that it was registered with, and nothing above it is asked.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.alone && self.extra.get().is_none()
    }

    /// Whether its limits are those that it was registered with.
    #[inline]
    pub(crate) fn is_as_registered(&self) -> bool {
        self.extra.get().is_none_or(|extra| extra.plans().is_none())
    }

    /// Whether nobody has to hear that a demand has come through that is near nothing, either.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        let told = |extra: &Extra| extra.told.get().is_some_and(|told| told.has_runs());
        self.extra.get().is_none_or(|extra| extra.plans().is_none() && !told(extra))
    }

    /// As registered, whatever was changed since.
    pub(crate) fn registered_plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    #[inline]
    pub(crate) fn extra(&self) -> Option<&Extra> {
        self.extra.get().map(Box::as_ref)
    }

    pub(crate) fn extra_or_new(&self) -> &Extra {
        self.extra.get_or_init(|| Box::new(Extra::new(&self.plan, None)))
    }

    /// What it has used of its allowances, if it ever asked of one.
    pub(crate) fn spent(&self) -> Option<&[Spent]> {
        self.extra()?.spent.get().map(Box::as_ref)
    }

    pub(crate) fn spent_or_new(&self) -> &[Spent] {
        self.extra_or_new().spent.get_or_init(|| self.core().allowances.untouched())
    }

    pub(crate) fn children(&self) -> &Children {
        &self.extra_or_new().children
    }

    /// Replaces its limits by `plan`; what is used stays (L1). The caller holds the lock of its changes.
    fn relimit(&self, plan: Plan) {
        let extra = self.extra_or_new();
        let plans = extra.plans_from(&self.plan);
        let (from, next) = (self.plan(), Arc::new(plan));
        let limits = Resource::ALL.map(|resource| (resource, from.tally(resource).limit, next.tally(resource).limit));
        let children = (from.bounds_of_children(), next.bounds_of_children());
        plans.change(next, || {
            for (resource, from, to) in limits {
                self.hot.tally(resource).relimit(from, to);
            }
            extra.children.relimit(children.0, children.1);
        });
        // Who waits looks at the new limits (W1); the caller holds a lock, and wakes them behind it.
        self.core().wakes.put(extra.line.first());
        self.core().wakes.put(extra.waiters.everyone());
        self.core().wakes.put(extra.watchers.everyone());
    }

    /// The limit of `resource` and the word that counts from it, of one version.
    #[inline]
    pub(crate) fn read(&self, resource: Resource) -> (TallyLimit, Word) {
        self.look(|plan| (*plan.tally(resource), self.hot.tally(resource).word()))
    }

    /// What `look` makes of its limits and of words that count from them, of one version.
    #[inline]
    pub(crate) fn look<R>(&self, look: impl Fn(&Plan) -> R) -> R {
        let versions = || self.extra().and_then(Extra::plans);
        if versions().is_none() {
            let seen = look(&self.plan);
            // There are versions before the first word is moved, so who saw a moved word finds them now (L1).
            if versions().is_none() {
                return seen;
            }
        }
        versions().and_then(|plans| plans.read(|plan| look(plan))).unwrap_or_else(|| look(&self.plan))
    }

    pub(crate) fn id(&self) -> &ExecutionId {
        &self.id
    }

    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    pub(crate) fn place(&self) -> usize {
        self.seat.place() as usize
    }

    /// Under the lock of its tenant's members or its parent's children, of which there are fewer than 2^32.
    pub(crate) fn set_place(&self, place: usize) {
        self.seat.set_place(u32::try_from(place).unwrap_or(u32::MAX));
    }

    #[inline(always)]
    pub(crate) fn used(&self, resource: Resource) -> u64 {
        let (limit, word) = self.look(|plan| (plan.tally(resource).limit, self.hot.tally(resource).word()));
        word.used(limit)
    }

    /// What of `resource` is committed: for what counts beginnings, what has begun.
    #[inline]
    pub(crate) fn committed_of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Steps => self.begun_steps(),
            Resource::Tokens => {
                self.hot.input_tokens.read().saturating_add(self.hot.output_tokens.read()).min(MAX_AMOUNT)
            }
            Resource::Cost => self.hot.cost.read(),
            Resource::DiscoveredSteps => self.hot.discovered.read(),
            Resource::Memory => 0,
        }
    }

    /// What it has committed. Each count only grows, and the total is derived from the two that are read (S1).
    pub(crate) fn committed(&self) -> Committed {
        Committed {
            steps: self.begun_steps(),
            input_tokens: self.hot.input_tokens.read(),
            output_tokens: self.hot.output_tokens.read(),
            cost: self.hot.cost.read(),
            discovered: self.hot.discovered.read(),
        }
    }

    /// Own steps are taken last and given back only where a reaper came first, so what is used is what has begun;
    /// children's are taken before
    /// something else and counted when they have come through.
    fn begun_steps(&self) -> u64 {
        let (limit, word) = self.read(Resource::Steps);
        if word.flags() & METERED == 0 { word.used(limit.limit) } else { self.hot.steps.read() }
    }

    /// Counts its steps apart from here on: others are about to take from its tally. The caller holds the lock of its
    /// changes.
    pub(crate) fn meter_steps(&self) {
        let limit = self.plan().tally(Resource::Steps).limit;
        let (mut seen, mut counted) = (self.hot.tally(Resource::Steps).word(), 0);
        while seen.flags() & METERED == 0 {
            // What the word says has begun and is counted before the flag is set on that very word, so whoever sees the
            // flag sees the count (S1); who takes after it sees the flag in the exchange that takes, and counts by
            // itself (C1).
            let used = seen.used(limit);
            self.hot.steps.add(used.saturating_sub(counted));
            counted = counted.max(used);
            match self.hot.tally(Resource::Steps).mark_seen(seen, METERED) {
                Ok(()) => return,
                Err(word) => seen = word,
            }
        }
    }

    /// What open holds have set aside of `resource`, as it was at one moment: committed only grows, so if it is the same
    /// before and after, it was so when *used* was read (S1).
    #[inline(always)]
    fn outstanding_of(&self, resource: Resource) -> u64 {
        let mut before = self.committed_of(resource);
        loop {
            let used = self.used(resource);
            let after = self.committed_of(resource);
            if before == after {
                return used.saturating_sub(after);
            }
            before = after;
        }
    }

    /// What open holds have set aside.
    pub(crate) fn outstanding(&self) -> Outstanding {
        Outstanding {
            tokens: self.outstanding_of(Resource::Tokens),
            cost_nano_usd: self.outstanding_of(Resource::Cost),
            memory_bytes: self.outstanding_of(Resource::Memory),
        }
    }

    /// Whether a hold is open or a child lives, as far as idleness is concerned (I1).
    pub(crate) fn has_open_holds(&self) -> bool {
        self.live_children() > 0 || !self.hot.bare_holds.is_empty() || !self.outstanding().is_zero()
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> + Clone {
        self.hot.common.iter().chain(&self.hot.rare)
    }

    pub(crate) fn snapshot(&self, now: Timestamp) -> UsageSnapshot {
        // Outstanding first: an amount that is settled meanwhile may show as both, but never as neither.
        let outstanding = self.outstanding();
        let committed = self.committed();
        let (total_tokens, output_tokens) = (committed.total_tokens(), committed.output_of_total());
        let Committed { steps, input_tokens, cost, discovered, .. } = committed;
        let (discovery_depth, max_discovery_depth) = self.hot.depth.read();
        let of = |plan: &Plan, resource| (plan.tally(resource).limit, plan.tally(resource).overdraft);
        let ((max_tokens, overdraft_tokens), (max_cost, overdraft_nano_usd)) =
            self.of_plan(|plan| (of(plan, Resource::Tokens), of(plan, Resource::Cost)));
        UsageSnapshot {
            execution_id: self.id.as_str().into(),
            tenant_id: self.tenant.id().as_str().into(),
            steps,
            input_tokens,
            output_tokens,
            total_tokens,
            wall_time_ms: now.nanos_since(self.started) / 1_000_000,
            discovered_steps: discovered,
            discovery_depth,
            max_discovery_depth,
            cost_usd: NanoUsd::new(cost).unwrap_or(NanoUsd::MAX).to_f64(),
            cost_nano_usd: cost,
            outstanding,
            debt_tokens: total_tokens.saturating_sub(max_tokens),
            debt_nano_usd: cost.saturating_sub(max_cost),
            overdraft_tokens,
            overdraft_nano_usd,
            allowances: self.core().allowances.usage(self.spent()),
            status: self.status(),
        }
    }
}

//! Our own paths, in the settings of the target table.

use std::hint::black_box;

use enforce_async::ExecutionExt;
use enforce_core::{
    Actual, Demand, Enforcer, EnforcerBuilder, Execution, LongRunningExecutionPolicy, NanoUsd, ProviderPolicy,
    ResourceLimits, TenantPolicy, Timestamp, UNLIMITED,
};

use crate::Case;
use crate::ids::Ids;
use crate::rounds::{ready, time};

pub mod budgets;
pub mod crowd;
pub mod rates;
pub mod shared;
pub mod trees;

/// A limit that no run reaches.
const FAR: u64 = (1 << 56) - 1;

/// How far the caller's clock moves from one operation to the next.
const TICK_NS: u64 = 1_000;

/// Which limits are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Steps alone: the execution's own counter and no clock.
    Bare,
    /// Steps and idleness, which every admission postpones.
    Active,
    /// Those that the seed sets by default (steps, tokens, wall time, discovered steps, depth, cost alert, idleness,
    /// repeated steps), their values out of reach.
    Usual,
    /// The same, and a budget of the tenant.
    Budget,
    /// Everything that can be limited so far: also memory, money, and the rates of a provider.
    Full,
}

fn far_usd() -> Option<NanoUsd> {
    NanoUsd::new(FAR).ok()
}

/// Rates that refuse nobody: a microsecond's worth comes with each of the caller's ticks.
fn fast() -> ProviderPolicy {
    let limit = Some(60_000_000_000);
    ProviderPolicy { requests_per_minute: limit, tokens_per_minute: limit, ..ProviderPolicy::default() }
}

impl Setting {
    fn builder(self) -> EnforcerBuilder {
        let limits = ResourceLimits { max_steps: FAR, ..ResourceLimits::unlimited() };
        let idle =
            LongRunningExecutionPolicy { idle_timeout_seconds: Some(1_800), ..LongRunningExecutionPolicy::disabled() };
        let builder = Enforcer::builder();
        match self {
            Self::Bare => builder.limits(limits),
            Self::Active => builder.limits(limits).long_running(idle),
            Self::Usual | Self::Budget | Self::Full => builder
                .limits(ResourceLimits {
                    max_tokens: FAR,
                    max_wall_time_ms: UNLIMITED - 1,
                    max_memory_mb: Some(FAR >> 20).filter(|_| self == Self::Full),
                    max_cost_usd: far_usd().filter(|_| self == Self::Full),
                    ..limits
                })
                .long_running(LongRunningExecutionPolicy {
                    max_discovered_steps: Some(FAR),
                    cost_alert_threshold_usd: far_usd(),
                    ..LongRunningExecutionPolicy::standard()
                })
                .tenant(TenantPolicy {
                    budget_usd: far_usd().filter(|_| self != Self::Usual),
                    ..TenantPolicy::default()
                })
                .provider(if self == Self::Full { fast() } else { ProviderPolicy::default() }),
        }
    }

    /// An enforcer with these limits.
    #[expect(clippy::expect_used, reason = "limits that are known to be valid")]
    pub fn enforcer(self) -> Enforcer {
        self.builder().build().expect("valid limits")
    }

    /// One execution of such an enforcer, and its first moment.
    pub fn execution(self) -> (Execution, Ticks) {
        let run = register(&self.enforcer(), "exec_000000000000000000000000000");
        let ticks = Ticks::from(run.started_at());
        (run, ticks)
    }

    /// A thousand executions of one enforcer.
    pub fn executions(self) -> (Enforcer, Ids, Ticks) {
        let (enforcer, ids) = (self.enforcer(), Ids::hot());
        for id in ids.sorted() {
            register(&enforcer, id);
        }
        let ticks = Ticks::from(enforcer.clock().now());
        (enforcer, ids, ticks)
    }
}

/// Registers `id` with one of a few tenants.
#[expect(clippy::expect_used, reason = "nothing stands against it")]
pub fn register(enforcer: &Enforcer, id: &str) -> Execution {
    const TENANTS: [&str; 4] = ["tenant_a", "tenant_b", "tenant_c", "tenant_d"];
    let tenant = TENANTS.get(id.bytes().map(usize::from).sum::<usize>() % TENANTS.len()).copied();
    enforcer.execution(id, tenant.unwrap_or("tenant_a")).register().expect("a free id")
}

/// A caller's timestamps: each a little later than the one before.
#[derive(Debug, Clone)]
pub struct Ticks(u64);

impl From<Timestamp> for Ticks {
    fn from(start: Timestamp) -> Self {
        Self(start.as_nanos())
    }
}

impl Ticks {
    /// The next one.
    #[inline]
    pub fn tick(&mut self) -> Timestamp {
        self.0 += TICK_NS;
        Timestamp::from_nanos(self.0)
    }
}

/// What a step of the usual kind asks: amounts that the compiler does not know, in a demand whose shape it does, as in
/// a caller's code.
#[inline]
fn asked() -> Demand {
    Demand::step().tokens(black_box(12), black_box(28)).cost(usd(black_box(12_000_000)))
}

/// What it then used: less than it had asked.
#[inline]
fn used() -> Actual {
    Actual::tokens(black_box(12), black_box(6)).cost(usd(black_box(10_000_000)))
}

#[inline]
fn usd(nanos: u64) -> NanoUsd {
    NanoUsd::new(nanos).unwrap_or(NanoUsd::ZERO)
}

/// Handle, bare: a step is reserved and the hold goes.
pub fn bare() -> Case {
    let (run, _) = Setting::Bare.execution();
    Case::new("handle, bare", move || drop(run.reserve(Demand::step())))
}

/// The same with a hold that is `'static + Send`.
pub fn bare_owned() -> Case {
    let (run, _) = Setting::Bare.execution();
    Case::new("handle, bare, owned", move || drop(run.reserve_owned(Demand::step())))
}

/// The same, awaited: a future that is ready at its first poll.
pub fn bare_acquired() -> Case {
    let (run, _) = Setting::Bare.execution();
    Case::new("acquire, bare", move || {
        black_box(ready(run.acquire(Demand::step())));
    })
}

/// Handle: a step of an execution whose idleness is limited, the hold dropped at once.
pub fn active() -> Case {
    let (run, mut ticks) = Setting::Active.execution();
    Case::new("handle, activity", move || drop(run.reserve_at(Demand::step(), ticks.tick())))
}

fn whole(run: &Execution, ticks: &mut Ticks) {
    let hold = run.reserve_at(asked(), ticks.tick());
    if let Ok(hold) = hold {
        black_box(hold.settle_at(used(), ticks.tick()).late);
    }
}

/// Handle, usual: reserved and settled, timestamps given.
pub fn usual() -> Case {
    let (run, mut ticks) = Setting::Usual.execution();
    Case::new("handle, usual", move || whole(&run, &mut ticks))
}

/// The same, where the enforcer reads its clock for both calls.
pub fn usual_clock() -> Case {
    let (run, _) = Setting::Usual.execution();
    Case::new("handle, usual, own clock", move || {
        if let Ok(hold) = run.reserve(asked()) {
            black_box(hold.settle(used()).late);
        }
    })
}

/// The same with a budget of the tenant.
pub fn budget() -> Case {
    let (run, mut ticks) = Setting::Budget.execution();
    Case::new("handle, tenant budget", move || whole(&run, &mut ticks))
}

/// Everything that can be limited so far, with a fingerprint that changes from step to step, reserved and settled.
pub fn full() -> Case {
    let enforcer = Setting::Full.enforcer();
    let provider = enforcer.provider("anthropic").ok();
    let run = register(&enforcer, "exec_000000000000000000000000000");
    let mut ticks = Ticks::from(run.started_at());
    let mut fingerprint = 0_u64;
    Case::new("handle, full", move || {
        fingerprint += 1;
        let demand = asked().memory_bytes(black_box(1 << 20)).fingerprint(fingerprint);
        let demand = provider.map_or(demand, |provider| demand.provider(provider));
        if let Ok(hold) = run.reserve_at(demand, ticks.tick()) {
            black_box(hold.settle_at(used(), ticks.tick()).late);
        }
    })
}

/// Two workers on one execution, the usual cycle.
pub fn usual_on_two_threads() -> Case {
    let (run, ticks) = Setting::Usual.execution();
    Case::on_two_threads("handle, usual, two threads", move || {
        let (run, mut ticks) = (run.clone(), ticks.clone());
        move |times| (0..times).for_each(|_| whole(&run, &mut ticks))
    })
}

/// A usual step that asks for more tokens than there are.
pub fn refused() -> Case {
    let (run, mut ticks) = Setting::Usual.execution();
    Case::new("refusal, usual", move || {
        let refused = run.reserve_at(asked().tokens(black_box(FAR), 1), ticks.tick());
        black_box(refused.is_err());
    })
}

/// A bare step that asks for more steps than there are.
pub fn refused_bare() -> Case {
    let (run, _) = Setting::Bare.execution();
    Case::new("refusal, bare", move || {
        black_box(run.reserve(Demand::step().steps(black_box(FAR + 1))).is_err());
    })
}

/// Every usual limit is looked at, nothing is taken.
pub fn check() -> Case {
    let (run, mut ticks) = Setting::Usual.execution();
    Case::new("check, usual", move || {
        black_box(run.check_at(asked(), ticks.tick()).is_allowed());
    })
}

/// By id, bare.
pub fn by_id_bare() -> Case {
    let (enforcer, mut ids, _) = Setting::Bare.executions();
    Case::new("by id, bare", move || drop(enforcer.reserve(ids.next_id(), Demand::step())))
}

/// By id: a step of an execution whose idleness is limited.
pub fn by_id_active() -> Case {
    let (enforcer, mut ids, mut ticks) = Setting::Active.executions();
    Case::new("by id, activity", move || {
        drop(enforcer.reserve_at(ids.next_id(), Demand::step(), ticks.tick()));
    })
}

/// By id, usual: reserved and settled.
pub fn by_id_usual() -> Case {
    let (enforcer, mut ids, mut ticks) = Setting::Usual.executions();
    Case::new("by id, usual", move || {
        let hold = enforcer.reserve_at(ids.next_id(), asked(), ticks.tick());
        if let Ok(hold) = hold {
            black_box(hold.settle_at(used(), ticks.tick()).late);
        }
    })
}

/// Registers and finishes one execution beside a thousand live ones.
pub fn register_and_finish() -> Case {
    registering("register + finish", Setting::Usual.executions())
}

/// The same where limits of time are carried out although nobody asks, so that each enters its bucket and leaves it.
pub fn register_and_finish_expiring() -> Case {
    let usual = Setting::Usual.executions();
    usual.0.expire();
    registering("register + finish, expiring", usual)
}

fn registering(name: &'static str, (enforcer, _, mut ticks): (Enforcer, Ids, Ticks)) -> Case {
    Case::timed(name, move |times| {
        let ids: Vec<String> = (0..times).map(|number| format!("run_{number:028}")).collect();
        let mut ids = ids.iter();
        time(times, || {
            let id = ids.next().map_or("", String::as_str);
            if let Ok(run) = enforcer.execution(id, "tenant_a").register_at(ticks.tick()) {
                run.finish_at(ticks.tick());
            }
        })
    })
}

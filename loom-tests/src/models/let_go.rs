//! A tenant's rates, which go with it: G2.

use crate::explore::{TWO, model, twin};
use crate::kernel::attachments::Attachments;
use crate::kernel::cell::Cell;
use crate::kernel::gcra::{Rate, Tat};
use crate::kernel::table::Table;
use crate::race::{self, Ground};
use crate::sync::{Keyed, OnceLock};

const G2: &str = "G2: rates that are let go are no fuller when they come back";

/// One at once, one more every ten.
const RATE: Rate = Rate { interval: 10, scale: 1, burst: 1 };

/// A tenant as its table has it.
#[derive(Debug, Clone)]
struct Entry(Ground<Tenant>);

#[derive(Debug)]
struct Tenant {
    attachments: Attachments,
    rate: OnceLock<Tat>,
}

impl Entry {
    fn new() -> Self {
        Self(Ground::new(Tenant { attachments: Attachments::new(), rate: OnceLock::new() }))
    }
}

impl Keyed for Entry {
    fn key(&self) -> &[u8] {
        b"tenant"
    }
}

/// The table, and the latest time at which rates were let go.
struct Registry {
    tenants: Table<Entry>,
    passed: Cell,
    /// Plants a bug: the time is raised when the entry is out of the table.
    late: bool,
}

impl Registry {
    /// With one tenant, whose rate is used up until 10.
    fn new(late: bool) -> Self {
        let registry = Self { tenants: Table::new(2), passed: Cell::new(0), late };
        let entry = Entry::new();
        entry.0.rate.get_or_init(|| Tat::new(&RATE, 0)).take(&RATE, 0, 1).unwrap();
        registry.tenants.register([], entry).unwrap();
        registry
    }

    /// At 10 all of it has drained, so it is let go if nobody needs it.
    fn evict(&self) -> bool {
        let raise = || self.passed.apply(|latest| (latest.max(10), ()));
        let Some(entry) = self.tenants.get(b"tenant") else { return false };
        let Some(seen) = entry.0.attachments.see() else { return false };
        if !entry.0.rate.get().is_none_or(|rate| rate.has_passed(&RATE, 10)) {
            return false;
        }
        if !self.late {
            raise();
        }
        let retired = entry.0.attachments.retire(seen);
        if retired {
            self.tenants.remove(b"tenant", |found| Ground::ptr_eq(&found.0, &entry.0));
        }
        if self.late {
            raise();
        }
        retired
    }

    /// Asks at 5, by a clock that stands behind: nothing has drained by then.
    fn ask(&self) -> bool {
        loop {
            let entry = self.tenants.get(b"tenant").unwrap_or_else(Entry::new);
            if !entry.0.attachments.attach() {
                self.tenants.remove(b"tenant", |found| Ground::ptr_eq(&found.0, &entry.0));
                continue;
            }
            let found = || self.tenants.get(b"tenant").is_some_and(|found| Ground::ptr_eq(&found.0, &entry.0));
            if self.tenants.register([], entry.clone()).is_ok() || found() {
                let rate = entry.0.rate.get_or_init(|| Tat::new(&RATE, self.passed.load()));
                return rate.take(&RATE, 5, 1).is_ok();
            }
        }
    }
}

fn let_go(registry: Registry) -> impl std::fmt::Debug {
    let (evicted, admitted, _registry) = race::two(registry, Registry::evict, Registry::ask);
    assert!(!admitted, "{G2}: evicted {evicted}");
    evicted
}

#[test]
fn g2_rates_come_back_no_fuller() {
    model(G2, TWO, || let_go(Registry::new(false)));
}

#[test]
fn g2_rates_come_back_no_fuller_twin() {
    twin(G2, TWO, || let_go(Registry::new(true)));
}

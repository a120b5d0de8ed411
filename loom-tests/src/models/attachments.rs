//! Entries that come and go: G2.

use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::attachments::Attachments;
use crate::kernel::meter::Meter;
use crate::kernel::table::Table;
use crate::race::{self, Ground};
use crate::sync::{AtomicU64, Keyed, Ordering::AcqRel, Ordering::Acquire};

const G2: &str = "G2: nobody is attached to an entry that is retired";
const G2_SPENT: &str = "G2: what was spent is forgotten by no eviction";

/// Retires an entry that nobody is attached to and nothing was spent on.
type Retire = fn(&Entry) -> bool;

/// Who needs an entry.
trait Attached: Send + Sync + 'static {
    fn new() -> Self;
    fn attach(&self) -> bool;
    fn retire(&self) -> bool;
}

impl Attached for Attachments {
    fn new() -> Self {
        Attachments::new()
    }

    fn attach(&self) -> bool {
        Attachments::attach(self)
    }

    fn retire(&self) -> bool {
        self.see().is_some_and(|seen| Attachments::retire(self, seen))
    }
}

/// Count and mark in two words.
struct TwoWords {
    count: AtomicU64,
    retired: AtomicU64,
}

impl Attached for TwoWords {
    fn new() -> Self {
        Self { count: AtomicU64::new(0), retired: AtomicU64::new(0) }
    }

    fn attach(&self) -> bool {
        let live = self.retired.load(Acquire) == 0;
        if live {
            self.count.fetch_add(1, AcqRel);
        }
        live
    }

    fn retire(&self) -> bool {
        self.count.load(Acquire) == 0 && self.retired.swap(1, AcqRel) == 0
    }
}

/// A tenant as its table has it.
#[derive(Debug, Clone)]
struct Entry(Ground<Record>);

#[derive(Debug)]
struct Record {
    attachments: Attachments,
    spent: Meter,
}

impl Entry {
    fn new() -> Self {
        Self(Ground::new(Record { attachments: Attachments::new(), spent: Meter::new() }))
    }

    fn is(&self, other: &Self) -> bool {
        Ground::ptr_eq(&self.0, &other.0)
    }
}

impl Keyed for Entry {
    fn key(&self) -> &[u8] {
        b"tenant"
    }
}

fn retire(entry: &Entry) -> bool {
    // Looked at before what it has spent.
    entry.0.attachments.see().is_some_and(|seen| entry.0.spent.read() == 0 && entry.0.attachments.retire(seen))
}

fn retire_what_looks_idle(entry: &Entry) -> bool {
    // The spending first: who attaches, spends and leaves in between is missed.
    entry.0.spent.read() == 0 && entry.0.attachments.see().is_some_and(|seen| entry.0.attachments.retire(seen))
}

/// Two who would evict, and one who attaches and stays.
fn attached<A: Attached>() -> impl std::fmt::Debug {
    let (attached, a, b, entry) = race::three(A::new(), A::attach, A::retire, A::retire);
    assert_eq!(u8::from(attached) + u8::from(a) + u8::from(b), 1, "{G2}: attached {attached}, retired {a} and {b}");
    assert_eq!(entry.attach(), attached, "{G2}, nor later");
    (attached, a)
}

#[test]
fn g2_nobody_is_attached_to_a_retired_entry() {
    model(G2, THREE, || attached::<Attachments>());
}

#[test]
fn g2_nobody_is_attached_to_a_retired_entry_twin() {
    twin(G2, THREE, || attached::<TwoWords>());
}

/// Spends one on the entry of the table, a new one if need be, as the registry does.
fn spend(table: &Table<Entry>) {
    loop {
        let entry = table.get(b"tenant").unwrap_or_else(Entry::new);
        if entry.0.attachments.attach() {
            // A duplicate was first: its entry is the one to spend on.
            let mine = table.register(None, entry.clone()).is_ok()
                || table.get(b"tenant").is_some_and(|found| found.is(&entry));
            if mine {
                entry.0.spent.add(1);
                let _last = entry.0.attachments.detach();
                return;
            }
        } else {
            // Retired: helped out of the table, and looked up again.
            table.remove(b"tenant", |found| found.is(&entry));
        }
    }
}

/// Somebody spends while somebody else evicts what nothing was spent on.
fn spent(retire: Retire) -> impl std::fmt::Debug {
    let table = Table::new(2);
    table.register(None, Entry::new()).unwrap();
    let ((), evicted, table) = race::two(table, spend, move |table: &Table<Entry>| {
        let entry = table.get(b"tenant").unwrap();
        let retired = retire(&entry);
        if retired {
            table.remove(b"tenant", |found| found.is(&entry));
        }
        retired
    });
    let found = table.get(b"tenant").map(|entry| entry.0.spent.read());
    assert_eq!(found, Some(1), "{G2_SPENT}: evicted {evicted}");
    assert_eq!(table.len(), 1, "{G2_SPENT}, and one entry is there");
    evicted
}

#[test]
fn g2_an_eviction_forgets_nothing() {
    model(G2_SPENT, TWO, || spent(retire));
}

#[test]
fn g2_an_eviction_forgets_nothing_twin() {
    twin(G2_SPENT, TWO, || spent(retire_what_looks_idle));
}

//! What only some executions have: a parent, children, pauses, allowances, other limits than they were registered with.

use crate::allowance::Spent;
use crate::approval::Approved;
use crate::clock::Timestamp;
use crate::decision::EnforcementViolation;
use crate::family::{Children, Parent};
use crate::kernel::cell::Cell;
use crate::kernel::queue::Queue;
use crate::kernel::versions::Versions;
use crate::plan::Plan;
use crate::sync::{Arc, Mutex, OnceLock};
use crate::told::Told;

/// A pause lasts until somebody approves it: the last nanosecond of the clock stands for *never*.
pub(crate) const UNTIL_APPROVED: u64 = u64::MAX;

/// Kept apart from the record, so that an execution without any of it stays small.
#[derive(Debug)]
pub(crate) struct Extra {
    plans: OnceLock<Box<Versions<Arc<Plan>>>>,
    /// How long its ended pauses lasted, in nanoseconds. Changes under the lock of its state.
    paused_ns: Cell,
    /// Until when its own pause lasts, in nanoseconds, from 1 on; 0 as long as none is written down. Changes under the lock
    /// of its state.
    until: Cell,
    /// Not 0 once a pause of it was one that ends by itself.
    rolled: Cell,
    history: Mutex<History>,
    /// What was used of allowances, from the first demand that asked of one on.
    pub(crate) spent: OnceLock<Box<[Spent]>>,
    pub(crate) parent: Option<Parent>,
    pub(crate) children: Children,
    /// Those who wait for room in its tallies: its own demands and those of executions that share its budget.
    pub(crate) line: Queue,
    /// Its own demands that wait, wherever they do.
    pub(crate) waiters: Queue,
    /// What was told of it, from the first refusal or warning on that anybody wants to hear of.
    pub(crate) told: OnceLock<Box<Told>>,
    /// Those who watch its state.
    pub(crate) watchers: Queue,
}

#[derive(Debug, Default)]
struct History {
    pause: Option<Pause>,
    approved: Vec<Approved>,
    /// Since when it is paused, by itself or from above.
    since: Option<Timestamp>,
}

/// What a pause is about.
#[derive(Debug, Clone)]
pub(crate) struct Pause {
    pub(crate) number: u64,
    pub(crate) violation: EnforcementViolation,
    pub(crate) why: Option<String>,
    pub(crate) at: Timestamp,
    /// When it ends by itself, if it does not wait for somebody.
    pub(crate) until: Option<Timestamp>,
}

impl Extra {
    pub(crate) fn new(plan: &Plan, parent: Option<Parent>) -> Self {
        Self {
            plans: OnceLock::new(),
            paused_ns: Cell::new(0),
            until: Cell::new(0),
            rolled: Cell::new(0),
            history: Mutex::new(History::default()),
            spent: OnceLock::new(),
            parent,
            children: Children::new(plan),
            line: Queue::new(),
            waiters: Queue::new(),
            told: OnceLock::new(),
            watchers: Queue::new(),
        }
    }

    /// The versions of its limits, if they were ever changed.
    #[inline]
    pub(crate) fn plans(&self) -> Option<&Versions<Arc<Plan>>> {
        self.plans.get().map(Box::as_ref)
    }

    /// The versions of its limits, the first of which is `registered`.
    pub(crate) fn plans_from(&self, registered: &Arc<Plan>) -> &Versions<Arc<Plan>> {
        self.plans.get_or_init(|| Box::new(Versions::new(Arc::clone(registered))))
    }

    /// Begins a pause: its own, or one from above, which has nothing to be approved.
    pub(crate) fn begin(&self, pause: Option<Pause>, at: Timestamp) {
        let mut history = self.history.lock();
        history.since.get_or_insert(at);
        if let Some(pause) = pause {
            if pause.until.is_some() {
                // Before anybody can look for it: who ends it later sees this by the lock of its state (G1).
                self.rolled.apply(|_| (1, ()));
            }
            let until = pause.until.map_or(UNTIL_APPROVED, |until| until.as_nanos().max(1));
            history.pause = Some(pause);
            // AcqRel (in `apply`): with the pause that it is of; partner: `paused_until` (E3).
            self.until.apply(|_| (until, ()));
        }
    }

    /// Ends a pause; `still` if another one goes on.
    pub(crate) fn end(&self, own: bool, still: bool, now: Timestamp) {
        let mut history = self.history.lock();
        if own {
            history.pause = None;
            // AcqRel (in `apply`): before the next pause can begin, by the lock of its state; partner: `paused_until` (E3).
            self.until.apply(|_| (0, ()));
        }
        if let Some(since) = history.since.take_if(|_| !still) {
            self.paused_ns.apply(|ns| (ns.saturating_add(now.nanos_since(since)), ()));
        }
    }

    /// Takes over what an earlier life has left: since when it is paused, how long its ended pauses lasted, its approvals.
    pub(crate) fn recall(&self, since: Option<Timestamp>, paused_ns: u64, approved: Vec<Approved>) {
        let mut history = self.history.lock();
        (history.since, history.approved) = (since, approved);
        // Before anybody else knows it.
        self.paused_ns.apply(|_| (paused_ns, ()));
    }

    /// Since when it is paused, by itself or from above.
    pub(crate) fn paused_since(&self) -> Option<Timestamp> {
        self.history.lock().since
    }

    /// Until when its own pause lasts, as far as it is written down: [`UNTIL_APPROVED`] if until somebody approves.
    pub(crate) fn paused_until(&self) -> Option<u64> {
        // Acquire (in `load`): a look that decides nothing, for what ends a pause names its number; partner: `begin` (E3).
        Some(self.until.load()).filter(|until| *until != 0)
    }

    /// Whether a pause of it has ever been one that ends by itself.
    pub(crate) fn has_rolled(&self) -> bool {
        // Acquire (in `load`): who has ended it sees what was set under the lock of its state; partner: `begin` (G1).
        self.rolled.load() != 0
    }

    /// How long its ended pauses lasted.
    pub(crate) fn paused_ns(&self) -> u64 {
        self.paused_ns.load()
    }

    /// The pause that has not ended.
    pub(crate) fn pause(&self) -> Option<Pause> {
        self.history.lock().pause.clone()
    }

    pub(crate) fn record(&self, approved: Approved) {
        self.history.lock().approved.push(approved);
    }

    pub(crate) fn approved(&self) -> Vec<Approved> {
        self.history.lock().approved.clone()
    }
}

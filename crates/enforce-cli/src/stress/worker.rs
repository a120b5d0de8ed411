//! One thread of a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};

use enforce_core::UsageSnapshot;
use parking_lot::Mutex;

use super::error::StressError;
use super::hold::{End, Open};
use super::laws::{Judge, Law};
use super::node::Node;
use super::numbers::Numbers;
use super::operation::Operation;
use super::plan::Plan;
use super::record::Record;
use super::tally::Tally;
use super::waiting::Queued;
use super::wish::{Wish, random_end};
use super::world::{Rush, World};

/// Where threads and whoever compares meet.
#[derive(Debug)]
pub(crate) struct Meeting {
    /// Of all threads and of whoever compares.
    pub(crate) all: Barrier,
    /// Of the threads alone.
    pub(crate) threads: Barrier,
    /// What each thread has done since the last meeting, handed over while everybody stands still.
    pub(crate) records: Vec<Mutex<Record>>,
    /// Whether this meeting was the last.
    pub(crate) over: Mutex<bool>,
}

impl Meeting {
    pub(crate) fn of(plan: &Plan) -> Self {
        let threads = usize::try_from(plan.threads).unwrap_or(usize::MAX);
        Self {
            all: Barrier::new(threads.saturating_add(1)),
            threads: Barrier::new(threads),
            records: (0..threads).map(|_| Mutex::default()).collect(),
            over: Mutex::new(false),
        }
    }
}

/// One thread, and what it alone knows.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) world: &'a World,
    pub(crate) number: usize,
    pub(crate) numbers: Numbers,
    pub(crate) record: Record,
    pub(crate) tally: Tally,
    /// Holds that it has kept.
    pub(crate) open: Vec<Open<'static>>,
    /// Demands of its own that wait in line.
    pub(crate) waiting: Vec<Queued>,
    /// Executions that it has looked at, with what it saw last (S1).
    pub(crate) watched: Vec<(Arc<Node>, UsageSnapshot)>,
    /// How many executions it has registered, for their names.
    pub(crate) registered: u64,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(world: &'a World, number: usize) -> Result<Self, StressError> {
        Ok(Self {
            world,
            number,
            numbers: Numbers::of(world.plan.seed, number as u64),
            record: Record::default(),
            tally: Tally::new()?,
            open: Vec::new(),
            waiting: Vec::new(),
            watched: Vec::new(),
            registered: 0,
        })
    }

    /// Works until the last meeting; what it has counted.
    pub(crate) fn work(mut self, meeting: &Meeting) -> Tally {
        let plan = self.world.plan;
        self.guarded(Self::populate);
        self.meet(meeting);
        let mut left = plan.share(self.number as u64);
        let mut turn = 0;
        while !*meeting.over.lock() {
            self.rush(meeting);
            let now = plan.between_meetings().min(left.unwrap_or(u64::MAX));
            left = left.map(|left| left - now);
            // One of them saves while the others go on, by turns.
            let saves = turn % plan.threads == self.number as u64;
            turn += 1;
            self.guarded(|worker| worker.operate(now, saves));
            self.meet(meeting);
        }
        self.guarded(Self::end_all);
        self.meet(meeting);
        self.tally
    }

    /// Runs a part of the work. That nothing panics is a law, too (N1), and whoever panics has to come to the meetings
    /// all the same, or everyone would wait for ever.
    fn guarded(&mut self, part: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| part(self))).is_err() {
            let mut judge = Judge::of(format!("thread {}", self.number));
            judge.never(Law::N1, "calls that panicked", true);
            self.judged(judge);
        }
    }

    fn operate(&mut self, operations: u64, saves: bool) {
        let save_at = saves.then(|| self.numbers.below(operations.max(1)));
        for number in 0..operations {
            if save_at == Some(number) {
                self.save();
            }
            let (operation, name) = Operation::random(&mut self.numbers);
            *self.tally.counts.operations.entry(name).or_default() += 1;
            operation.run(self);
        }
    }

    /// Stands still while everything is compared.
    fn meet(&mut self, meeting: &Meeting) {
        self.watched.clear();
        self.waiting.clear();
        meeting.all.wait();
        self.take_over();
        for open in &mut self.open {
            open.notice_expiry(&mut self.record);
        }
        self.record.timed = self.open.iter().filter(|open| open.is_timed() && !open.expired).count() as u64;
        if let Some(place) = meeting.records.get(self.number) {
            *place.lock() = std::mem::take(&mut self.record);
        }
        meeting.all.wait();
        meeting.all.wait();
    }

    /// Everyone asks one execution at once, and nobody ends before all have asked: as many come through as fit together
    /// (T1, T3).
    fn rush(&mut self, meeting: &Meeting) {
        let rush = self.world.rush.lock().clone();
        let mut taken = None;
        self.guarded(|worker| taken = rush.and_then(|rush| worker.begin_rush(&rush)));
        meeting.threads.wait();
        if let Some(open) = taken {
            self.guarded(|worker| {
                let used = open.asked;
                worker.end(open, End::Settle(used));
            });
        }
    }

    fn begin_rush(&mut self, rush: &Rush) -> Option<Open<'static>> {
        let open = self.open(&rush.node, &Wish::tokens(rush.tokens))?;
        self.record.rushed += 1;
        Some(open)
    }

    /// Takes over the holds that others have handed to it.
    pub(crate) fn take_over(&mut self) {
        if let Some(handed) = self.world.handed.get(self.number) {
            let handed = std::mem::take(&mut *handed.lock());
            self.tally.counts.handed_over += handed.len() as u64;
            self.open.extend(handed);
        }
    }

    /// Ends a hold and counts how.
    pub(crate) fn end(&mut self, open: Open<'_>, end: End) {
        match end {
            End::Settle(_) => self.tally.counts.settled += 1,
            End::Drop => self.tally.counts.dropped += 1,
        }
        let now = self.world.now();
        open.end(end, now, &mut self.record, &mut self.tally.settle);
    }

    /// Ends everything that it has open.
    fn end_all(&mut self) {
        for open in std::mem::take(&mut self.open) {
            let end = random_end(&mut self.numbers, &open.asked, open.node.is_strict);
            self.end(open, end);
        }
    }

    /// An execution, with its place.
    pub(crate) fn pick(&mut self) -> Option<(usize, Arc<Node>)> {
        let place = self.numbers.index(self.world.places.len());
        Some((place, self.world.at(place)?))
    }

    /// Keeps what a judge has found.
    pub(crate) fn judged(&mut self, judge: Judge) {
        self.record.compared += judge.compared;
        self.record.violations.extend(judge.violations);
    }
}

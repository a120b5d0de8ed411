//! Who lets the threads work, compares while they stand still, and says when it is over.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use enforce_core::{OpenHolds, TenantUsage, Timestamp};
use parking_lot::Mutex;

use super::census::Census;
use super::findings::Findings;
use super::laws::{Judge, Law};
use super::limits::Limits;
use super::memory::resident_bytes;
use super::node::{Ledger, Node};
use super::numbers::Numbers;
use super::plan::Until;
use super::progress::Progress;
use super::record::Record;
use super::restart::{Living, Restart};
use super::saving::Saved;
use super::tally::instant;
use super::tenant::Kind;
use super::worker::Meeting;
use super::world::{PROVIDERS, REQUEST_BURST, REQUESTS_PER_MINUTE, Rush, World};

/// After so many operations for each place hardly anyone lives who lived at the beginning.
const OPERATIONS_A_LIFE: u64 = 100;

/// Of its numbers; threads have their own number as a stream.
const STREAM: u64 = u64::MAX;

/// Keys of executions that are registered here begin with it.
const KEYS: u64 = 1 << 63;

/// What the threads say at one meeting, all together.
#[derive(Debug, Default)]
struct Told {
    evicted: Vec<TenantUsage>,
    saved: Vec<Saved>,
    requests: [u64; PROVIDERS],
    timed: u64,
    rushed: u64,
}

#[derive(Debug)]
pub(crate) struct Conductor<'a> {
    world: &'a World,
    numbers: Numbers,
    census: Census,
    findings: Findings,
    by_name: HashMap<&'a str, usize>,
    /// When the threads were let go last, by the run's own clock.
    since: Timestamp,
    rushes: u64,
}

impl<'a> Conductor<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let by_name = world.tenants.iter().enumerate().map(|(number, tenant)| (tenant.name.as_str(), number)).collect();
        Self {
            world,
            numbers: Numbers::of(world.plan.seed, STREAM),
            census: Census::default(),
            findings: Findings::default(),
            by_name,
            since: world.now(),
            rushes: 0,
        }
    }

    /// Conducts the whole run beside the threads; what it has found.
    pub(crate) fn conduct(mut self, meeting: &Meeting, progress: &Progress) -> Findings {
        // The first meeting comes when the places are filled.
        self.meet(meeting, |_| false);
        self.findings.worked = Duration::ZERO;
        let began = instant();
        loop {
            let over = self.meet(meeting, |conductor| conductor.is_over(began));
            progress.show(self.done(began));
            self.note_memory(began, over);
            if over {
                break;
            }
        }
        self.meet(meeting, |_| true);
        self.close();
        self.findings
    }

    /// One meeting: whether it was the last.
    fn meet(&mut self, meeting: &Meeting, over: impl FnOnce(&Self) -> bool) -> bool {
        let began = instant();
        meeting.all.wait();
        self.findings.worked += began.elapsed();
        meeting.all.wait();
        let told = self.listen(meeting);
        self.compare(told);
        let over = over(self);
        *meeting.over.lock() = over;
        if !over {
            self.prepare_rush();
        }
        self.since = self.world.now();
        meeting.all.wait();
        over
    }

    /// Takes what every thread has recorded into the books.
    fn listen(&mut self, meeting: &Meeting) -> Told {
        let mut told = Told::default();
        for record in &meeting.records {
            let mut record: Record = std::mem::take(&mut *record.lock());
            record.registered.drain(..).for_each(|node| self.census.enter(node));
            for (node, change) in record.take_changes() {
                node.ledger.lock().own.add(&change);
            }
            self.findings.compared += record.compared;
            record.violations.into_iter().for_each(|violation| self.findings.note(violation));
            told.evicted.extend(record.evicted);
            told.saved.extend(record.saved);
            told.requests.iter_mut().zip(record.requests).for_each(|(all, one)| *all += one);
            told.timed += record.timed;
            told.rushed += record.rushed;
        }
        told
    }

    fn compare(&mut self, told: Told) {
        let Self { world, census, findings, .. } = self;
        findings.meetings += 1;
        census.compare(world, &mut |judge| findings.judged(judge));
        self.compare_evicted(&told.evicted);
        self.compare_tenants();
        self.compare_tables(told.timed);
        self.compare_rates(&told.requests);
        self.restart(&told.saved);
        drop(told.saved);
        self.finish_rush(told.rushed);
        let Self { world, census, findings, numbers, .. } = self;
        census.ask_in_vain(numbers, world.now(), &mut |judge| findings.judged(judge));
        census.let_go(world);
    }

    /// Nothing admitted is forgotten by an eviction: whoever was let go says what its roots had used (G2, C1).
    fn compare_evicted(&mut self, evicted: &[TenantUsage]) {
        for usage in evicted {
            let Some(tenant) =
                self.by_name.get(usage.tenant_id.as_str()).and_then(|number| self.world.tenants.get(*number))
            else {
                continue;
            };
            let mut books = tenant.books.lock();
            let mut judge = Judge::of(tenant.name.as_str());
            judge.of_tenant(&books.carried, Some(usage));
            books.begin_anew();
            drop(books);
            self.findings.judged(judge);
        }
    }

    fn compare_tenants(&mut self) {
        for tenant in &self.world.tenants {
            let usage = self.world.enforcer.tenant_usage(&tenant.name);
            let mut judge = Judge::of(tenant.name.as_str());
            let mut books = tenant.books.lock();
            let mut bounds = tenant.bounds.lock();
            let expected = super::amounts::plus(books.carried, books.roots.committed);
            judge.of_tenant(&expected, usage.as_ref());
            judge.has_slots(&books, &bounds, usage.as_ref());
            let used = judge.has_budget(tenant.kind, &expected, &books, &bounds, usage.as_ref());
            bounds.settle_down();
            books.settle_down(used);
            self.findings.judged(judge);
        }
    }

    /// The tables hold whom they should, and no two live under one id (G1).
    fn compare_tables(&mut self, timed: u64) {
        let living = self.census.living().count() as u64;
        let ids: HashSet<&str> = self.census.living().map(|node| node.execution.id()).collect();
        let ids = ids.len() as u64;
        let enforcer = &self.world.enforcer;
        self.findings.exactly("enforcer", Law::G1, "executions registered", living, enforcer.execution_count());
        self.findings.exactly("enforcer", Law::G1, "ids of those that live", living, ids);
        self.findings.exactly("enforcer", Law::R1, "holds with a deadline", timed, enforcer.timed_hold_count());
        // Everyone has left every line, so the rush that follows finds none in its way.
        self.findings.exactly("enforcer", Law::W1, "demands that wait", 0, enforcer.waiting_count());
    }

    /// Q1: since the last meeting, no more requests than the burst and what the time in between brings.
    fn compare_rates(&mut self, requests: &[u64; PROVIDERS]) {
        let passed = self.world.now().as_nanos().saturating_sub(self.since.as_nanos());
        let interval = 60_000_000_000 / REQUESTS_PER_MINUTE;
        let most = REQUEST_BURST.saturating_add(passed / interval);
        for (number, admitted) in requests.iter().enumerate() {
            let mut judge = Judge::of(format!("provider p{number}"));
            judge.at_most(Law::Q1, "requests", super::amounts::signed(most), super::amounts::signed(*admitted));
            self.findings.judged(judge);
        }
    }

    /// Another enforcer takes over what was saved while the threads worked, and what is saved now.
    fn restart(&mut self, saved: &[Saved]) {
        let Self { world, census, findings, .. } = self;
        let living: Living<'_> = census.living().map(|node| (node.execution.id(), &**node)).collect();
        // By turns.
        let holds = if findings.meetings % 2 == 0 { OpenHolds::ChargeInFull } else { OpenHolds::GiveBack };
        for saved in saved {
            if let Some(restart) = Restart::of(world, &living, &saved.state, holds, findings) {
                saved.compare(&restart, findings);
            }
        }
        let state = world.enforcer.save_at(world.now());
        if let Some(restart) = Restart::of(world, &living, &state, holds, findings) {
            restart.compare(&state, &living, findings);
        }
    }

    /// T3: as many came through as fit together.
    fn finish_rush(&mut self, rushed: u64) {
        let Some(rush) = self.world.rush.lock().take() else { return };
        let fit = rush.room.min(self.world.plan.threads);
        self.findings.exactly(rush.node.execution.id(), Law::T3, "demands admitted at once", fit, rushed);
        rush.node.execution.finish_at(self.world.now());
    }

    /// Registers an execution that has room for some of the threads at once and not for all.
    fn prepare_rush(&mut self) {
        let Some(tenant) = self.world.tenants.len().checked_sub(1) else { return };
        let (threads, tokens) = (self.world.plan.threads, 1 + self.numbers.below(100));
        let room = 1 + self.numbers.below(threads.saturating_sub(1).max(1));
        let limits = Limits::tokens(room * tokens + self.numbers.below(tokens));
        self.rushes += 1;
        let name = self.world.tenants.get(tenant).map_or("", |tenant| tenant.name.as_str());
        let builder = self.world.enforcer.execution(format!("rush_{}", self.rushes), name);
        let (resource, long_running) = (limits.resource.clone(), limits.long_running.clone());
        let registered = builder.limits(resource).long_running(long_running).register_at(self.world.now());
        let Ok(execution) = registered else {
            return self.findings.exactly("rush", Law::G1, "registrations refused for no reason", 0, 1);
        };
        let node = Arc::new(Node {
            key: KEYS | self.rushes,
            execution,
            tenant,
            parent: None,
            slice: None,
            is_strict: true,
            stopped: OnceLock::new(),
            limits: Mutex::new(limits),
            ledger: Mutex::new(Ledger::default()),
        });
        self.census.enter(Arc::clone(&node));
        *self.world.rush.lock() = Some(Rush { node, tokens, room });
    }

    /// A law that is broken ends the run: what comes after it would only say so again.
    fn is_over(&self, began: Instant) -> bool {
        !self.findings.broken.is_empty() || self.done(began) >= 1.0
    }

    /// Which part of the run is done; 1 at its end.
    fn done(&self, began: Instant) -> f64 {
        match self.world.plan.until {
            Until::Elapsed(all) => began.elapsed().as_secs_f64() / all.as_secs_f64(),
            Until::Operations(_) => {
                let all = self.world.plan.share(0).unwrap_or(0);
                // The meeting for the population was no work.
                let done = self.findings.meetings.saturating_sub(1).saturating_mul(self.world.plan.between_meetings());
                if done >= all { 1.0 } else { done as f64 / all as f64 }
            }
        }
    }

    /// Memory is compared from when a quarter is done and everybody has been replaced, or it would only be filling up.
    fn note_memory(&mut self, began: Instant, over: bool) {
        let plan = &self.world.plan;
        let turns = self.findings.meetings.saturating_sub(1);
        let operations = turns.saturating_mul(plan.between_meetings()).saturating_mul(plan.threads);
        let replaced = operations >= OPERATIONS_A_LIFE.saturating_mul(plan.executions as u64);
        if over {
            self.findings.resident_at_end = resident_bytes();
        } else if self.findings.resident_at_start.is_none() && replaced && self.done(began) >= 0.25 {
            self.findings.resident_at_start = resident_bytes();
        }
    }

    /// Ends everyone, and holds the library to it that nothing is left.
    fn close(&mut self) {
        let world = self.world;
        let now = world.now();
        for node in self.census.all() {
            node.execution.finish_at(now);
        }
        self.compare(Told::default());
        world.places.iter().for_each(|place| *place.lock() = None);
        self.census.let_go(world);
        let findings = &mut self.findings;
        findings.exactly("enforcer", Law::R1, "executions with an open hold", 0, self.census.len() as u64);
        findings.exactly("enforcer", Law::G1, "executions registered", 0, world.enforcer.execution_count());
        self.let_tenants_go();
    }

    /// Every tenant equals a fresh one once its budget is taken from it and its rates have passed.
    fn let_tenants_go(&mut self) {
        let world = self.world;
        world.pass(Duration::from_secs(2 * 86_400));
        for tenant in &world.tenants {
            if tenant.kind != Kind::Fleeting {
                // Where a budget in all was used, nobody looked whether it may go: somebody has to come and leave.
                world.enforcer.reset_tenant(&tenant.name);
                if let Ok(execution) = world.enforcer.execution("last", tenant.name.as_str()).register_at(world.now()) {
                    execution.finish_at(world.now());
                }
            }
        }
        let evicted = world.enforcer.evict_idle_tenants();
        self.compare_evicted(&evicted);
        self.findings.exactly("enforcer", Law::G2, "tenants known", 0, world.enforcer.tenant_count());
    }
}

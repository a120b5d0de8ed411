//! The same sequences, saved and restored at random moments: nobody can tell.

use enforce_core::{EnforcerState, OpenHolds, RestoreOptions, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::model::{Oracle, State};
use super::{Pair, Step, any_step, enforcer, policy};

/// Sequences that are tried, each with a few restarts.
const CASES: u32 = 2_000;

/// When in a sequence, how holds end, and how long nothing runs.
#[derive(Debug, Clone)]
struct Restart {
    before: usize,
    charge: bool,
    downtime: u64,
}

fn any_restart() -> impl Strategy<Value = Restart> {
    let downtime = prop_oneof![1 => Just(0), 3 => 0..30_000_000_000_u64, 1 => 0..200_000_000_000_000_u64];
    (0..70_usize, any::<bool>(), downtime).prop_map(|(before, charge, downtime)| Restart { before, charge, downtime })
}

impl Oracle {
    /// Every open hold ends; rates keep what it took.
    fn end_holds(&mut self, charge: bool) {
        for run in 0..self.runs.len() {
            let mut cost = 0;
            for open in std::mem::take(&mut self.runs[run].holds).into_iter().flatten().filter(|_| charge) {
                // Which of the tokens were input is not known any more.
                self.runs[run].output += open.tokens;
                self.runs[run].cost += open.cost;
                let tenant = self.runs[run].tenant;
                self.tenants[tenant].spent.push((open.period, open.cost));
                cost += open.cost;
            }
            self.exhaust(run, cost as u64);
        }
    }

    /// From `before` until `now` nothing ran: no time has passed but for rates and periods.
    fn sleep(&mut self, before: u64, now: u64) {
        let longest_idle = |run: &super::model::Run| before - run.active.min(before);
        let lives = |run: &&super::model::Run| !matches!(run.state, State::Finished(_));
        let idle = self.runs.iter().filter(lives).map(longest_idle).max().unwrap_or(0);
        let epoch = if self.policy.idle.0.is_some() { now - idle } else { now };
        let later = i128::from(epoch) - i128::from(self.epoch);
        let rates = [self.policy.requests, self.policy.rated_tokens];
        for drains in &mut self.drains {
            for (drain, rate) in drains.iter_mut().zip(rates) {
                let per_minute = rate.map_or(0, |rate| i128::from(rate.per_minute));
                *drain = drain.since(later * per_minute, i128::from(now - epoch) * per_minute);
            }
        }
        self.epoch = epoch;
        for run in self.runs.iter_mut().filter(|run| !matches!(run.state, State::Finished(_))) {
            // A clock that had stepped back is behind nobody any more.
            (run.started, run.active) = (run.started.min(before) + now - before, run.active.min(before) + now - before);
        }
        (0..2).for_each(|tenant| self.enter(tenant, now));
    }
}

impl Pair {
    fn restart(&mut self, restart: &Restart) {
        // What an ended execution has left open is charged to budgets, not to a sum that nobody keeps.
        let ended = |oracle: &Oracle, run: usize| matches!(oracle.runs[run].state, State::Finished(_));
        while let Some(at) = self.holds.iter().position(|(run, ..)| ended(&self.oracle, *run)) {
            let (run, number, hold) = self.holds.swap_remove(at);
            drop(hold);
            self.oracle.drop_hold(run, number);
        }
        let (text, before) = (serde_json::to_string(&self.enforcer.save()).unwrap(), self.now());
        let now = before + restart.downtime;
        self.time.set(Timestamp::from_nanos(now));
        self.oracle.end_holds(restart.charge);
        self.oracle.sleep(before, now);

        let state: EnforcerState = serde_json::from_str(&text).unwrap();
        let holds = if restart.charge { OpenHolds::ChargeInFull } else { OpenHolds::GiveBack };
        let mut after = enforcer(&self.time, &self.oracle.policy);
        after.restore(&state, RestoreOptions::new().open_holds(holds)).unwrap();
        self.providers = ["provider_0", "provider_1"].map(|name| after.provider(name).unwrap());
        self.holds.clear();
        self.past = (0..self.runs.len()).filter(|run| ended(&self.oracle, *run)).collect();
        for (number, run) in self.runs.iter_mut().enumerate() {
            if !self.past.contains(&number) {
                *run = after.get(run.id()).unwrap();
            }
        }
        self.enforcer = after;
        self.compare();
    }
}

#[test]
fn any_sequence_goes_on_after_any_restart_as_if_it_had_never_stopped() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
    let restarts = prop::collection::vec(any_restart(), 1..4);
    let sequences = (policy::any_policy(), prop::collection::vec(any_step(), 1..70), restarts);
    let outcome = runner.run(&sequences, |(policy, steps, restarts)| {
        let mut pair = Pair::new(policy);
        pair.take(&Step::Register { id: 0, tenant: 0 });
        for (number, step) in steps.iter().enumerate() {
            for restart in restarts.iter().filter(|restart| restart.before == number) {
                pair.restart(restart);
            }
            pair.take(step);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

//! The same trees, saved and restored at random moments: nobody can tell.

use std::cell::RefCell;
use std::collections::BTreeMap;

use enforce_core::{EnforcerState, OpenHolds, RestoreOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::model::{self, COST, Forest, TOKENS};
use super::steps::{self, Step};
use super::{Pair, enforcer};
use crate::common::pass;

/// Sequences that are tried, each with a few restarts.
const CASES: u32 = 2_000;

const EVERY_KIND: [&str; 8] =
    ["halted", "paused", "paused from above", "approved", "in a slice", "in a pool", "charged", "given back"];

/// When in a sequence, how holds end, and how long nothing runs.
#[derive(Debug, Clone)]
struct Restart {
    before: usize,
    charge: bool,
    downtime_ms: u64,
}

fn any_restart() -> impl Strategy<Value = Restart> {
    (0..60_usize, any::<bool>(), prop_oneof![Just(0), 0..100_000_u64])
        .prop_map(|(before, charge, downtime_ms)| Restart { before, charge, downtime_ms })
}

impl Forest {
    /// Ends every open hold at once; thresholds that this reaches act from below, when all of it has been charged.
    pub(crate) fn end_holds(&mut self, charge: bool) {
        let mut charged = vec![0; self.nodes.len()];
        for (node, cost) in charged.iter_mut().enumerate() {
            for hold in std::mem::take(&mut self.nodes[node].holds).into_iter().flatten().filter(|_| charge) {
                // Which of the tokens were input is not known any more.
                self.nodes[node].used[TOKENS] += hold.amounts[TOKENS];
                self.nodes[node].used[COST] += hold.amounts[COST];
                *cost += hold.amounts[COST];
            }
        }
        for node in (0..self.nodes.len()).rev() {
            if charged[node] > 0 {
                self.reach(node, charged[node], true);
                if let Some(parent) = self.nodes[node].parent.filter(|_| self.passes_on(node)) {
                    charged[parent] += charged[node];
                }
            }
        }
    }

    /// Nothing ran for so long, so no time has passed for anybody.
    fn sleep(&mut self, ns: u64) {
        for it in &mut self.nodes {
            it.started += ns;
            it.active += ns;
            it.paused_since = it.paused_since.map(|since| since + ns);
            // What it was registered with is not known any more.
            it.registered = it.limits.clone();
        }
    }
}

impl Pair {
    /// What the restarts have to meet, or they show nothing.
    fn note_state(&mut self, state: &EnforcerState, charge: bool) {
        for it in &state.executions {
            let held = it.outstanding.tokens | it.outstanding.cost_nano_usd > 0;
            let met = [
                ("halted", it.halted.is_some()),
                ("paused", it.pause.is_some()),
                ("paused from above", it.pause.is_none() && it.paused_since.is_some()),
                ("approved", !it.approvals.is_empty()),
                ("in a slice", it.slice.is_some()),
                ("in a pool", it.parent.is_some() && it.slice.is_none()),
                ("charged", held && charge),
                ("given back", held && !charge),
            ];
            met.into_iter().filter(|(_, met)| *met).for_each(|(what, _)| self.note(what));
        }
        self.note(if state.tenants.len() > 1 { "two tenants" } else { "a tenant" });
    }

    fn restart(&mut self, restart: &Restart) {
        // What an ended root has left open is charged to budgets, not to a sum that nobody keeps.
        while let Some(at) = self.holds.iter().position(|(run, ..)| self.forest.ended(*run)) {
            let (run, number, hold) = self.holds.swap_remove(at);
            drop(hold);
            self.forest.nodes[run].holds[number] = None;
        }
        let text = serde_json::to_string(&self.enforcer.save()).unwrap();
        let downtime = restart.downtime_ms * 1_000_000;
        pass(&self.time, downtime);
        self.forest.now = self.time.now().as_nanos();
        self.forest.sleep(downtime);
        self.forest.end_holds(restart.charge);
        self.forest.pass(self.forest.now);

        let state: EnforcerState = serde_json::from_str(&text).unwrap();
        self.note_state(&state, restart.charge);
        let holds = if restart.charge { OpenHolds::ChargeInFull } else { OpenHolds::GiveBack };
        let nodes = &self.forest.nodes;
        let options = RestoreOptions::new().open_holds(holds).limits(|it| {
            let known = nodes.iter().rfind(|node| format!("exec_{}", node.id) == it.id)?;
            Some((known.limits.resources(), known.limits.long_running()))
        });
        let mut after = enforcer(&self.time, &self.forest.actions, self.forest.budget);
        let restored = after.restore(&state, options).unwrap();
        assert_eq!(restored.downtime.as_nanos(), u128::from(downtime));
        self.holds.clear();
        self.past = (0..self.runs.len()).filter(|node| self.forest.ended(*node)).collect();
        for (node, run) in self.runs.iter_mut().enumerate() {
            if !self.forest.ended(node) {
                *run = after.get(run.id()).unwrap();
            }
        }
        self.enforcer = after;
        self.compare(self.forest.now);
    }
}

#[test]
fn any_tree_goes_on_after_any_restart_as_if_it_had_never_stopped() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
    let budget = prop::option::weighted(0.5, 0..90_u64);
    let restarts = prop::collection::vec(any_restart(), 1..4);
    let sequences = (steps::any_actions(), budget, prop::collection::vec(steps::any_step(), 1..60), restarts);
    let met = RefCell::new(BTreeMap::new());
    let outcome = runner.run(&sequences, |(actions, budget, steps, restarts)| {
        let mut pair = Pair::new(actions, budget);
        for (id, tenant) in [(0, 0), (1, 1)] {
            pair.take(&Step::Root { id, tenant, limits: model::Limits::default() });
        }
        for (number, step) in steps.iter().enumerate() {
            for restart in restarts.iter().filter(|restart| restart.before == number) {
                pair.restart(restart);
            }
            pair.take(step);
        }
        for (what, times) in pair.close().seen {
            *met.borrow_mut().entry(what).or_insert(0_u64) += times;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let met = met.into_inner();
    for what in EVERY_KIND {
        assert!(met.get(what).is_some_and(|times| *times > 50), "{what}: {met:?}");
    }
}

//! What the log says was used, by the plain sums of the oracles of trees and of budgets.

use std::collections::BTreeMap;

use enforce_core::{Action, OnDrop, Retry, ScopeKind, ViolationType};

use super::deed::{self, Deed, PACES, Pace, amounts, limits};
use crate::budgets::model::{self as sums, Held, Oracle};
use crate::common::NOON;
use crate::forest::look::refusal;
use crate::forest::model::{Actions, Amounts, COST, Forest, Limits, Node, TOKENS};

/// An open hold.
#[derive(Debug, Clone)]
pub(super) struct Open {
    node: usize,
    /// Its number there.
    place: usize,
    amounts: sums::Amounts,
    /// What budgets hold for it; nothing inside a slice that has not ended.
    paid: Option<Held>,
}

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) forest: Forest,
    /// Of each tenant; the process's scope is lent to the one that needs it.
    pub(super) budgets: [Oracle; 2],
    pub(super) process: sums::Scope,
    holds: BTreeMap<usize, Open>,
    taken: usize,
    /// What budgets hold for slices.
    slices: BTreeMap<usize, Held>,
    /// When the provider's requests will have drained: with everyone, and with each tenant.
    drained: [u64; 3],
}

/// In the order of the budgets' resources.
fn counted(amounts: &Amounts) -> sums::Amounts {
    let [steps, tokens, memory, cost, discovered, _] = amounts.map(|amount| amount as u64);
    [steps, tokens, memory, cost, discovered]
}

impl Ledger {
    pub(super) fn new() -> Self {
        let refuse = Action::Refuse;
        let actions = Actions { amounts: [refuse; 5], threshold: refuse, time: refuse, idle: refuse, budget: refuse };
        let forest = Forest { actions, budget: None, nodes: Vec::new(), pauses: 0, now: NOON };
        let mut budgets: [Oracle; 2] = Default::default();
        for oracle in &mut budgets {
            oracle.scopes[0].set(deed::tenant_budgets(), NOON);
        }
        let mut process = sums::Scope::default();
        process.set(deed::process_budgets(), NOON);
        let (holds, slices) = (BTreeMap::new(), BTreeMap::new());
        Self { forest, budgets, process, holds, taken: 0, slices, drained: [NOON; 3] }
    }

    pub(super) fn now(&self) -> u64 {
        self.forest.now
    }

    /// Does it with the budgets of a node's tenant and of the process.
    fn paying<T>(&mut self, node: usize, act: impl FnOnce(&mut Oracle) -> T) -> T {
        let oracle = &mut self.budgets[self.forest.nodes[node].tenant];
        std::mem::swap(&mut self.process, &mut oracle.scopes[1]);
        let done = act(oracle);
        std::mem::swap(&mut self.process, &mut oracle.scopes[1]);
        done
    }

    /// Whether tenant and process pay for it, rather than a slice.
    pub(super) fn pays(&self, node: usize) -> bool {
        self.forest.shared(node).last().is_none_or(|top| self.forest.nodes[*top].slice.is_none())
    }

    fn pay(&mut self, node: usize, amounts: &sums::Amounts) -> Option<Held> {
        let now = self.now();
        self.pays(node).then(|| self.paying(node, |oracle| oracle.take(amounts, now, None).unwrap().0))
    }

    pub(super) fn write(&mut self, deed: &Deed) {
        let now = self.now();
        match *deed {
            Deed::Root { tenant, limits: own } => {
                let node = self.forest.nodes.len();
                self.forest.nodes.push(Node::new(node, tenant, &limits(own), now));
            }
            Deed::Child { parent, slice } => {
                let slice = slice.map(amounts);
                let node = self.forest.spawn(parent, self.forest.nodes.len(), &Limits::default(), slice, now).unwrap();
                if let Some(slice) = slice
                    && let Some(held) = self.pay(parent, &counted(&slice))
                {
                    self.slices.insert(node, held);
                }
            }
            Deed::Hold { node, asked, request } => {
                let asked = amounts(asked);
                self.forest.reserve(node, &asked, now).unwrap();
                let (place, amounts) = (self.forest.nodes[node].holds.len() - 1, counted(&asked));
                let paid = self.pay(node, &amounts);
                self.holds.insert(self.taken, Open { node, place, amounts, paid });
                self.taken += 1;
                if request {
                    self.request(self.forest.nodes[node].tenant, now);
                }
            }
            Deed::Settle { hold, used } => {
                let Open { node, place, paid, .. } = self.holds.remove(&hold).unwrap();
                self.forest.record(node, Some(place), amounts(used), now);
                if let Some(held) = paid {
                    self.paying(node, |oracle| oracle.end(&held, Some(&counted(&amounts(used))), now));
                }
            }
            Deed::Drop { hold } => {
                let Open { node, place, paid, .. } = self.holds.remove(&hold).unwrap();
                self.forest.drop_hold(node, place, OnDrop::GiveBack);
                if let Some(held) = paid {
                    self.paying(node, |oracle| oracle.end(&held, None, now));
                }
            }
            Deed::Charge { node, used } => {
                let used = amounts(used);
                self.forest.record(node, None, used, now);
                if self.pays(node) {
                    self.paying(node, |oracle| {
                        let rows = [0, 1].map(|scope| oracle.scopes[scope].enter(now));
                        oracle.end(&Held { amounts: [0; 5], rows }, Some(&counted(&used)), now);
                    });
                }
            }
            Deed::Halt { node } => {
                self.forest.halt(node, (ViolationType::Requested, ScopeKind::Execution));
            }
            Deed::Pause { node } => {
                let why = refusal(ViolationType::Requested, ScopeKind::Execution, 0, 0, 0, Retry::Never);
                self.forest.pause(node, why, true);
            }
            Deed::Resume { node } => self.forest.nodes[node].pause = None,
            Deed::Finish { node } => self.finish(node),
            Deed::Pass { nanos } => self.forest.now += nanos,
        }
        self.forest.pass(now);
    }

    fn above(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(node), |node| self.forest.nodes[*node].parent)
    }

    /// What slices below it have used goes where they were set aside, and so does what their holds still have.
    fn finish(&mut self, node: usize) {
        let now = self.now();
        self.forest.finish(node, now);
        let ended: Vec<_> = self.slices.keys().copied().filter(|slice| self.forest.ended(*slice)).collect();
        for slice in ended {
            let Some(held) = self.slices.remove(&slice) else { continue };
            let used = counted(&self.forest.committed(slice));
            self.paying(slice, |oracle| oracle.end(&held, Some(&used), now));
            let below = |open: &Open| self.above(open.node).any(|above| above == slice);
            let open = self.holds.iter().filter(|(_, open)| below(open));
            let open: Vec<_> = open.map(|(number, open)| (*number, open.amounts)).collect();
            for (number, amounts) in open {
                let paid = Held { amounts, rows: held.rows.clone() };
                self.paying(slice, |oracle| oracle.hold(&paid));
                if let Some(open) = self.holds.get_mut(&number) {
                    open.paid = Some(paid);
                }
            }
        }
    }

    fn request(&mut self, tenant: usize, now: u64) {
        for (place, Pace { interval, .. }) in [0, 1 + tenant].into_iter().zip(PACES) {
            self.drained[place] = self.drained[place].max(now) + interval;
        }
    }

    /// How many requests the tenant may make at once, and makes.
    pub(super) fn requests(&mut self, tenant: usize, now: u64) -> u64 {
        let left = [0, 1 + tenant].into_iter().zip(PACES).map(|(place, Pace { interval, burst })| {
            (now + burst * interval - self.drained[place].max(now)) / interval
        });
        let left = left.min().unwrap_or_default();
        (0..left).for_each(|_| self.request(tenant, now));
        left
    }

    /// The process is gone: open holds are charged in full, and `now` is when it goes on.
    pub(super) fn restart(&mut self, now: u64) {
        for open in std::mem::take(&mut self.holds).into_values() {
            if let Some(held) = open.paid {
                self.paying(open.node, |oracle| oracle.abandon(&held, true));
            }
        }
        self.forest.end_holds(true);
        self.forest.now = now;
        self.budgets.iter_mut().for_each(|oracle| drop(oracle.scopes[0].enter(now)));
        self.process.enter(now);
    }

    /// Committed, held and debt of each budget of every tenant, and of the process.
    pub(super) fn figures(&self) -> [Vec<(u64, u64, u64)>; 3] {
        let [a, b] = [0, 1].map(|tenant| self.budgets[tenant].scopes[0].figures(self.now()));
        [a, b, self.process.figures(self.now())]
    }

    /// What the node may still use of tokens and of nano-dollars; nothing where anything is in debt.
    pub(super) fn left(&self, node: usize) -> Option<[u64; 2]> {
        let mut rooms: Vec<(usize, i128)> = Vec::new();
        let chain = self.forest.shared(node);
        for shared in &chain {
            let (it, committed, held) =
                (&self.forest.nodes[*shared], self.forest.committed(*shared), self.forest.held(*shared));
            for place in 0..5 {
                let limit = it.limit(&it.limits, place).map(i128::from);
                rooms.extend(limit.map(|limit| (place, limit - (committed[place] + held[place]) as i128)));
            }
        }
        if self.pays(node) {
            let scopes = [&self.budgets[self.forest.nodes[node].tenant].scopes[0], &self.process];
            for scope in scopes {
                for (budget, (committed, held, _)) in scope.list.iter().zip(scope.figures(self.now())) {
                    let room = i128::from(budget.amount.counted()) - i128::from(committed + held);
                    rooms.push((sums::place(budget).0, room));
                }
            }
        }
        let least = |place: usize| rooms.iter().filter(|(of, _)| *of == place).map(|(_, room)| *room).min();
        let debt = rooms.iter().any(|(_, room)| *room < 0);
        (!debt).then(|| [TOKENS, COST].map(|place| least(place).map_or(u64::MAX, |room| room as u64)))
    }

    /// Those that have not ended.
    pub(super) fn unended(&self) -> impl Iterator<Item = usize> {
        (0..self.forest.nodes.len()).filter(|node| !self.forest.ended(*node))
    }

    pub(super) fn in_debt(&self, tenant: usize) -> bool {
        let [.., process] = self.figures();
        self.figures()[tenant].iter().chain(&process).any(|(_, _, debt)| *debt > 0)
    }
}

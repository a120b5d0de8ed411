//! The process that is killed: it does what a seed says, tells of it line by line, and saves now and then. It never ends by
//! itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use enforce_core::{
    Actual, Approval, Cause, Demand, Enforcer, Execution, ManualClock, OwnedHold, ProviderKey, Status, ViolationType,
};
use serde::{Deserialize, Serialize};

use super::deed::{self, Deed, Figures, PROVIDER, TENANTS};
use crate::common::{DAY, SECOND, nano, noon, pass};
use crate::threads::Numbers;

/// So many deeds between two states.
pub(super) const EVERY: usize = 2;

/// What it is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) seed: u64,
    /// Where the states go.
    pub(super) folder: PathBuf,
    /// Stops for good in the middle of a file: of the state of that number, behind so many thousandths of it.
    pub(super) torn: Option<(usize, usize)>,
}

/// What it says when it has stopped there.
pub(super) const TORN: &str = "torn";

struct Process {
    orders: Orders,
    numbers: Numbers,
    time: ManualClock,
    enforcer: Enforcer,
    provider: ProviderKey,
    /// In the order of their registration.
    nodes: Vec<Execution>,
    holds: BTreeMap<usize, OwnedHold>,
    taken: usize,
    deeds: usize,
}

/// Works until the process is killed, or until nobody listens any more.
pub(super) fn run(orders: Orders) -> io::Result<()> {
    let time = noon();
    let enforcer = deed::enforcer(&time);
    let provider = enforcer.provider(PROVIDER).unwrap();
    let (numbers, nodes, holds) = (Numbers::of(orders.seed), Vec::new(), BTreeMap::new());
    let mut process = Process { orders, numbers, time, enforcer, provider, nodes, holds, taken: 0, deeds: 0 };
    loop {
        let Some(deed) = process.next() else { continue };
        process.deeds += 1;
        // One write for each line, past every buffer: what it has said is said.
        io::stderr().write_all(format!("{}\n", serde_json::to_string(&deed)?).as_bytes())?;
        if process.deeds.is_multiple_of(EVERY) {
            process.save()?;
        }
    }
}

impl Process {
    fn below(&mut self, bound: usize) -> usize {
        self.numbers.below(bound as u64) as usize
    }

    /// Beside the others, and then in place of them in one step.
    fn save(&mut self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.enforcer.save())?;
        let (aside, place) = (self.orders.folder.join("aside"), self.orders.folder.join(self.deeds.to_string()));
        let mut file = File::create(&aside)?;
        if let Some((_, part)) = self.orders.torn.filter(|(number, _)| number * EVERY == self.deeds) {
            file.write_all(&text[..text.len() * part / 1_000])?;
            io::stderr().write_all(format!("{TORN}\n").as_bytes())?;
            loop {
                thread::park();
            }
        }
        // In pieces, so that it can be killed between two of them.
        for piece in text.chunks(200) {
            file.write_all(piece)?;
        }
        drop(file);
        fs::rename(aside, place)
    }

    fn unended(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| !matches!(self.nodes[*node].status(), Status::Finished(_))).collect()
    }

    fn figures(&mut self, tokens: usize) -> Figures {
        let steps = [0, 1, 1, 1, 2][self.below(5)];
        [steps, self.below(tokens) as u64, self.below(tokens) as u64, self.below(40) as u64]
    }

    /// Tries something; what came about.
    fn next(&mut self) -> Option<Deed> {
        let (wish, unended) = (self.below(24), self.unended());
        let roots = unended.iter().filter(|node| self.nodes[**node].parent().is_none()).count();
        if roots < 2 || (wish == 0 && roots < 4) {
            let (tenant, limits) = (self.below(2), [20, 400, 500].map(|most| most / 2 + self.numbers.below(most)));
            let (id, own) = (deed::id(self.nodes.len()), deed::limits(limits));
            let builder = self.enforcer.execution(id, TENANTS[tenant]);
            self.nodes.push(builder.limits(own.resources()).long_running(own.long_running()).register().unwrap());
            return Some(Deed::Root { tenant, limits });
        }
        let node = unended[self.below(unended.len())];
        match wish {
            0..4 if unended.len() < 10 => self.child(node),
            0..11 => self.hold(node),
            11..15 => {
                let (hold, taken) = self.any_hold()?;
                let used = self.figures(35);
                taken.settle(actual(used));
                Some(Deed::Settle { hold, used })
            }
            15 => self.any_hold().map(|(hold, _)| Deed::Drop { hold }),
            16 => {
                let used = self.figures(20);
                self.nodes[node].charge(actual(used));
                Some(Deed::Charge { node, used })
            }
            17 if self.below(3) == 0 && !matches!(self.nodes[node].status(), Status::Halted(_)) => {
                self.nodes[node].halt(Cause::own(ViolationType::Requested));
                Some(Deed::Halt { node })
            }
            17 | 18 if self.nodes[node].status() == Status::Live => {
                self.nodes[node].pause("look");
                Some(Deed::Pause { node })
            }
            19 | 20 => {
                let paused = |node: &usize| self.nodes[*node].pause_ticket().map(|ticket| (*node, ticket));
                let (node, ticket) = unended.iter().find_map(paused)?;
                self.nodes[node].approve(&ticket, Approval::new("ada", "go on")).unwrap();
                Some(Deed::Resume { node })
            }
            21 => {
                self.nodes[node].finish();
                Some(Deed::Finish { node })
            }
            22 | 23 => {
                let longest = [SECOND, 5 * SECOND, DAY / 48, DAY / 2, 9 * DAY][self.below(5)];
                let nanos = self.numbers.below(longest);
                pass(&self.time, nanos);
                Some(Deed::Pass { nanos })
            }
            _ => None,
        }
    }

    fn child(&mut self, parent: usize) -> Option<Deed> {
        let slice = (self.below(2) == 0).then(|| [4, 30 + self.below(60) as u64, 0, self.below(60) as u64]);
        let builder = self.nodes[parent].child(deed::id(self.nodes.len()));
        let builder = if let Some(slice) = slice { builder.slice(demand(slice)) } else { builder };
        let child = builder.register().ok()?;
        self.nodes.push(child);
        Some(Deed::Child { parent, slice })
    }

    fn hold(&mut self, node: usize) -> Option<Deed> {
        let (asked, request) = (self.figures(30), self.below(3) == 0);
        let demand = if request { demand(asked).provider(self.provider) } else { demand(asked) };
        let hold = self.nodes[node].reserve_owned(demand).ok()?;
        self.holds.insert(self.taken, hold);
        self.taken += 1;
        Some(Deed::Hold { node, asked, request })
    }

    fn any_hold(&mut self) -> Option<(usize, OwnedHold)> {
        let numbers: Vec<_> = self.holds.keys().copied().collect();
        if numbers.is_empty() {
            return None;
        }
        // The oldest ones stay open for long.
        let number = numbers[numbers.len() - 1 - self.below(numbers.len().min(4))];
        self.holds.remove(&number).map(|hold| (number, hold))
    }
}

fn demand([steps, input, output, cost]: Figures) -> Demand {
    Demand::none().steps(steps).tokens(input, output).cost(nano(cost))
}

fn actual([steps, input, output, cost]: Figures) -> Actual {
    Actual::tokens(input, output).cost(nano(cost)).steps(steps)
}

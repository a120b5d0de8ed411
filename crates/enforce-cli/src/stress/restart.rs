//! What is saved is taken over by a second enforcer with the same limits: nothing may be lost by that, and nothing be
//! granted.

use std::collections::HashMap;

use enforce_core::{
    BudgetUsage, Enforcer, EnforcerState, Execution, ExecutionState, OpenHolds, RestoreOptions, SliceState, Status,
    TenantUsage, Timestamp, UsageSnapshot,
};

use super::amounts::{Amounts, COST, DISCOVERED, INPUT, MEMORY, NO_LIMIT, NONE, STEPS, TOKENS, minus, plus, signed};
use super::findings::Findings;
use super::laws::{COMMITTED, Judge, Law, OUTSTANDING, committed, held, totals};
use super::node::Node;
use super::wish::demand;
use super::world::World;

/// Who lives under which id.
pub(crate) type Living<'a> = HashMap<&'a str, &'a Node>;

/// A state, and the enforcer that has taken it over.
#[derive(Debug)]
pub(crate) struct Restart<'a> {
    world: &'a World,
    holds: OpenHolds,
    /// What the state says of whom.
    pub(crate) said: HashMap<&'a str, &'a ExecutionState>,
    pub(crate) after: Enforcer,
    now: Timestamp,
}

impl<'a> Restart<'a> {
    /// Takes `state` over, with the limits that everyone has now. `None` if that cannot be, which is a finding: every
    /// state can be taken over (S1).
    pub(crate) fn of(
        world: &'a World,
        living: &Living<'_>,
        state: &'a EnforcerState,
        holds: OpenHolds,
        findings: &mut Findings,
    ) -> Option<Self> {
        let limits = |it: &ExecutionState| {
            let limits = living.get(it.id.as_str())?.limits.lock();
            Some((limits.resource.clone(), limits.long_running.clone()))
        };
        let now = world.now();
        let options = RestoreOptions::new().open_holds(holds).limits(limits);
        let taken_over = world.another().map_err(|error| error.to_string()).and_then(|mut after| {
            after.restore_at(state, options, now).map_err(|error| error.to_string())?;
            Ok(after)
        });
        let after = match taken_over {
            Ok(after) => after,
            Err(error) => {
                findings.exactly(&format!("saved state: {error}"), Law::S1, "states that cannot be taken over", 0, 1);
                return None;
            }
        };
        findings.restored += 1;
        let said = state.executions.iter().map(|it| (it.id.as_str(), it)).collect();
        Some(Self { world, holds, said, after, now })
    }

    /// Compares what was saved while all threads stood still with what stands there, of everyone.
    pub(crate) fn compare(&self, state: &EnforcerState, living: &Living<'_>, findings: &mut Findings) {
        let count = |count: usize| count as u64;
        findings.exactly(
            "saved state",
            Law::G1,
            "executions saved",
            count(living.len()),
            count(state.executions.len()),
        );
        let registered = self.after.execution_count();
        findings.exactly("saved state", Law::G1, "executions taken over", count(living.len()), registered);
        let slices = live_slices(state);
        // What open holds of its roots have become of each tenant.
        let mut charged: HashMap<usize, Amounts> = HashMap::new();
        for (id, node) in living {
            let mut judge = Judge::of(*id);
            match (self.said.get(id), self.after.get(id)) {
                (Some(said), Some(run)) => {
                    let slices = slices.get(id).copied().unwrap_or(NONE);
                    let more = self.compare_one(node, said, &run, slices, &mut judge);
                    if node.parent.is_none() {
                        let of_tenant = charged.entry(node.tenant).or_default();
                        *of_tenant = plus(*of_tenant, more);
                    }
                }
                _ => judge.never(Law::G1, "executions missing after a restart", true),
            }
            findings.judged(judge);
        }
        for (number, tenant) in self.world.tenants.iter().enumerate() {
            let [before, after] =
                [&self.world.enforcer, &self.after].map(|enforcer| enforcer.tenant_usage(&tenant.name));
            let Some(before) = before else { continue };
            let charged = charged.get(&number).copied().unwrap_or(NONE);
            let mut judge = Judge::of(tenant.name.as_str());
            self.compare_tenant(&before, after.as_ref(), &charged, &mut judge);
            findings.judged(judge);
        }
    }

    /// What its open holds have been charged.
    fn compare_one(
        &self,
        node: &Node,
        said: &ExecutionState,
        run: &Execution,
        slices: Amounts,
        judge: &mut Judge,
    ) -> Amounts {
        let before = node.execution.snapshot_at(self.now);
        let after = run.snapshot_at(self.now);
        judge.says(&before, said);
        // Holds are charged, as output, or have gone back; what slices have set aside stays so.
        let mut of_holds = minus(held(&before), slices);
        of_holds[MEMORY] = 0;
        let charged = if self.holds == OpenHolds::ChargeInFull { of_holds } else { NONE };
        judge.restarted(&plus(committed(&before), charged), &slices, &after);
        judge.stays_stopped(&node.execution, run);
        if self.holds == OpenHolds::ChargeInFull {
            self.ask_too_much(node, run, judge);
        }
        charged
    }

    /// T1: what was not left before is not left behind the restart.
    fn ask_too_much(&self, node: &Node, run: &Execution, judge: &mut Judge) {
        let (limits, used) = (node.limits.lock().now(), node.ledger.lock().used_before);
        for (kind, figure) in [
            (STEPS, "steps that a restart has granted"),
            (TOKENS, "tokens that a restart has granted"),
            (COST, "nano-dollars that a restart has granted"),
            (DISCOVERED, "discovered steps that a restart has granted"),
        ] {
            if limits[kind] != NO_LIMIT {
                let mut asked = NONE;
                asked[kind] = limits[kind].saturating_sub(used[kind]).max(0).saturating_add(1);
                judge.never(Law::T1, figure, !run.check_at(demand(&asked), self.now).is_blocked());
            }
        }
    }

    /// C1, T1: totals, slots and budgets go on where they were.
    fn compare_tenant(&self, before: &TenantUsage, after: Option<&TenantUsage>, charged: &Amounts, judge: &mut Judge) {
        let used = |it: BudgetUsage| signed(it.committed.saturating_add(it.outstanding));
        let Some(after) = after else {
            // Nobody has a handle of whoever has ended any more, so whoever has nothing else may be let go.
            judge.exactly(Law::G2, "slots of one that a restart has let go", 0, signed(before.live_executions));
            return judge.exactly(
                Law::G2,
                "nano-dollars of one that a restart has let go",
                0,
                before.budget.map_or(0, used),
            );
        };
        judge.exactly(Law::G1, "slots", signed(before.live_executions), signed(after.live_executions));
        judge.of_tenant(&plus(totals(before), *charged), Some(after));
        let (Some(before), Some(after)) = (before.budget, after.budget) else { return };
        if self.holds == OpenHolds::ChargeInFull {
            judge.exactly(Law::T1, "nano-dollars used of the budget", used(before), used(after));
        } else {
            let [before, after] = [before, after].map(|it| signed(it.committed));
            judge.exactly(Law::C1, "nano-dollars committed of the budget", before, after);
        }
    }
}

/// What the slices of others have set aside of each: of those that live, and of those of whoever shares its budget.
fn live_slices(state: &EnforcerState) -> HashMap<&str, Amounts> {
    let mut slices: HashMap<&str, Amounts> = HashMap::new();
    // Children stand behind their parents, so from the end on each is complete when it is handed up.
    for it in state.executions.iter().rev() {
        let Some(parent) = it.parent.as_deref() else { continue };
        let up = match &it.slice {
            Some(slice) => of_slice(slice),
            None => slices.get(it.id.as_str()).copied().unwrap_or(NONE),
        };
        let above = slices.entry(parent).or_default();
        *above = plus(*above, up);
    }
    slices
}

/// As far as a snapshot shows it.
fn of_slice(slice: &SliceState) -> Amounts {
    let mut amounts = NONE;
    amounts[TOKENS] = signed(slice.tokens);
    amounts[MEMORY] = signed(slice.memory_bytes);
    amounts[COST] = signed(slice.cost_nano_usd);
    amounts
}

/// What a state says that somebody has committed.
pub(crate) fn said(it: &ExecutionState) -> Amounts {
    let said = it.committed;
    let mut amounts = NONE;
    amounts[STEPS] = signed(said.steps);
    amounts[TOKENS] = signed(said.input_tokens.saturating_add(said.output_tokens));
    amounts[INPUT] = signed(said.input_tokens);
    amounts[COST] = signed(said.cost_nano_usd);
    amounts[DISCOVERED] = signed(said.discovered_steps);
    amounts
}

impl Judge {
    /// R1: a state that was saved at rest says what stands there.
    fn says(&mut self, before: &UsageSnapshot, it: &ExecutionState) {
        let (stands, said) = (committed(before), said(it));
        for (kind, figure) in COMMITTED {
            self.exactly(Law::R1, figure, stands[kind], said[kind]);
        }
    }

    /// T1, R1: as much is used as was, to the unit.
    fn restarted(&mut self, expected: &Amounts, slices: &Amounts, after: &UsageSnapshot) {
        let (committed, outstanding) = (committed(after), held(after));
        for (kind, figure) in COMMITTED {
            self.exactly(Law::T1, figure, expected[kind], committed[kind]);
        }
        for (kind, figure) in OUTSTANDING {
            self.exactly(Law::R1, figure, slices[kind], outstanding[kind]);
        }
    }

    /// E2, E3: halts stay for their cause, pauses under their number, and approvals as a record.
    fn stays_stopped(&mut self, before: &Execution, after: &Execution) {
        if let Status::Halted(cause) = before.status() {
            self.never(Law::E2, "halts that a restart has lifted", after.status() != Status::Halted(cause));
        }
        if let Some(ticket) = before.pause_ticket() {
            let number = after.pause_ticket().map(|ticket| ticket.pause);
            self.never(Law::E3, "pauses that a restart has lifted", number != Some(ticket.pause));
        }
        let [before, after] = [before, after].map(|run| run.approvals().len() as u64);
        self.exactly(Law::E3, "approvals", signed(before), signed(after));
    }
}

#[cfg(test)]
mod tests;

//! Every counter of the library beside every sum of the oracle.

use enforce_core::Execution;

use super::model::{COST, DISCOVERED, INPUT, MEMORY, STEPS, TOKENS};
use super::{Pair, TENANTS, status};

impl Pair {
    /// Every counter there is.
    pub(super) fn compare(&mut self, now: u64) {
        for node in 0..self.runs.len() {
            let (usage, it) = (self.runs[node].snapshot(), &self.forest.nodes[node]);
            let (committed, held) = (self.forest.committed(node), self.forest.held(node));
            let counters =
                [usage.steps, usage.total_tokens, usage.cost_nano_usd, usage.discovered_steps, usage.input_tokens];
            let expected = [STEPS, TOKENS, COST, DISCOVERED, INPUT].map(|place| committed[place]);
            assert_eq!(counters.map(u128::from), expected, "committed of {node}");
            let open = usage.outstanding;
            let outstanding = [open.tokens, open.cost_nano_usd, open.memory_bytes].map(u128::from);
            assert_eq!(outstanding, [TOKENS, COST, MEMORY].map(|place| held[place]), "outstanding of {node}");
            let debt = |place: usize| {
                it.limit(&it.limits, place).map_or(0, |limit| committed[place].saturating_sub(limit.into()))
            };
            assert_eq!([usage.debt_tokens, usage.debt_nano_usd].map(u128::from), [TOKENS, COST].map(debt));
            assert_eq!((now, usage.status), (now, status(self.forest.state(node))), "state of {node}");
            let children = self.runs[node].children();
            assert_eq!(children.len(), it.children.len(), "children of {node}");
            let known = |child: &Execution| it.children.iter().any(|known| self.runs[*known].id() == child.id());
            assert!(children.iter().all(known), "children of {node}");
            self.compare_ticket(node);
        }
        for tenant in 0..TENANTS.len() {
            self.compare_tenant(tenant);
        }
        let registered = (0..self.runs.len()).filter(|node| !self.forest.ended(*node)).count();
        assert_eq!(self.enforcer.execution_count(), registered as u64);
    }

    fn compare_ticket(&mut self, node: usize) {
        let it = &self.forest.nodes[node];
        let open = it.pause.as_ref().filter(|_| it.halted.is_none() && it.finished.is_none());
        let ticket = self.runs[node].pause_ticket();
        assert_eq!(ticket.is_some(), open.is_some(), "ticket of {node}");
        let (Some(ticket), Some(open)) = (ticket, open) else { return };
        let cause = (ticket.cause.violation_type, ticket.cause.scope);
        assert_eq!((cause, u128::from(ticket.limit)), ((open.why.kind, open.why.scope), open.why.limit));
        if open.exact {
            assert_eq!([ticket.used, ticket.asked].map(u128::from), [open.why.used, open.why.asked]);
        }
        if !self.tickets.iter().any(|(_, _, known)| known.pause == ticket.pause) {
            self.tickets.push((node, open.number, ticket));
        }
    }

    fn compare_tenant(&self, tenant: usize) {
        let Some(usage) = self.enforcer.tenant_usage(TENANTS[tenant]) else {
            // One for which nothing was ever recorded does not outlive its enforcer.
            assert!(self.forest.roots(tenant).all(|root| self.past.contains(&root)));
            assert_eq!(self.forest.of_tenant(tenant).0[..DISCOVERED], [0; DISCOVERED]);
            return;
        };
        let (committed, held) = self.forest.of_tenant(tenant);
        let counters = [usage.steps, usage.total_tokens, usage.cost_nano_usd, usage.input_tokens].map(u128::from);
        assert_eq!(counters, [STEPS, TOKENS, COST, INPUT].map(|place| committed[place]), "C1");
        assert_eq!(usage.live_executions, self.forest.live_roots(tenant));
        let budget = usage.budget.map(|budget| (u128::from(budget.committed), u128::from(budget.outstanding)));
        assert_eq!(budget, self.forest.budget.map(|_| (committed[COST], held[COST])), "C1");
    }
}

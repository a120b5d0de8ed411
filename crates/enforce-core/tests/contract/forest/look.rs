//! The oracle's decisions: every limit in order, up the tree, and the first that stands against a demand.

use enforce_core::{Action, Retry, ScopeKind, ViolationType};

use super::model::{
    Amounts, BOUND, COST, Cause, DISCOVERED, Forest, Limits, MEMORY, Node, Open, Refusal, STEPS, State, TOKENS, plus,
};

/// Limit, scope, percent, current, limit.
pub(crate) type Warning = (ViolationType, ScopeKind, u128, u128, u128);

/// What an admission noticed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noticed {
    pub(crate) warning: Option<Warning>,
    pub(crate) observed: Option<Refusal>,
}

/// What stands against a demand, and on whom it acts.
#[derive(Debug)]
pub(crate) struct Blocked {
    pub(crate) refusal: Refusal,
    pub(crate) act: Option<(usize, Action)>,
}

pub(crate) fn refusal(
    kind: ViolationType,
    scope: ScopeKind,
    used: u128,
    asked: u128,
    limit: u128,
    retry: Retry,
) -> Refusal {
    Refusal { kind, scope, used, asked, limit, retry, cause: None }
}

const KINDS: [ViolationType; 5] = [
    ViolationType::StepLimit,
    ViolationType::TokenLimit,
    ViolationType::MemoryLimit,
    ViolationType::CostLimit,
    ViolationType::DiscoveredStepLimit,
];

/// The amounts in which money is followed by its threshold.
const ORDER: [usize; 5] = [STEPS, TOKENS, MEMORY, COST, DISCOVERED];

impl Noticed {
    fn violated(&mut self, refusal: Refusal, action: Action, exhausted: bool, owner: usize) -> Result<(), Blocked> {
        match action {
            Action::Observe => {
                self.observed.get_or_insert(refusal);
                Ok(())
            }
            Action::Halt | Action::Pause if exhausted => Err(Blocked { refusal, act: Some((owner, action)) }),
            _ => Err(Blocked { refusal, act: None }),
        }
    }

    fn near(&mut self, kind: ViolationType, scope: ScopeKind, current: u128, limit: u128) {
        if limit > 0 && current * 100 / limit >= 80 {
            self.warning.get_or_insert((kind, scope, current * 100 / limit, current, limit));
        }
    }

    /// A limit on an amount of which so much is committed, held and asked.
    fn amount(&mut self, it: Amount, owner: usize) -> Result<(), Blocked> {
        let Amount { kind, scope, limit, overdraft, committed, held, asked, action } = it;
        let used = committed + held;
        let bound = limit.map_or(BOUND, u128::from);
        if used + asked <= bound {
            if limit.is_some() {
                self.near(kind, scope, used + asked, bound);
            }
            return Ok(());
        }
        if asked == 0 && used - bound <= u128::from(overdraft) {
            self.near(kind, scope, used, bound);
            return Ok(());
        }
        let retry = if committed + asked <= bound { Retry::WhenFreed } else { Retry::Never };
        self.violated(refusal(kind, scope, used, asked, bound, retry), action, committed >= bound, owner)
    }

    fn time(&mut self, kind: ViolationType, it: Time, owner: usize) -> Result<(), Blocked> {
        let (whole, limit) = (u128::from(it.elapsed / it.unit), u128::from(it.limit));
        if u128::from(it.elapsed) >= limit * u128::from(it.unit) {
            let refusal = refusal(kind, ScopeKind::Execution, whole, 0, limit, Retry::Never);
            return self.violated(refusal, it.action, true, owner);
        }
        self.near(kind, ScopeKind::Execution, whole, limit);
        Ok(())
    }
}

struct Amount {
    kind: ViolationType,
    scope: ScopeKind,
    limit: Option<u64>,
    overdraft: u64,
    committed: u128,
    held: u128,
    asked: u128,
    action: Action,
}

struct Time {
    elapsed: u64,
    unit: u64,
    limit: u64,
    action: Action,
}

impl Forest {
    pub(crate) fn barred(&self, node: usize) -> Option<Refusal> {
        let (kind, cause, retry) = match self.state(node) {
            State::Live => return None,
            State::Paused(cause) => (ViolationType::Paused, Some(cause), Retry::AfterApproval),
            State::Halted(cause) => (ViolationType::Halted, Some(cause), Retry::Never),
            State::Finished(cause) => (ViolationType::Closed, cause, Retry::Never),
        };
        Some(Refusal { cause, ..refusal(kind, ScopeKind::Execution, 0, 0, 0, retry) })
    }

    /// Looks at every limit in order.
    pub(crate) fn look(&self, node: usize, asked: &Amounts, now: u64) -> Result<Noticed, Blocked> {
        if let Some(refusal) = self.barred(node) {
            return Err(Blocked { refusal, act: None });
        }
        let mut noticed = Noticed::default();
        let it = &self.nodes[node];
        if let Some(limit) = it.limits.active_ms {
            let elapsed = now - it.started - it.paused_ns;
            let time = Time { elapsed, unit: 1_000_000, limit, action: self.actions.time };
            noticed.time(ViolationType::WallTimeLimit, time, node)?;
        }
        if let Some(limit) = it.limits.idle_s
            && !self.is_busy(node)
        {
            let time = Time { elapsed: now - it.active, unit: 1_000_000_000, limit, action: self.actions.idle };
            noticed.time(ViolationType::IdleTimeout, time, node)?;
        }
        for (level, shared) in self.shared(node).into_iter().enumerate() {
            let scope = if level == 0 { ScopeKind::Execution } else { ScopeKind::Parent };
            self.amounts(&mut noticed, shared, scope, asked)?;
        }
        let top = self.shared(node).pop().unwrap();
        if self.nodes[top].slice.is_none() && self.budget.is_some() {
            let (committed, held) = self.of_tenant(it.tenant);
            let (kind, scope, action) = (ViolationType::CostLimit, ScopeKind::Tenant, self.actions.budget);
            let (committed, held, asked) = (committed[COST], held[COST], asked[COST]);
            let (limit, overdraft) = (self.budget, 0);
            noticed.amount(Amount { kind, scope, limit, overdraft, committed, held, asked, action }, node)?;
        }
        Ok(noticed)
    }

    fn amounts(&self, noticed: &mut Noticed, node: usize, scope: ScopeKind, asked: &Amounts) -> Result<(), Blocked> {
        let (it, committed, held) = (&self.nodes[node], self.committed(node), self.held(node));
        for place in ORDER {
            let (kind, limit, asked) = (KINDS[place], it.limit(&it.limits, place), asked[place]);
            let (committed, held, action) = (committed[place], held[place], self.actions.amounts[place]);
            let overdraft = it.overdraft(place);
            noticed.amount(Amount { kind, scope, limit, overdraft, committed, held, asked, action }, node)?;
            if let (COST, Some(limit)) = (place, it.limits.threshold) {
                let (kind, limit) = (ViolationType::CostThreshold, u128::from(limit));
                if committed >= limit {
                    let why = refusal(kind, scope, committed, 0, limit, Retry::AfterApproval);
                    noticed.violated(why, self.actions.threshold, true, node)?;
                } else {
                    noticed.near(kind, scope, committed + held + asked, limit);
                }
            }
        }
        Ok(())
    }

    /// Not idle, however long ago something happened.
    fn is_busy(&self, node: usize) -> bool {
        let (it, held) = (&self.nodes[node], self.held(node));
        self.live_children(node) > 0
            || held[TOKENS] + held[MEMORY] + held[COST] > 0
            || it.holds.iter().flatten().any(|open| open.bare)
    }

    /// Carries out what stands in the way, and says what everyone is told.
    fn refuse(&mut self, blocked: &Blocked) -> Refusal {
        if let Some((owner, action)) = blocked.act {
            // To its owner it is its own.
            let own = blocked.refusal.scope == ScopeKind::Parent;
            let scope = if own { ScopeKind::Execution } else { blocked.refusal.scope };
            assert!(self.act(owner, action, Refusal { scope, ..blocked.refusal }), "nobody stood in the way");
        }
        blocked.refusal
    }

    pub(crate) fn reserve(&mut self, node: usize, asked: &Amounts, now: u64) -> Result<Noticed, Refusal> {
        let noticed = self.look(node, asked, now).map_err(|blocked| self.refuse(&blocked))?;
        let open = self.begin(node, asked, now);
        self.nodes[node].holds.push(Some(open));
        Ok(noticed)
    }

    /// Grows the hold of that number.
    pub(crate) fn extend(&mut self, node: usize, hold: usize, more: &Amounts, now: u64) -> Result<Noticed, Refusal> {
        let noticed = self.look(node, more, now).map_err(|blocked| self.refuse(&blocked))?;
        let more = self.begin(node, more, now);
        let open = self.nodes[node].holds[hold].as_mut().unwrap();
        (open.amounts, open.bare) = (plus(open.amounts, more.amounts), open.bare || more.bare);
        Ok(noticed)
    }

    /// What begins has begun; what is held.
    fn begin(&mut self, node: usize, asked: &Amounts, now: u64) -> Open {
        let it = &mut self.nodes[node];
        let [steps, tokens, memory, cost, discovered, input] = *asked;
        (it.used[STEPS], it.used[DISCOVERED]) = (it.used[STEPS] + steps, it.used[DISCOVERED] + discovered);
        it.active = it.active.max(now);
        let bare = tokens + memory + cost == 0 && it.limits.idle_s.is_some();
        Open { amounts: [0, tokens, memory, cost, 0, input], bare }
    }

    pub(crate) fn touch(&mut self, node: usize, now: u64) -> Result<(), Refusal> {
        match self.barred(node) {
            Some(refusal) => Err(refusal),
            None => {
                self.nodes[node].active = self.nodes[node].active.max(now);
                Ok(())
            }
        }
    }

    /// Registers a child, or says what refuses; `None`: the id is taken.
    pub(crate) fn spawn(
        &mut self,
        parent: usize,
        id: usize,
        limits: &Limits,
        slice: Option<Amounts>,
        now: u64,
    ) -> Result<usize, Option<Refusal>> {
        let above = |scope| if scope == ScopeKind::Execution { ScopeKind::Parent } else { scope };
        let seen_below = |refusal: Refusal| {
            let cause = refusal.cause.map(|(kind, scope): Cause| (kind, above(scope)));
            Some(Refusal { scope: above(refusal.scope), cause, ..refusal })
        };
        if let Some(refusal) = self.barred(parent) {
            return Err(seen_below(refusal));
        }
        if let Some(amounts) = &slice {
            self.look(parent, amounts, now).map_err(|blocked| seen_below(self.refuse(&blocked)))?;
        }
        let it = &self.nodes[parent];
        let (total, live) = (it.offspring.len() as u64, self.live_children(parent));
        let bounds = [(total, it.limits.children_total, true), (live, it.limits.children, false)];
        for (used, limit, for_good) in bounds {
            if let Some(limit) = limit.filter(|limit| used >= *limit) {
                let retry = if for_good || limit == 0 { Retry::Never } else { Retry::WhenFreed };
                let (used, limit) = (u128::from(used), u128::from(limit));
                return Err(Some(refusal(ViolationType::ChildLimit, ScopeKind::Parent, used, 1, limit, retry)));
            }
        }
        if self.registered(id) {
            return Err(None);
        }
        let (tenant, node) = (self.nodes[parent].tenant, self.nodes.len());
        self.nodes[parent].active = self.nodes[parent].active.max(now);
        self.nodes[parent].offspring.push(node);
        self.nodes[parent].children.push(node);
        self.nodes.push(Node { parent: Some(parent), slice, ..Node::new(id, tenant, limits, now) });
        Ok(node)
    }
}

impl Node {
    pub(crate) fn new(id: usize, tenant: usize, limits: &Limits, now: u64) -> Self {
        Self {
            id,
            tenant,
            parent: None,
            slice: None,
            limits: limits.clone(),
            registered: limits.clone(),
            started: now,
            active: now,
            halted: None,
            finished: None,
            pause: None,
            offspring: Vec::new(),
            children: Vec::new(),
            used: [0; 6],
            holds: Vec::new(),
            paused_since: None,
            paused_ns: 0,
        }
    }
}

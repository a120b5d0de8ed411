//! The oracle of trees: what each verb has to answer, worked out one call at a time from plain lists and wide integers.
//!
//! It keeps what happened where it happened, and sums over the tree whenever it is asked. Nothing of the library is used
//! but the names of limits, actions and retries.

use enforce_core::{Action, OnDrop, Retry, ScopeKind, ViolationType};

use super::look::refusal;

/// Amounts by their places.
pub(crate) type Amounts = [u128; 6];
pub(crate) const STEPS: usize = 0;
pub(crate) const TOKENS: usize = 1;
pub(crate) const MEMORY: usize = 2;
pub(crate) const COST: usize = 3;
pub(crate) const DISCOVERED: usize = 4;
/// How many of the tokens are input.
pub(crate) const INPUT: usize = 5;

pub(crate) const BOUND: u128 = (1 << 56) - 1;

pub(crate) type Cause = (ViolationType, ScopeKind);

/// What a violation has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: ViolationType,
    pub(crate) scope: ScopeKind,
    pub(crate) used: u128,
    pub(crate) asked: u128,
    pub(crate) limit: u128,
    pub(crate) retry: Retry,
    pub(crate) cause: Option<Cause>,
}

/// The limits of one execution; memory in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) amounts: [Option<u64>; 5],
    /// Of tokens and of cost.
    pub(crate) overdrafts: [u64; 2],
    pub(crate) threshold: Option<u64>,
    pub(crate) ceiling: Option<u64>,
    pub(crate) active_ms: Option<u64>,
    pub(crate) idle_s: Option<u64>,
    pub(crate) children: Option<u64>,
    pub(crate) children_total: Option<u64>,
}

/// What happens at each limit, for everyone.
#[derive(Debug, Clone)]
pub(crate) struct Actions {
    pub(crate) amounts: [Action; 5],
    pub(crate) threshold: Action,
    pub(crate) time: Action,
    pub(crate) idle: Action,
    pub(crate) budget: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Paused(Cause),
    Halted(Cause),
    Finished(Option<Cause>),
}

/// An open hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) amounts: Amounts,
    /// It sets nothing aside and was taken while idleness was limited.
    pub(crate) bare: bool,
}

/// A pause of its own.
#[derive(Debug, Clone)]
pub(crate) struct Pause {
    pub(crate) number: usize,
    pub(crate) why: Refusal,
    /// Ends of several children may reach a threshold in one call: how much was used when one of them did depends on
    /// their order.
    pub(crate) exact: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) tenant: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) slice: Option<Amounts>,
    pub(crate) limits: Limits,
    pub(crate) registered: Limits,
    pub(crate) started: u64,
    pub(crate) active: u64,
    pub(crate) halted: Option<Cause>,
    pub(crate) finished: Option<Option<Cause>>,
    pub(crate) pause: Option<Pause>,
    /// Everyone ever registered below it.
    pub(crate) offspring: Vec<usize>,
    /// Those that have not ended.
    pub(crate) children: Vec<usize>,
    pub(crate) used: Amounts,
    pub(crate) holds: Vec<Option<Open>>,
    pub(crate) paused_since: Option<u64>,
    pub(crate) paused_ns: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Forest {
    pub(crate) actions: Actions,
    pub(crate) budget: Option<u64>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pauses: usize,
    pub(crate) now: u64,
}

pub(crate) fn plus(mut a: Amounts, b: Amounts) -> Amounts {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

impl Node {
    /// How far it may be passed before it blocks who asks nothing of it; a limit of 0 allows nothing.
    pub(crate) fn overdraft(&self, place: usize) -> u64 {
        let [tokens, cost] = self.limits.overdrafts;
        match (place, self.limit(&self.limits, place)) {
            (_, None | Some(0)) => 0,
            (TOKENS, _) => tokens,
            (COST, _) => cost,
            _ => 0,
        }
    }

    /// The limit of the amount at `place`; nobody has more than a slice.
    pub(crate) fn limit(&self, limits: &Limits, place: usize) -> Option<u64> {
        let slice = self.slice.map(|slice| slice[place] as u64);
        limits.amounts[place].into_iter().chain(slice).min()
    }
}

impl Forest {
    pub(crate) fn ended(&self, node: usize) -> bool {
        self.nodes[node].finished.is_some()
    }

    /// What is committed: by itself, by those who share its budget, and by slices of it that have ended.
    pub(crate) fn committed(&self, node: usize) -> Amounts {
        let counts = |child: &&usize| self.nodes[**child].slice.is_none() || self.ended(**child);
        let below = self.nodes[node].offspring.iter().filter(counts).map(|child| self.committed(*child));
        below.fold(self.nodes[node].used, plus)
    }

    /// What open holds and live slices have set aside.
    pub(crate) fn held(&self, node: usize) -> Amounts {
        let own = self.nodes[node].holds.iter().flatten().map(|open| open.amounts).fold([0; 6], plus);
        let below = self.nodes[node].offspring.iter().map(|child| match self.nodes[*child].slice {
            Some(slice) if !self.ended(*child) => slice,
            _ => self.held(*child),
        });
        below.fold(own, plus)
    }

    /// Those whose limits its own demands meet: itself and everyone above whose budget it shares.
    pub(crate) fn shared(&self, node: usize) -> Vec<usize> {
        let up = |node: &usize| self.nodes[*node].parent.filter(|_| self.nodes[*node].slice.is_none());
        std::iter::successors(Some(node), up).collect()
    }

    /// Those in whom its records arrive: past its slice, once that has ended.
    fn arrives(&self, node: usize) -> Vec<usize> {
        let up =
            |node: &usize| self.nodes[*node].parent.filter(|_| self.nodes[*node].slice.is_none() || self.ended(*node));
        std::iter::successors(Some(node), up).collect()
    }

    /// Whether what it uses arrives at its parent.
    pub(crate) fn passes_on(&self, node: usize) -> bool {
        self.nodes[node].slice.is_none() || self.ended(node)
    }

    pub(crate) fn depth(&self, node: usize) -> usize {
        std::iter::successors(self.nodes[node].parent, |node| self.nodes[*node].parent).count()
    }

    /// What pauses it: its own pause, or the nearest above.
    pub(crate) fn paused_by(&self, node: usize) -> Option<Cause> {
        match &self.nodes[node].pause {
            Some(pause) => Some((pause.why.kind, pause.why.scope)),
            None => self.paused_by(self.nodes[node].parent?).map(|(kind, _)| (kind, ScopeKind::Parent)),
        }
    }

    pub(crate) fn state(&self, node: usize) -> State {
        let it = &self.nodes[node];
        match (it.finished, it.halted, self.paused_by(node)) {
            (Some(cause), _, _) => State::Finished(cause),
            (None, Some(cause), _) => State::Halted(cause),
            (None, None, Some(cause)) => State::Paused(cause),
            (None, None, None) => State::Live,
        }
    }

    fn runs(&self, node: usize) -> bool {
        self.nodes[node].halted.is_none() && !self.ended(node)
    }

    pub(crate) fn live_children(&self, node: usize) -> u64 {
        self.nodes[node].children.iter().filter(|child| self.runs(**child)).count() as u64
    }

    pub(crate) fn roots(&self, tenant: usize) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |node| {
            let it = &self.nodes[*node];
            it.tenant == tenant && it.parent.is_none()
        })
    }

    pub(crate) fn live_roots(&self, tenant: usize) -> u64 {
        self.roots(tenant).filter(|root| self.runs(*root)).count() as u64
    }

    /// What the tenant's roots have committed, and what is held on them.
    pub(crate) fn of_tenant(&self, tenant: usize) -> (Amounts, Amounts) {
        let committed = self.roots(tenant).map(|root| self.committed(root)).fold([0; 6], plus);
        (committed, self.roots(tenant).map(|root| self.held(root)).fold([0; 6], plus))
    }

    pub(crate) fn registered(&self, id: usize) -> bool {
        (0..self.nodes.len()).any(|node| self.nodes[node].id == id && !self.ended(node))
    }

    /// Brings what depends on pauses up to date: called after everything that happens.
    pub(crate) fn pass(&mut self, now: u64) {
        for node in 0..self.nodes.len() {
            let paused = matches!(self.state(node), State::Paused(_));
            let it = &mut self.nodes[node];
            match it.paused_since {
                None if paused => it.paused_since = Some(now),
                Some(since) if !paused => {
                    it.paused_ns += now - since;
                    (it.paused_since, it.active) = (None, it.active.max(now));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn halt(&mut self, node: usize, cause: Cause) -> bool {
        let first = self.runs(node);
        if first {
            self.nodes[node].halted = Some(cause);
            if let Some(parent) = self.nodes[node].parent {
                // It was not idle as long as its child lived.
                self.nodes[parent].active = self.nodes[parent].active.max(self.now);
            }
            for child in self.nodes[node].children.clone() {
                self.halt(child, (cause.0, ScopeKind::Parent));
            }
        }
        first
    }

    pub(crate) fn pause(&mut self, node: usize, why: Refusal, exact: bool) -> bool {
        let first = self.runs(node) && self.nodes[node].pause.is_none();
        if first {
            self.pauses += 1;
            self.nodes[node].pause = Some(Pause { number: self.pauses, why, exact });
        }
        first
    }

    pub(crate) fn act(&mut self, node: usize, action: Action, why: Refusal) -> bool {
        match action {
            Action::Halt => self.halt(node, (why.kind, why.scope)),
            Action::Pause => self.pause(node, why, true),
            Action::Refuse | Action::Observe => false,
        }
    }

    /// Settles the hold of that number, or charges without one: whether it is late, the overruns, what it exhausted.
    pub(crate) fn record(
        &mut self,
        node: usize,
        hold: Option<usize>,
        used: Amounts,
        now: u64,
    ) -> (bool, u128, u128, Option<Refusal>) {
        let late = !self.runs(node);
        self.nodes[node].active = self.nodes[node].active.max(now);
        let (open, exhausted) = self.write(node, hold, used);
        let over = |place: usize| used[place].saturating_sub(open[place]);
        (late, over(TOKENS), over(COST), exhausted)
    }

    /// Drops the hold of that number: what its policy charges is recorded, and that is no activity.
    pub(crate) fn drop_hold(&mut self, node: usize, hold: usize, policy: OnDrop) {
        let Some(open) = self.nodes[node].holds[hold] else { return };
        let (tokens, cost, input) = (open.amounts[TOKENS], open.amounts[COST], open.amounts[INPUT]);
        let charged = match policy {
            OnDrop::ChargeAll => [0, tokens, 0, cost, 0, input],
            // Rounded half up; all of it of no tokens.
            OnDrop::ChargeInput => {
                [0, input, 0, (2 * cost * input + tokens).checked_div(2 * tokens).unwrap_or(cost), 0, input]
            }
            _ => [0; 6],
        };
        self.write(node, Some(hold), charged);
    }

    fn write(&mut self, node: usize, hold: Option<usize>, used: Amounts) -> (Amounts, Option<Refusal>) {
        let it = &mut self.nodes[node];
        let open = hold.and_then(|number| it.holds[number].take()).map_or([0; 6], |open| open.amounts);
        it.used = plus(it.used, used);
        let mut exhausted = None;
        for (level, arrived) in self.arrives(node).into_iter().enumerate() {
            let reached = self.reach(arrived, used[COST], true);
            let scope = if level == 0 { ScopeKind::Execution } else { ScopeKind::Parent };
            exhausted = exhausted.or(reached.map(|why| Refusal { scope, ..why }));
        }
        (open, exhausted)
    }

    /// The cost threshold acts by the record that reaches it.
    pub(crate) fn reach(&mut self, node: usize, cost: u128, exact: bool) -> Option<Refusal> {
        let limit = u128::from(self.nodes[node].limits.threshold?);
        let committed = self.committed(node)[COST];
        if cost == 0 || committed < limit {
            return None;
        }
        let kind = ViolationType::CostThreshold;
        let why = refusal(kind, ScopeKind::Execution, committed, 0, limit, Retry::AfterApproval);
        let acted = match self.actions.threshold {
            Action::Pause => self.pause(node, why, exact),
            Action::Halt => self.halt(node, (kind, ScopeKind::Execution)),
            Action::Refuse | Action::Observe => false,
        };
        acted.then_some(why)
    }

    /// Ends it and everything below it; then what its slices have exhausted above.
    pub(crate) fn finish(&mut self, node: usize, now: u64) {
        let mut reached = Vec::new();
        self.end(node, now, &mut reached);
        for (above, cost) in reached {
            self.reach(above, cost, false);
        }
    }

    fn end(&mut self, node: usize, now: u64, reached: &mut Vec<(usize, u128)>) {
        if self.ended(node) {
            return;
        }
        let cause = match self.state(node) {
            State::Halted(cause) | State::Paused(cause) => Some(cause),
            _ => None,
        };
        let children = self.nodes[node].children.clone();
        // Children see their parent's pause for as long as they have not ended.
        for child in children {
            self.end(child, now, reached);
        }
        self.nodes[node].finished = Some(cause);
        let Some(parent) = self.nodes[node].parent else { return };
        let siblings = &mut self.nodes[parent].children;
        let place = siblings.iter().position(|child| *child == node).unwrap();
        siblings.swap_remove(place);
        self.nodes[parent].active = self.nodes[parent].active.max(now);
        if self.nodes[node].slice.is_some() {
            let cost = self.committed(node)[COST];
            let over = |above: &usize| {
                let limit = self.nodes[*above].limits.threshold;
                limit.is_some_and(|limit| cost > 0 && self.committed(*above)[COST] >= u128::from(limit))
            };
            reached.extend(self.arrives(parent).into_iter().filter(over).map(|above| (above, cost)));
        }
    }
}

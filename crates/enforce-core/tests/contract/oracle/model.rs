//! The oracle: what each verb has to answer, worked out one call at a time with plain lists and wide integers.
//!
//! It keeps histories where the library keeps words: holds as a list, steps as a sequence, rates in units of a minute's
//! share. Nothing of the library is used but the names of limits, actions and retries.

use enforce_core::{Action, RatesRefused, Retry, ScopeKind, ViolationType};

use super::drain::{Drain, Taken};
use super::look::{Blocked, refusal};
use super::policy::Policy;

pub(crate) const NS_PER_DAY: u64 = 86_400_000_000_000;

/// What a violation has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: ViolationType,
    pub(crate) scope: ScopeKind,
    pub(crate) used: u128,
    pub(crate) asked: u128,
    pub(crate) limit: u128,
    pub(crate) remaining: u128,
    pub(crate) retry: Retry,
    pub(crate) cause: Option<(ViolationType, ScopeKind)>,
    pub(crate) rates: Option<RatesRefused>,
}

/// What a warning has to say: limit, scope, percent, current, limit.
pub(crate) type Warning = (ViolationType, ScopeKind, u128, u128, u128);

/// What an admission noticed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noticed {
    pub(crate) warning: Option<Warning>,
    pub(crate) observed: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) steps: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) memory: u64,
    pub(crate) cost: u64,
    pub(crate) discovered: u64,
    pub(crate) provider: Option<usize>,
    pub(crate) rate_tokens: Option<u64>,
    pub(crate) fingerprint: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) steps: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: u64,
    pub(crate) discovered: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Paused(ViolationType, ScopeKind),
    Halted(ViolationType, ScopeKind),
    Finished(Option<(ViolationType, ScopeKind)>),
}

/// An open hold: what it set aside, and the period in which its money was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) tokens: u128,
    pub(crate) memory: u128,
    pub(crate) cost: u128,
    pub(super) period: u64,
    pub(super) rated: Option<Taken>,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: usize,
    pub(crate) tenant: usize,
    pub(crate) started: u64,
    pub(crate) state: State,
    pub(crate) steps: u128,
    pub(crate) input: u128,
    pub(crate) output: u128,
    pub(crate) cost: u128,
    pub(crate) discovered: u128,
    pub(crate) holds: Vec<Option<Open>>,
    pub(super) active: u64,
    history: Vec<Option<u64>>,
}

/// One tenant: its slots, and per period what was spent in it.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) period: u64,
    pub(crate) spent: Vec<(u64, u128)>,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) policy: Policy,
    pub(crate) runs: Vec<Run>,
    pub(crate) tenants: [Tenant; 2],
    pub(super) epoch: u64,
    /// For each provider its requests and its tokens.
    pub(super) drains: [[Drain; 2]; 2],
}

impl Run {
    pub(crate) fn tokens(&self) -> u128 {
        self.input + self.output
    }

    pub(crate) fn held(&self, amount: impl Fn(&Open) -> u128) -> u128 {
        self.holds.iter().flatten().map(amount).sum()
    }

    pub(super) fn has_open_holds(&self) -> bool {
        self.holds.iter().any(Option::is_some)
    }

    /// Whether `times` equal blocks of up to `longest` steps would stand at the end with this one.
    pub(super) fn loops(&self, fingerprint: u64, times: usize, longest: usize) -> bool {
        let mut steps = self.history.clone();
        steps.push(Some(fingerprint));
        (1..=longest).any(|block| {
            let Some(start) = steps.len().checked_sub(times * block) else { return false };
            let tail = &steps[start..];
            tail.iter().all(Option::is_some) && tail.chunks(block).all(|chunk| chunk == &tail[..block])
        })
    }
}

impl Oracle {
    pub(crate) fn new(policy: Policy, now: u64) -> Self {
        let tenant = || Tenant { period: 0, spent: Vec::new() };
        Self { policy, runs: Vec::new(), tenants: [tenant(), tenant()], epoch: now, drains: Default::default() }
    }

    fn period(&self, now: u64) -> u64 {
        if self.policy.by_day { now / NS_PER_DAY } else { 0 }
    }

    /// (committed, used) of a tenant's budget in `period`.
    pub(crate) fn budget(&self, tenant: usize, period: u64) -> (u128, u128) {
        let spent = self.tenants[tenant].spent.iter().filter(|(of, _)| *of == period).map(|(_, cost)| cost).sum();
        let of_tenant = self.runs.iter().filter(|run| run.tenant == tenant);
        let held: u128 = of_tenant.map(|run| run.held(|open| if open.period == period { open.cost } else { 0 })).sum();
        (spent, spent + held)
    }

    pub(crate) fn current_period(&self, tenant: usize, now: u64) -> u64 {
        self.tenants[tenant].period.max(self.period(now))
    }

    pub(crate) fn live(&self, tenant: usize) -> u64 {
        let occupies = |run: &&Run| run.tenant == tenant && matches!(run.state, State::Live | State::Paused(..));
        self.runs.iter().filter(occupies).count() as u64
    }

    pub(crate) fn registered(&self, id: usize) -> Option<usize> {
        self.runs.iter().position(|run| run.id == id && !matches!(run.state, State::Finished(_)))
    }

    /// Registers, or says which limit of the tenant refuses (`None`: the id is taken).
    pub(crate) fn register(&mut self, id: usize, tenant: usize, now: u64) -> Result<(), Option<Refusal>> {
        if self.registered(id).is_some() {
            return Err(None);
        }
        if let (Some(limit), Action::Refuse) = self.policy.concurrency
            && self.live(tenant) >= limit
        {
            let (limit, retry) = (u128::from(limit), if limit == 0 { Retry::Never } else { Retry::WhenFreed });
            return Err(Some(refusal(ViolationType::ConcurrencyLimit, ScopeKind::Tenant, limit, 1, limit, retry)));
        }
        if self.runs.iter().all(|run| run.tenant != tenant) {
            // Its entry is made; from here on somebody has a handle, and it stays.
            self.tenants[tenant].period = self.period(now);
        }
        self.runs.push(Run {
            id,
            tenant,
            started: now,
            state: State::Live,
            steps: 0,
            input: 0,
            output: 0,
            cost: 0,
            discovered: 0,
            holds: Vec::new(),
            // Idleness counts from when the enforcer was built.
            active: now.max(self.epoch),
            history: Vec::new(),
        });
        Ok(())
    }

    pub(crate) fn barred(&self, run: usize) -> Option<Refusal> {
        let (kind, cause, retry) = match self.runs[run].state {
            State::Live => return None,
            State::Paused(kind, scope) => (ViolationType::Paused, Some((kind, scope)), Retry::AfterApproval),
            State::Halted(kind, scope) => (ViolationType::Halted, Some((kind, scope)), Retry::Never),
            State::Finished(cause) => (ViolationType::Closed, cause, Retry::Never),
        };
        Some(Refusal { cause, ..refusal(kind, ScopeKind::Execution, 0, 0, 0, retry) })
    }

    pub(crate) fn reserve(&mut self, index: usize, asked: &Asked, now: u64) -> Result<Noticed, Refusal> {
        let tenant = self.runs[index].tenant;
        self.enter(tenant, now);
        let noticed = match self.look(index, asked, now) {
            Ok(noticed) => noticed,
            Err(blocked) => {
                self.act(index, &blocked);
                return Err(blocked.refusal);
            }
        };
        let rated = if self.too_fast(asked, now).is_none() { self.charge_rates(asked, now) } else { None };
        let period = self.tenants[tenant].period;
        let run = &mut self.runs[index];
        run.steps += u128::from(asked.steps);
        run.discovered += u128::from(asked.discovered);
        run.active = run.active.max(now);
        if asked.fingerprint.is_some() || asked.steps > 0 {
            run.history.push(asked.fingerprint);
        }
        let tokens = u128::from(asked.input) + u128::from(asked.output);
        run.holds.push(Some(Open { tokens, memory: asked.memory.into(), cost: asked.cost.into(), period, rated }));
        Ok(noticed)
    }

    /// A later period begins with the first who asks in it; a clock that steps back ends none.
    pub(crate) fn enter(&mut self, tenant: usize, now: u64) {
        self.tenants[tenant].period = self.current_period(tenant, now);
    }

    fn act(&mut self, index: usize, blocked: &Blocked) {
        let cause = (blocked.refusal.kind, blocked.refusal.scope);
        match blocked.act {
            Some(Action::Halt) => self.halt(index, cause),
            Some(Action::Pause) => self.pause(index, cause),
            _ => false,
        };
    }

    pub(crate) fn halt(&mut self, index: usize, cause: (ViolationType, ScopeKind)) -> bool {
        let run = &mut self.runs[index];
        let first = matches!(run.state, State::Live | State::Paused(..));
        if first {
            run.state = State::Halted(cause.0, cause.1);
        }
        first
    }

    fn pause(&mut self, index: usize, cause: (ViolationType, ScopeKind)) -> bool {
        let run = &mut self.runs[index];
        let first = run.state == State::Live;
        if first {
            run.state = State::Paused(cause.0, cause.1);
        }
        first
    }

    pub(crate) fn finish(&mut self, index: usize) {
        let run = &mut self.runs[index];
        run.state = match run.state {
            State::Live => State::Finished(None),
            State::Paused(kind, scope) | State::Halted(kind, scope) => State::Finished(Some((kind, scope))),
            State::Finished(cause) => State::Finished(cause),
        };
    }

    pub(crate) fn touch(&mut self, index: usize, now: u64) -> Result<(), Refusal> {
        if let Some(refusal) = self.barred(index) {
            return Err(refusal);
        }
        let run = &mut self.runs[index];
        run.active = run.active.max(now);
        Ok(())
    }

    /// Settles the hold of that number, or charges without one: late, overruns, what it exhausted.
    pub(crate) fn record(
        &mut self,
        index: usize,
        hold: Option<usize>,
        used: &Used,
        now: u64,
    ) -> (bool, u128, u128, Option<Refusal>) {
        let tenant = self.runs[index].tenant;
        let open = match hold {
            Some(number) => self.runs[index].holds[number].take(),
            None => {
                self.enter(tenant, now);
                None
            }
        };
        if let Some(taken) = open.and_then(|open| open.rated) {
            self.settle_rates(&taken, used, now);
        }
        let (set_tokens, set_cost) = open.map_or((0, 0), |open| (open.tokens, open.cost));
        let period = open.map_or(self.tenants[tenant].period, |open| open.period);
        self.tenants[tenant].spent.push((period, used.cost.into()));
        let run = &mut self.runs[index];
        let late = matches!(run.state, State::Halted(..) | State::Finished(_));
        run.steps += u128::from(used.steps);
        run.input += u128::from(used.input);
        run.output += u128::from(used.output);
        run.cost += u128::from(used.cost);
        run.discovered += u128::from(used.discovered);
        run.active = run.active.max(now);
        let tokens = u128::from(used.input) + u128::from(used.output);
        let overruns = (tokens.saturating_sub(set_tokens), u128::from(used.cost).saturating_sub(set_cost));
        (late, overruns.0, overruns.1, self.exhaust(index, used.cost))
    }

    /// The cost threshold acts by the record that reaches it.
    pub(super) fn exhaust(&mut self, index: usize, cost: u64) -> Option<Refusal> {
        let (limit, action) = self.policy.threshold;
        let run = &self.runs[index];
        if cost == 0 || run.cost < u128::from(limit?) {
            return None;
        }
        let refusal = self.reached(run);
        let cause = (refusal.kind, refusal.scope);
        let acted = match action {
            Action::Pause => self.pause(index, cause),
            Action::Halt => self.halt(index, cause),
            Action::Refuse | Action::Observe => false,
        };
        acted.then_some(refusal)
    }
}

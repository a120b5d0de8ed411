//! A trace, asked of the library row by row. Every limit is the library's; what is kept here names and counts.

use std::collections::HashMap;
use std::rc::Rc;

use enforce_core::{
    Action, Actual, Budget, BudgetUsage, Cause, Clock, Demand, EnforcementViolation, Enforcer, EventBuffer, EventKind,
    Execution, ManualClock, NanoUsd, PolicyFile, ProviderKey, RegisterError, ScopeKind, Status, Timestamp,
    ViolationType,
};

use super::decision::Decision;
use super::error::ReplayError;
use super::records::{Outcome, Records};
use super::report::Report;
use crate::args::Reserve;
use crate::trace::{Item, Run, Step};

/// The least that can be asked for.
const ONE_NANO_USD: NanoUsd = match NanoUsd::new(1) {
    Ok(one) => one,
    Err(_) => NanoUsd::ZERO,
};

/// An execution that has begun and not ended.
#[derive(Debug)]
struct Live {
    /// In the order of registration.
    number: u64,
    /// Rows so far.
    rows: u64,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    /// It is asked about.
    Running(Execution),
    /// It was halted or met paused at this row of its own; the rest is skipped, but for what comes when its pause has ended
    /// by itself, if it does.
    Barred { execution: Execution, at: u64, until: Option<Timestamp> },
    /// It was not let in.
    NotStarted(Cause),
}

/// A replay under way.
#[derive(Debug)]
pub(crate) struct Engine {
    enforcer: Enforcer,
    policy: PolicyFile,
    reserve: Reserve,
    live: HashMap<Run, Live>,
    providers: HashMap<Rc<str>, ProviderKey>,
    begun: u64,
    first_ns: Option<u64>,
    last_ns: u64,
    report: Report,
    records: Records,
    /// What has happened and is not yet written.
    events: EventBuffer,
}

impl Engine {
    /// Begins a replay whose time begins at `start_ns`.
    pub(crate) fn new(
        policy: PolicyFile,
        reserve: Reserve,
        records: Records,
        start_ns: u64,
    ) -> Result<Self, ReplayError> {
        // Every call brings its time. The clock stands where the trace begins, since rates count from there.
        let clock = ManualClock::starting_at(Timestamp::from_nanos(start_ns));
        let events = EventBuffer::new(usize::MAX);
        let mut builder = Enforcer::builder();
        if records.has_events() {
            builder = builder.events(events.clone()).max_pending_events(u64::MAX);
        }
        let enforcer = builder
            .policy_file(policy.clone())
            .clock(Clock::manual(&clock))
            // A trace is no stranger: what it names may be kept.
            .max_executions(u64::MAX)
            .max_tenants(u64::MAX)
            .max_providers(u64::MAX)
            .build()
            .map_err(ReplayError::Config)?;
        Ok(Self {
            enforcer,
            policy,
            reserve,
            live: HashMap::new(),
            providers: HashMap::new(),
            begun: 0,
            first_ns: None,
            last_ns: 0,
            report: Report::default(),
            records,
            events,
        })
    }

    /// Takes what happens next.
    pub(crate) fn take(&mut self, item: Item) -> Result<(), ReplayError> {
        match item {
            Item::Begin { run, time_ns } => {
                let live = self.register(&run, time_ns)?;
                self.write_events(Some(&run))?;
                self.live.insert(run, live);
            }
            Item::Step(step) => {
                let run = step.run.clone();
                self.step(step)?;
                self.write_events(Some(&run))?;
            }
            Item::End { run, time_ns } => {
                if let Some(live) = self.live.remove(&run) {
                    self.end(&run, live, time_ns)?;
                    self.write_events(Some(&run))?;
                }
            }
        }
        Ok(())
    }

    /// Writes what has happened, to the execution of `run` if to any, which the trace calls by another name.
    fn write_events(&mut self, run: Option<&Run>) -> Result<(), ReplayError> {
        for mut event in self.events.drain() {
            if let (Some(id), Some(run)) = (&mut event.execution_id, run) {
                *id = run.execution.to_string();
            }
            if let (EventKind::Ended { usage }, Some(run)) = (&mut event.kind, run) {
                usage.execution_id = run.execution.to_string();
            }
            self.records.event(&event)?;
        }
        Ok(())
    }

    /// Ends what the trace left open, in the order of its beginning. The records are whole, but not yet in place.
    pub(crate) fn finish(mut self) -> Result<(Report, Records), ReplayError> {
        let mut open: Vec<(Run, Live)> = self.live.drain().collect();
        open.sort_unstable_by_key(|(_, live)| live.number);
        for (run, live) in open {
            self.end(&run, live, self.last_ns)?;
            self.write_events(Some(&run))?;
        }
        // With its last handle an enforcer tells what is still to be counted.
        self.enforcer = Enforcer::default();
        self.write_events(None)?;
        self.report.trace.span_ns = self.last_ns - self.first_ns.unwrap_or(self.last_ns);
        self.records.flush()?;
        Ok((self.report, self.records))
    }

    fn step(&mut self, step: Step) -> Result<(), ReplayError> {
        self.first_ns.get_or_insert(step.time_ns);
        self.last_ns = step.time_ns;
        let mut live = match self.live.remove(&step.run) {
            Some(live) => live,
            None => self.register(&step.run, step.time_ns)?,
        };
        live.rows += 1;
        let rows = live.rows;
        let decision;
        let goes_on = |until: &Option<Timestamp>| until.is_some_and(|until| until.as_nanos() <= step.time_ns);
        (live.standing, decision) = match live.standing {
            Standing::Barred { execution, until, .. } if goes_on(&until) => self.met(execution, rows, &step)?,
            Standing::Running(execution) => self.met(execution, rows, &step)?,
            refused @ Standing::NotStarted(_) if rows == 1 => (refused, Decision::NotStarted),
            barred => (barred, Decision::Skipped),
        };
        self.report.count(decision);
        self.records.decision(decision)?;
        if step.last {
            self.end(&step.run, live, step.time_ns)
        } else {
            self.live.insert(step.run, live);
            Ok(())
        }
    }

    /// Asks about its row of that number, and where it stands then.
    fn met(&mut self, execution: Execution, at: u64, step: &Step) -> Result<(Standing, Decision), ReplayError> {
        let decision = self.ask(&execution, step)?;
        let standing = match decision {
            Decision::Halted | Decision::Paused => {
                let until = execution.pause_ticket().and_then(|ticket| ticket.until);
                Standing::Barred { execution, at, until }
            }
            _ => Standing::Running(execution),
        };
        Ok((standing, decision))
    }

    fn register(&mut self, run: &Run, time_ns: u64) -> Result<Live, ReplayError> {
        self.report.trace.executions += 1;
        self.report.tenant(&run.tenant);
        self.begun += 1;
        // An id is unique within its tenant in a trace, and among all tenants in the library.
        let id = self.begun.to_string();
        let standing = match self.enforcer.execution(&id, &*run.tenant).register_at(Timestamp::from_nanos(time_ns)) {
            Ok(execution) => {
                self.report.executions.started += 1;
                Standing::Running(execution)
            }
            Err(RegisterError::Refused(violation)) => {
                self.report.executions.refused += 1;
                Standing::NotStarted(violation.as_cause())
            }
            Err(error) => return Err(ReplayError::Register(run.clone(), error)),
        };
        Ok(Live { number: self.begun, rows: 0, standing })
    }

    fn ask(&mut self, execution: &Execution, step: &Step) -> Result<Decision, ReplayError> {
        let now = Timestamp::from_nanos(step.time_ns);
        let demand = self.demand(step)?;
        match execution.reserve_at(demand, now) {
            Ok(hold) => {
                self.report.warnings += u64::from(hold.warning().is_some());
                let used = step.used;
                hold.settle_at(Actual::tokens(used.input_tokens, used.output_tokens).cost(used.cost), now);
                Ok(Decision::Admitted)
            }
            Err(violation) => {
                self.report.refusal(step, &violation);
                // The library halts by itself where a limit is exhausted. A step that was recorded and does not fit
                // what is left could not have run either, so its execution could not have gone on.
                if self.action(&step.run, &violation) == Action::Halt {
                    execution.halt(violation.as_cause());
                }
                Ok(match execution.status() {
                    Status::Halted(_) => Decision::Halted,
                    Status::Paused(_) => Decision::Paused,
                    _ => Decision::Refused,
                })
            }
        }
    }

    fn demand(&mut self, step: &Step) -> Result<Demand, ReplayError> {
        let (used, asked) = (step.used, step.asked);
        let demand = match self.reserve {
            Reserve::Recorded => Demand::step().tokens(asked.input_tokens, asked.output_tokens).cost(asked.cost),
            Reserve::None => Demand::step().tokens(1, 0).cost(ONE_NANO_USD),
        };
        let demand =
            demand.provider(self.provider(&step.provider)?).rate_tokens(used.input_tokens + used.output_tokens);
        Ok(step.action.map_or(demand, |action| demand.fingerprint(action)))
    }

    fn provider(&mut self, name: &Rc<str>) -> Result<ProviderKey, ReplayError> {
        if let Some(key) = self.providers.get(name) {
            return Ok(*key);
        }
        let key = self.enforcer.provider(name).map_err(|error| ReplayError::Provider(name.to_string(), error))?;
        self.providers.insert(name.clone(), key);
        Ok(key)
    }

    /// What the policy wants done when the limit that refused is exhausted.
    fn action(&self, run: &Run, violation: &EnforcementViolation) -> Action {
        let actions = &self.policy.enforcement.actions;
        match (violation.scope, violation.violation_type) {
            (ScopeKind::Tenant, _) => {
                let used = || self.enforcer.tenant_usage(&run.tenant).map(|usage| usage.budgets).unwrap_or_default();
                budget_action(&self.policy.tenant.all_budgets(), used, violation)
            }
            (ScopeKind::Process, _) => {
                let used = || self.enforcer.process_usage().budgets;
                budget_action(&self.policy.process.budgets, used, violation)
            }
            (_, ViolationType::StepLimit) => actions.steps,
            (_, ViolationType::TokenLimit) => actions.tokens,
            (_, ViolationType::CostLimit) => actions.cost,
            (_, ViolationType::WallTimeLimit) => actions.wall_time,
            (_, ViolationType::IdleTimeout) => actions.idle,
            (_, ViolationType::SameStepLoop) => actions.same_step_loop,
            _ => Action::Refuse,
        }
    }

    fn end(&mut self, run: &Run, live: Live, time_ns: u64) -> Result<(), ReplayError> {
        let (execution, at) = match live.standing {
            Standing::Running(execution) => (execution, None),
            Standing::Barred { execution, at, .. } => (execution, Some(at)),
            Standing::NotStarted(cause) => return self.records.execution(run, Outcome::Refused(cause), None),
        };
        let outcome = match execution.status() {
            Status::Halted(cause) => {
                self.report.halted(cause);
                Outcome::Halted(cause, at)
            }
            Status::Paused(cause) => {
                self.report.executions.paused += 1;
                Outcome::Paused(cause)
            }
            _ => {
                self.report.executions.completed += 1;
                Outcome::Completed
            }
        };
        let usage = execution.finish_at(Timestamp::from_nanos(time_ns));
        self.report.used(&run.tenant, &usage);
        self.records.execution(run, outcome, Some(&usage))
    }
}

/// What the one of `budgets` that refused wants done; `used` says what is used of each, in the order in which they refuse.
fn budget_action(
    budgets: &[Budget],
    used: impl FnOnce() -> Vec<BudgetUsage>,
    violation: &EnforcementViolation,
) -> Action {
    let refuses = |budget: &&Budget| {
        let Budget { amount, action, .. } = budget;
        let counts = amount.resource().violation_type() == violation.violation_type;
        counts && amount.counted() == violation.limit && *action != Action::Observe
    };
    let mut equal = budgets.iter().filter(refuses);
    let (first, others) = (equal.next(), equal.next().is_some());
    if !others {
        return first.map_or(Action::Refuse, |budget| budget.action);
    }
    // Of several with that limit the first of which as much is used: a refusal has changed nothing (T2).
    let of = |usage: &BudgetUsage| {
        let refused = usage.committed.saturating_add(usage.outstanding) == violation.used;
        let is = |budget: &&Budget| (budget.amount.resource(), budget.per) == (usage.resource, usage.per);
        budgets.iter().filter(refuses).find(is).filter(|_| refused)
    };
    used().iter().find_map(of).or(first).map_or(Action::Refuse, |budget| budget.action)
}

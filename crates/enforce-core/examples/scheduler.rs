//! A scheduler: worker threads run many small simulated agents, ask before each step, and settle what each step used.
//!
//! Every limit only observes, so nothing is refused: the run shows what the limits *would* have refused, and records what
//! each step asked and used. With a file name it writes the record there, one JSON object a line, for
//! `enforce replay`; `crates/enforce-cli/sample/agents.jsonl` is such a record.
//!
//! ```text
//! cargo run --release -p enforce-core --example scheduler -- agents.jsonl
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use enforce_core::{
    Actual, Clock, Demand, EnforcementPolicy, Enforcer, LimitActions, LongRunningExecutionPolicy, NanoUsd, ProviderKey,
    ProviderPolicy, ResourceLimits, TimeSource, Timestamp,
};
use serde_json::json;

const WORKERS: u64 = 12;
const AGENTS: u64 = 36;
const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
/// Simulated time runs so much faster than the system's: a model call of two seconds takes two milliseconds.
const SPEED: u32 = 1_000;

/// The system's time, sped up.
struct FastClock {
    started: SystemTime,
}

impl TimeSource for FastClock {
    #[expect(clippy::disallowed_methods, reason = "a time source is where the system's time comes in")]
    fn now(&self) -> Timestamp {
        let began = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let passed = SystemTime::now().duration_since(self.started).unwrap_or_default();
        Timestamp::ZERO.saturating_add(began).saturating_add(passed.saturating_mul(SPEED))
    }
}

/// How an agent behaves.
#[derive(Clone, Copy)]
enum Habit {
    /// Works through a handful of steps.
    Worker,
    /// Never comes to an end.
    Wanderer,
    /// Sends the whole conversation to a dear model.
    Spender,
    /// Tries the same thing again.
    Looper,
}

/// A small linear congruential generator: the agents' dice.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + (self.0 >> 33) % (to - from + 1)
    }
}

/// What one step asked for and used.
struct Record {
    time: Timestamp,
    tenant: &'static str,
    execution: String,
    step: u64,
    asked: (u64, u64, u64),
    used: (u64, u64, u64),
    action: u64,
    would_refuse: Option<&'static str>,
}

/// Runs one agent to its end.
fn run_agent(
    enforcer: &Enforcer,
    provider: ProviderKey,
    agent: u64,
    records: &Sender<Record>,
) -> Result<(), Box<dyn Error>> {
    let tenant = TENANTS.into_iter().cycle().nth(usize::try_from(agent / 2)?).unwrap_or_default();
    let habit = match agent % 9 {
        4 => Habit::Wanderer,
        6 => Habit::Spender,
        8 => Habit::Looper,
        _ => Habit::Worker,
    };
    let mut dice = Dice(agent.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let id = format!("run_{agent:03}");
    let run = enforcer.execution(id.as_str(), tenant).register()?.finish_on_drop();

    let steps = match habit {
        Habit::Wanderer => dice.roll(22, 30),
        Habit::Spender => dice.roll(8, 12),
        Habit::Looper => dice.roll(6, 9),
        Habit::Worker => dice.roll(3, 12),
    };
    let mut context = dice.roll(900, 2_400);
    let mut action = 0;
    for step in 1..=steps {
        let stuck = matches!(habit, Habit::Looper) && step > 3;
        if !stuck {
            action = dice.roll(1, u64::from(u32::MAX)) << 16 | agent << 8 | step;
        }
        // Dear or cheap, in nano-dollars per token of input and of output.
        let price = if matches!(habit, Habit::Spender) { (3_000, 15_000) } else { (270, 1_100) };
        let cost = |input: u64, output: u64| input * price.0 + output * price.1;
        let most = 1_024;
        let asked = (context, most, cost(context, most));

        let now = enforcer.clock().now();
        let demand =
            Demand::step().tokens(asked.0, asked.1).cost(NanoUsd::new(asked.2)?).provider(provider).fingerprint(action);
        let hold = run.reserve_at(demand, now)?;
        let would_refuse = hold.observed().map(|violation| violation.violation_type.as_str());

        // The model is asked; the answer is rarely as long as it may be.
        thread::sleep(Duration::from_micros(dice.roll(400, 2_600)));
        let output = dice.roll(40, most);
        let used = (context, output, cost(context, output));
        hold.settle(Actual::tokens(used.0, used.1).cost(NanoUsd::new(used.2)?));

        records.send(Record { time: now, tenant, execution: id.clone(), step, asked, used, action, would_refuse })?;
        context += output + dice.roll(50, if matches!(habit, Habit::Spender) { 6_000 } else { 700 });
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the simulated time begins at the system's")]
fn main() -> Result<(), Box<dyn Error>> {
    let enforcer = Enforcer::builder()
        .limits(ResourceLimits {
            max_steps: 16,
            max_cost_usd: Some("0.25".parse()?),
            max_concurrent_executions: Some(5),
            ..ResourceLimits::unlimited()
        })
        .long_running(LongRunningExecutionPolicy {
            max_same_step_repetitions: Some(3),
            ..LongRunningExecutionPolicy::disabled()
        })
        .provider(ProviderPolicy { requests_per_minute: Some(360), request_burst: Some(12), ..Default::default() })
        .policy(EnforcementPolicy { actions: LimitActions::observe(), ..Default::default() })
        .clock(Clock::custom(FastClock { started: SystemTime::now() }))
        .build()?;
    let provider = enforcer.provider("simulated")?;

    // Each worker takes every so-manieth agent; what it did comes back through the channel.
    let (records, recorded) = channel();
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (enforcer, records) = (&enforcer, records.clone());
            scope.spawn(move || {
                for agent in (worker..AGENTS).step_by(WORKERS as usize) {
                    if let Err(error) = run_agent(enforcer, provider, agent, &records) {
                        eprintln!("agent {agent}: {error}");
                    }
                }
            });
        }
        drop(records);
    });

    let mut recorded: Vec<Record> = recorded.into_iter().collect();
    recorded.sort_by(|a, b| (a.time, a.tenant, &a.execution, a.step).cmp(&(b.time, b.tenant, &b.execution, b.step)));
    report(&enforcer, &recorded);
    if let Some(path) = std::env::args().nth(1) {
        fs::write(&path, lines(&recorded))?;
        println!("\nrecorded in {path}");
    }
    Ok(())
}

/// What the limits would have refused, and what was used.
fn report(enforcer: &Enforcer, recorded: &[Record]) {
    let mut refusals = BTreeMap::new();
    for kind in recorded.iter().filter_map(|record| record.would_refuse) {
        *refusals.entry(kind).or_insert(0_u32) += 1;
    }
    println!("{} steps of {AGENTS} agents on {WORKERS} worker threads; would have been refused:", recorded.len());
    for (kind, count) in refusals {
        println!("  {kind:<20} {count:>5}");
    }
    println!("\n{:<10} {:>6} {:>10} {:>12}", "tenant", "steps", "tokens", "cost");
    for usage in TENANTS.iter().filter_map(|tenant| enforcer.tenant_usage(tenant)) {
        let cost = NanoUsd::new(usage.cost_nano_usd).unwrap_or(NanoUsd::MAX);
        println!("{:<10} {:>6} {:>10} {:>12}", usage.tenant_id, usage.steps, usage.total_tokens, cost.to_string());
    }
}

/// One JSON object a line, in sequence order.
fn lines(recorded: &[Record]) -> String {
    let amounts = |(input, output, cost): (u64, u64, u64)| json!({ "input_tokens": input, "output_tokens": output, "cost_nano_usd": cost });
    let line = |(number, record): (usize, &Record)| {
        let event = json!({
            "seq": number + 1,
            "time_ns": record.time.as_nanos(),
            "tenant": record.tenant,
            "execution": record.execution,
            "step": record.step,
            "kind": "step",
            "provider": "simulated",
            "model": "simulated-1",
            "asked": amounts(record.asked),
            "used": amounts(record.used),
            "action": format!("{:016x}", record.action),
        });
        format!("{event}\n")
    };
    recorded.iter().enumerate().map(line).collect()
}

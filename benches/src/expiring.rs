//! What it costs to carry out limits of time although nobody asks.

use std::time::Duration;

use enforce_core::{Enforcer, Execution, LongRunningExecutionPolicy, ResourceLimits, Timestamp};

use crate::rounds::now;

/// How often each execution is touched within its timeout.
const TOUCHES: u64 = 3;

/// What expiry took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// The first call, which looks at everyone.
    pub first: Duration,
    /// On average over all seconds, as a part of one core.
    pub share: f64,
    /// At most.
    pub longest: Duration,
    /// How many executions were halted: they were never touched.
    pub halted: usize,
}

/// So many live executions with a wall time of a day and this idle timeout, of which one in `1,000` is never touched and
/// the others are, all the time; expired once a second of the caller's clock for two timeouts.
#[expect(clippy::expect_used, reason = "limits that are known to be valid, and ids that are free")]
pub fn each_second(live: u64, timeout: u64) -> Spent {
    let limits = ResourceLimits { max_wall_time_ms: 86_400_000, ..ResourceLimits::unlimited() };
    let idle =
        LongRunningExecutionPolicy { idle_timeout_seconds: Some(timeout), ..LongRunningExecutionPolicy::disabled() };
    let enforcer = Enforcer::builder().limits(limits).long_running(idle).build().expect("valid limits");
    let start = enforcer.clock().now();
    let after = |nanos: u64| Timestamp::from_nanos(start.as_nanos() + nanos);
    let every = (timeout / TOUCHES).max(1);
    // They come one after another within a third of the timeout, and go on in that rhythm.
    let begins = |number: u64| number * (every * 1_000_000_000) / live;
    let runs: Vec<Execution> = (0..live)
        .map(|number| {
            let tenant = format!("tenant_{}", number % 1_000);
            enforcer.execution(format!("exec_{number}"), tenant).register_at(after(begins(number))).expect("a free id")
        })
        .collect();
    let begun = now();
    let mut halted = enforcer.expire_at(start).executions.len();
    let first = begun.elapsed();
    let (mut whole, mut longest) = (Duration::ZERO, Duration::ZERO);
    for second in 1..=2 * timeout {
        let phase = second % every;
        for number in live * phase / every..live * (phase + 1) / every {
            if number % 1_000 != 0
                && let Some(run) = runs.get(usize::try_from(number).unwrap_or(usize::MAX))
            {
                let _barred = run.touch_at(after(second * 1_000_000_000 + begins(number) % 1_000_000_000)).is_err();
            }
        }
        let begun = now();
        halted += enforcer.expire_at(after((second + 1) * 1_000_000_000)).executions.len();
        let took = begun.elapsed();
        whole += took;
        longest = longest.max(took);
    }
    Spent { first, share: whole.as_secs_f64() / (2 * timeout) as f64, longest, halted }
}

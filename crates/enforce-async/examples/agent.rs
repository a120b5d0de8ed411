//! An agent that never stops by itself: halted in the middle of a model call, stopped at the end of its time, and cut off
//! at its budget in the middle of an answer. Nothing is left behind each time, and what was used is known to the unit.
//!
//! Time is tokio's, paused, so that it takes no time and prints the same each time: leave out `start_paused` and
//! `TokioClock` and it takes a minute and a half.
//!
//! `cargo run -p enforce-async --example agent`

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use enforce_async::{
    Actual, Cause, Clock, Demand, EnforcementViolation, Enforcer, Execution, ExecutionExt, Flow, Metered, OnDrop,
    ResourceLimits, Stopped, Stream, TokioClock, ViolationType, drive,
};
use tokio::time::sleep;

/// One call of a model after another, for ever. Dropped anywhere, it leaves its hold to its policy: what was sent is paid
/// for, what was not answered is not.
async fn agent(run: &Execution) -> Result<(), EnforcementViolation> {
    let demand = Demand::step().tokens(1_200, 800).on_drop(OnDrop::ChargeInput);
    loop {
        let hold = run.acquire(demand).await?;
        sleep(Duration::from_secs(3)).await; // the model thinks
        hold.settle(Actual::tokens(1_200, 450));
    }
}

/// An answer, word by word.
struct Words(std::str::SplitWhitespace<'static>);

impl Stream for Words {
    type Item = &'static str;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<&'static str>> {
        Poll::Ready(self.0.next())
    }
}

/// Ends it, and tells what it has used.
fn tell(what: &str, run: &Execution) {
    let usage = run.finish();
    let (steps, tokens, held) = (usage.steps, usage.total_tokens, usage.outstanding.tokens);
    println!("{what}: {steps} steps, {tokens} tokens, {held} still held");
}

fn stopped<T>(ended: Result<T, Stopped>) -> String {
    ended.err().map(|stopped| stopped.to_string()).unwrap_or_default()
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits = ResourceLimits { max_wall_time_ms: 60_000, max_tokens: 100_000, ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).clock(Clock::custom(TokioClock::new())).build()?;
    let _driven = drive(&enforcer);

    // Somebody halts it in the middle of its third call.
    let run = enforcer.execution("exec_halted", "tenant_acme").register()?;
    let supervisor = {
        let run = run.clone();
        async move {
            sleep(Duration::from_secs(7)).await;
            run.halt(Cause::own(ViolationType::Requested));
        }
    };
    let (ended, ()) = tokio::join!(run.run(agent(&run)), supervisor);
    tell(&stopped(ended), &run);

    // Nobody does, and its wall time ends.
    let run = enforcer.execution("exec_late", "tenant_acme").register()?;
    tell(&stopped(run.run(agent(&run)).await), &run);

    // It answers at length, and has twelve tokens left for that.
    let few = ResourceLimits { max_tokens: 42, ..ResourceLimits::unlimited() };
    let run = enforcer.execution("exec_talks", "tenant_acme").limits(few).register()?;
    let hold = run.acquire(Demand::step().tokens(30, 4)).await?; // the question, and the first words
    let words =
        Words("a limit that is told to you only after you have passed it is no limit but a bill".split_whitespace());
    let mut answer = pin!(Metered::new(hold, words, 4, |_: &&str| 1).input(30).room(4));
    let mut text = Vec::new();
    while let Some(item) = poll_fn(|cx| answer.as_mut().poll_next(cx)).await {
        match item {
            Flow::Chunk(word) => text.push(word),
            Flow::Warning(near) => println!("near its end: {near}"),
            Flow::Ended(ended) => println!("{:?}, then {}", text.join(" "), ended.refused),
            _ => {}
        }
    }
    tell("cut off", &run);

    // A task that hangs with a hold in its hand gives it back all the same.
    let run = enforcer.execution("exec_hangs", "tenant_acme").register()?;
    let deadline = run.clock().now().saturating_add(Duration::from_secs(20));
    std::mem::forget(run.acquire(Demand::step().tokens(1_200, 800)).await?.with_deadline(deadline)?);
    sleep(Duration::from_secs(21)).await;
    tell("hung", &run);
    Ok(())
}

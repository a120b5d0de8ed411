//! Every future is dropped after each of its polls: nothing stays set aside, nobody stands in its way, and those beside it
//! are served in their order.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use enforce_async::{
    Approval, Demand, EnforcementViolation, Enforcer, Execution, ExecutionExt, Gate, GateLayer, Metered, OnDrop,
    OwnedHold, ProviderKey, RateLimit, RateOn, RatePeriod, RateUnit, StepId, StepTimeoutExt, StepTimeoutGuard, Stream,
    shutdown,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;
use tower_service::Service;

use crate::common::{ByHand, REQUESTED, SECOND, builder, of, register, tokens};

/// An execution of ten tokens, all of them held, and a provider that has no room for another request for a while.
#[derive(Clone)]
struct World {
    run: Execution,
    provider: ProviderKey,
    enforcer: Enforcer,
}

type Victim = Pin<Box<dyn Future<Output = ()>>>;

impl World {
    fn new() -> Self {
        let (on, unit, per) = (RateOn::Provider, RateUnit::Requests, RatePeriod::Minute);
        let limit = RateLimit { on, name: None, unit, limit: 20, per, burst: Some(1) };
        let enforcer = builder().limits(tokens(10)).rate(limit).build().unwrap();
        let provider = enforcer.provider("provider").unwrap();
        Self { run: register(&enforcer, "exec"), provider, enforcer }
    }
}

/// How long the world takes.
const STEPS: u64 = 40;

/// Runs the world with a victim between two waiters, which is dropped after `polls` polls. How often it was polled.
async fn drop_after(polls: u64, victim: fn(World) -> Victim) -> u64 {
    let world = World::new();
    let run = &world.run;
    let mut held = Some(run.reserve_owned(of(10).provider(world.provider)).unwrap());
    let (served, mut order) = mpsc::unbounded_channel();
    let beside = |number: u64| {
        let (run, served) = (run.clone(), served.clone());
        tokio::spawn(async move {
            let hold = run.acquire(of(6)).await.unwrap();
            served.send(number).unwrap();
            sleep(2 * SECOND).await;
            drop(hold);
        })
    };
    let before = beside(0);
    sleep(SECOND / 2).await;
    let mut future = Some(ByHand::new(victim(world.clone())));
    let mut polled = 0;
    let mut poll = |future: &mut Option<ByHand<'_, ()>>| {
        if polled == polls {
            *future = None;
        } else if let Some(by_hand) = future {
            polled += 1;
            if by_hand.poll().is_some() {
                *future = None;
            }
        }
    };
    poll(&mut future);
    let behind = beside(1);
    for step in 0..STEPS {
        match step {
            5 => drop(run.pause("look at it")),
            10 => drop(run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap()),
            15 => drop(held.take()),
            _ => {}
        }
        sleep(SECOND / 2).await;
        poll(&mut future);
    }
    drop(future);
    before.await.unwrap();
    behind.await.unwrap();
    assert_eq!((order.recv().await, order.recv().await), (Some(0), Some(1)), "dropped after {polls} polls");
    let outstanding = run.snapshot().outstanding;
    assert!(outstanding.is_zero(), "dropped after {polls} polls: {outstanding:?}");
    assert_eq!((world.enforcer.waiting_count(), run.waiting_count()), (0, 0), "dropped after {polls} polls");
    let left = 10 - run.snapshot().total_tokens;
    assert!(run.reserve(of(left)).is_ok(), "dropped after {polls} polls: nobody is in line");
    polled
}

async fn dropped_after_each_poll(victim: fn(World) -> Victim) {
    let mut polls = 0;
    // One that was not dropped before its end was polled less often than it might have been.
    while drop_after(polls, victim).await == polls {
        polls += 1;
    }
    assert!(polls > 1, "it has to wait");
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_waits() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let hold = world.run.acquire(of(6)).await.unwrap();
            sleep(SECOND).await;
            drop(hold);
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_waits_for_so_long() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            assert!(world.run.acquire(of(6)).within(6 * SECOND).await.is_err());
            drop(world.run.acquire(of(6)).within(60 * SECOND).await.unwrap());
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_goes_from_a_rate_to_a_budget() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let (run, provider) = (world.run, world.provider);
            drop(run.acquire(Demand::none().provider(provider)).await.unwrap());
            drop(run.acquire(of(10).provider(provider)).await.unwrap());
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn work_that_runs() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let run = world.run.clone();
            let work = async {
                let hold = run.acquire(of(6).on_drop(OnDrop::GiveBack)).await.unwrap();
                sleep(SECOND).await;
                drop(hold);
            };
            world.run.run(work).await.unwrap();
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_state() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            sleep(4 * SECOND).await;
            world.run.resumed().await;
            let _never = world.run.halted().await;
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_may_take_so_long() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let guard = StepTimeoutGuard::new(StepId::new(), Duration::from_secs(5));
            assert!(guard.limit(world.run.acquire(of(6))).await.is_err());
        })
    })
    .await;
}

/// A chunk of one token every half second, four of them.
struct Chunks(u64, Pin<Box<tokio::time::Sleep>>);

impl Stream for Chunks {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<u64>> {
        std::task::ready!(self.1.as_mut().poll(cx));
        let next = tokio::time::Instant::now() + SECOND / 2;
        self.1.as_mut().reset(next);
        self.0 += 1;
        Poll::Ready((self.0 <= 4).then_some(1))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_flows() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let hold = world.run.acquire(of(4)).await.unwrap();
            let chunks = Chunks(0, Box::pin(sleep(SECOND / 2)));
            let mut stream = std::pin::pin!(Metered::new(hold, chunks, 1, |tokens: &u64| *tokens).room(4));
            while std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await.is_some() {}
        })
    })
    .await;
}

/// A service that takes a second, and a gate before it at which each request asks six tokens and waits for them.
#[derive(Clone)]
struct Slow;

#[derive(Clone)]
struct Six(Execution);

impl Service<()> for Slow {
    type Response = bool;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<bool, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        Box::pin(async {
            sleep(SECOND).await;
            Ok(true)
        })
    }
}

impl Gate<(), bool> for Six {
    fn ask(&self, (): &mut ()) -> Result<(Execution, Demand), EnforcementViolation> {
        Ok((self.0.clone(), of(6)))
    }

    fn settle(&self, hold: OwnedHold, served: bool) -> bool {
        drop(hold);
        served
    }

    fn refuse(&self, _: EnforcementViolation) -> bool {
        false
    }

    fn within(&self, (): &()) -> Duration {
        60 * SECOND
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_at_a_gate() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let mut service = GateLayer::new(Six(world.run)).layer(Slow);
            poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
            assert_eq!(service.call(()).await, Ok(true));
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_cancels_a_token_when_it_is_over() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let token = CancellationToken::new();
            _ = world.run.cancel_when_over(token).await;
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_brings_everything_to_an_end_in_its_grace() {
    dropped_after_each_poll(|world| Box::pin(async move { _ = shutdown(&world.enforcer, 60 * SECOND).await })).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_everything() {
    dropped_after_each_poll(|world| {
        Box::pin(async move {
            let other = register(&world.enforcer, "other");
            let hold = other.reserve_owned(of(6)).unwrap();
            other.finish();
            // It has ended, and its hold is not waited for; the other one runs.
            world.enforcer.drain().await;
            drop(hold);
        })
    })
    .await;
}

/// Who waits for the holds of what was halted is dropped after each of its polls, and another who does is called.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_last_holds() {
    for polls in 0..4 {
        let enforcer = builder().limits(tokens(10)).build().unwrap();
        let run = register(&enforcer, "exec");
        let holds = [3, 4].map(|amount| run.reserve_owned(of(amount)).unwrap());
        let mut victim = ByHand::new(shutdown(&enforcer, SECOND / 2).settle_within(60 * SECOND));
        let mut beside = ByHand::new(enforcer.drain());
        assert!(beside.poll().is_none());
        for _ in 0..polls {
            assert!(victim.poll().is_none(), "dropped after {polls} polls");
            sleep(SECOND).await;
        }
        drop(victim);
        run.halt(REQUESTED);
        assert!(beside.poll().is_none());
        for hold in holds {
            assert!(beside.poll().is_none());
            beside.bell.rung();
            drop(hold);
            assert_eq!(beside.bell.rung(), 1, "dropped after {polls} polls");
        }
        assert!(beside.poll().is_some(), "dropped after {polls} polls");
    }
}

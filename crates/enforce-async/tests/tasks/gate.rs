//! The tower layer: asked before, settled after, given back whatever happens in between.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use enforce_async::{
    Actual, Cause, Clock, Demand, EnforcementViolation, Enforcer, Execution, Gate, GateLayer, GateService, OwnedHold,
    ResourceLimits, ViolationType,
};
use tokio::time::{Instant, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::common::since_noon;

const SECOND: Duration = Duration::from_secs(1);

/// What the service inside does with a request.
#[derive(Debug, Clone, Copy)]
enum Request {
    /// Answers with so many tokens.
    Answer(u64),
    Fail,
    Hang,
    /// Answers after so many seconds, and may wait as long.
    Slow(u64),
}

type Response = Result<u64, ViolationType>;

/// Ready once it was asked, and not in a clone.
#[derive(Default)]
struct Inner {
    ready: bool,
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request> for Inner {
    type Response = Response;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Response, &'static str>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        match request {
            Request::Answer(tokens) => Box::pin(ready(Ok(Ok(tokens)))),
            Request::Fail => Box::pin(ready(Err("failed"))),
            Request::Hang => Box::pin(pending()),
            Request::Slow(seconds) => Box::pin(async move {
                sleep(Duration::from_secs(seconds)).await;
                Ok(Ok(1))
            }),
        }
    }
}

/// Every request may use ten tokens.
#[derive(Clone)]
struct Ten(Execution);

impl Gate<Request, Response> for Ten {
    fn ask(&self, _: &mut Request) -> Result<(Execution, Demand), EnforcementViolation> {
        Ok((self.0.clone(), Demand::step().tokens(0, 10)))
    }

    fn settle(&self, hold: OwnedHold, response: Response) -> Response {
        hold.settle(Actual::tokens(0, response.unwrap_or(0)));
        response
    }

    fn refuse(&self, violation: EnforcementViolation) -> Response {
        Err(violation.violation_type)
    }

    fn within(&self, request: &Request) -> Duration {
        if let Request::Slow(seconds) = request { Duration::from_secs(*seconds) } else { Duration::ZERO }
    }
}

type Gated = GateService<Inner, Ten>;

fn world(max_tokens: u64) -> (Execution, Gated) {
    let limits = ResourceLimits { max_tokens, max_wall_time_ms: 60_000, ..ResourceLimits::unlimited() };
    let clock = Clock::custom(since_noon());
    let enforcer = Enforcer::builder().limits(limits).clock(clock).build().unwrap();
    let run = enforcer.execution("exec", "tenant").register().unwrap();
    (run.clone(), GateLayer::new(Ten(run)).layer(Inner::default()))
}

async fn send(service: &mut Gated, request: Request) -> Result<Response, &'static str> {
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(request).await
}

/// Used and outstanding tokens.
fn used(run: &Execution) -> (u64, u64) {
    (run.snapshot().total_tokens, run.snapshot().outstanding.tokens)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_settled_from_its_response() {
    let (run, mut service) = world(100);
    assert_eq!(send(&mut service, Request::Answer(7)).await, Ok(Ok(7)));
    assert_eq!(used(&run), (7, 0));
    assert_eq!(send(&mut service, Request::Answer(12)).await, Ok(Ok(12)));
    assert_eq!(used(&run), (19, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_fit_never_reaches_the_service_inside() {
    let (run, mut service) = world(9);
    assert_eq!(send(&mut service, Request::Fail).await, Ok(Err(ViolationType::TokenLimit)));
    assert_eq!(used(&run), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_inside_gives_back() {
    let (run, mut service) = world(100);
    assert_eq!(send(&mut service, Request::Fail).await, Err("failed"));
    assert_eq!(used(&run), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_gives_back_wherever_it_was() {
    let (run, mut service) = world(10);
    let mut cx = Context::from_waker(Waker::noop());
    for polls in 0..3 {
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        let mut served = Box::pin(service.call(Request::Hang));
        for _ in 0..polls {
            assert!(served.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(used(&run).1, if polls > 0 { 10 } else { 0 });
        drop(served);
        assert_eq!((used(&run), run.waiting_count()), ((0, 0), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn f1_requests_wait_their_turn_for_as_long_as_they_may() {
    let (run, mut service) = world(10);
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        let served = service.call(Request::Slow(2));
        tasks.push(tokio::spawn(async move { (served.await.unwrap(), begun.elapsed()) }));
        tokio::task::yield_now().await;
    }
    let mut ended = Vec::new();
    for task in tasks {
        ended.push(task.await.unwrap());
    }
    assert_eq!(ended[0], (Ok(1), 2 * SECOND));
    // The tokens of the first that was served are gone, and ten no longer fit.
    let refused = Err(ViolationType::TokenLimit);
    assert_eq!(ended[1..], [(refused, 2 * SECOND); 3]);
    assert_eq!((used(&run), run.waiting_count()), ((1, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_is_served_when_there_is_room() {
    let (run, mut service) = world(10);
    let held = run.reserve_owned(Demand::none().tokens(10, 0)).unwrap();
    let begun = Instant::now();
    let release = async {
        sleep(SECOND).await;
        drop(held);
    };
    let (served, ()) = tokio::join!(send(&mut service, Request::Slow(5)), release);
    assert_eq!((served, begun.elapsed()), (Ok(Ok(1)), 6 * SECOND));
    assert_eq!(used(&run), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_halt_drops_the_request_in_the_middle() {
    let (run, mut service) = world(100);
    let halt = async {
        sleep(SECOND).await;
        run.halt(Cause::own(ViolationType::Requested));
    };
    let (served, ()) = tokio::join!(send(&mut service, Request::Hang), halt);
    assert_eq!((served, used(&run)), (Ok(Err(ViolationType::Halted)), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_wall_time_does_too() {
    let (run, mut service) = world(100);
    let begun = Instant::now();
    assert_eq!(send(&mut service, Request::Hang).await, Ok(Err(ViolationType::Halted)));
    assert_eq!((begun.elapsed(), used(&run)), (61 * SECOND, (0, 0)));
}

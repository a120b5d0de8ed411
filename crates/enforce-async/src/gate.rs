//! A tower layer: every request asks before it is served, and is settled behind it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use enforce_core::{Demand, EnforcementViolation, Execution, OwnedHold};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::acquire::Acquire;
use crate::run::Run;

/// What requests ask for, and what their responses have used.
pub trait Gate<Request, Response> {
    /// Whose request it is and the most that it may use. The execution says the tenant; the demand names provider and
    /// model. A service that knows no executions registers one for each request, and puts its
    /// [`finish_on_drop`](Execution::finish_on_drop) into the request.
    ///
    /// # Errors
    /// Why it is not served, as whoever has refused it says.
    fn ask(&self, request: &mut Request) -> Result<(Execution, Demand), EnforcementViolation>;

    /// Ends the hold of a request that was served: settles it with what `response` says that it has used, or lets it go
    /// into a body that still flows ([`Metered`](crate::Metered)). Dropped, it ends by its policy.
    fn settle(&self, hold: OwnedHold, response: Response) -> Response;

    /// The response of a request that was not admitted, or whose execution was stopped while it was served.
    fn refuse(&self, violation: EnforcementViolation) -> Response;

    /// How long a request may wait for room. Default: not at all.
    fn within(&self, request: &Request) -> Duration {
        let _any = request;
        Duration::ZERO
    }
}

/// Puts a [`Gate`] before a service.
#[derive(Debug, Clone)]
pub struct GateLayer<G>(G);

impl<G> GateLayer<G> {
    /// A layer of this gate.
    pub const fn new(gate: G) -> Self {
        Self(gate)
    }
}

impl<S, G: Clone> Layer<S> for GateLayer<G> {
    type Service = GateService<S, G>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService { inner, gate: self.0.clone() }
    }
}

/// A service behind a [`Gate`].
///
/// A request is admitted first, in line if it may wait, and only then given to the service inside. Its hold is settled from
/// the response. An error of the service inside, a caller that goes away and a panic drop the hold, which then ends by its
/// policy ([`Demand::on_drop`]). When the execution is halted, has ended, or its time is over, the request is dropped in the
/// middle and answered with [`Gate::refuse`], as [`ExecutionExt::run`](crate::ExecutionExt::run) would.
///
/// It is ready when the service inside is. What made that ready (a permit, a connection) stays with the request while it
/// waits, so a service inside that is scarce should not let requests wait long.
///
/// ```
/// use std::future::{Ready, ready};
/// use std::task::{Context, Poll};
/// use enforce_async::{
///     Actual, Demand, EnforcementViolation, Enforcer, Execution, Gate, GateLayer, OwnedHold, ResourceLimits,
/// };
/// use tower_layer::Layer;
/// use tower_service::Service;
///
/// /// Answers with as many words as it was asked for.
/// struct Model;
///
/// impl Service<u64> for Model {
///     type Response = Result<u64, String>;
///     type Error = std::convert::Infallible;
///     type Future = Ready<Result<Self::Response, Self::Error>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, words: u64) -> Self::Future {
///         ready(Ok(Ok(words)))
///     }
/// }
/// # impl Clone for Model { fn clone(&self) -> Self { Self } }
///
/// #[derive(Clone)]
/// struct Tokens(Execution);
///
/// impl Gate<u64, Result<u64, String>> for Tokens {
///     fn ask(&self, words: &mut u64) -> Result<(Execution, Demand), EnforcementViolation> {
///         Ok((self.0.clone(), Demand::step().tokens(1, *words)))
///     }
///
///     fn settle(&self, hold: OwnedHold, response: Result<u64, String>) -> Result<u64, String> {
///         hold.settle(Actual::tokens(1, *response.as_ref().unwrap_or(&0)));
///         response
///     }
///
///     fn refuse(&self, violation: EnforcementViolation) -> Result<u64, String> {
///         Err(violation.to_string())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limits = ResourceLimits { max_tokens: 100, ..ResourceLimits::unlimited() };
/// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_acme").register()?;
/// let mut service = GateLayer::new(Tokens(run)).layer(Model);
/// std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
/// assert_eq!(service.call(60).await?, Ok(60));
/// assert_eq!(service.call(60).await?, Err("token_limit exceeded: 122 / 100 (122%)".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GateService<S, G> {
    inner: S,
    gate: G,
}

impl<Request, S, G> Service<Request> for GateService<S, G>
where
    S: Service<Request> + Clone,
    G: Gate<Request, S::Response> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = GateFuture<S, G, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let state = match self.gate.ask(&mut request) {
            Err(violation) => State::Refused { violation },
            Ok((execution, demand)) => {
                let acquire = Acquire::new(execution.clone(), demand).within(self.gate.within(&request));
                // The one that was made ready serves it; a clone of it is not ready yet.
                let next = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, next);
                State::Waiting { acquire, execution, served: Some((inner, request)) }
            }
        };
        GateFuture { gate: self.gate.clone(), state }
    }
}

pin_project! {
    /// A request on its way through a [`Gate`].
    ///
    /// **Cancel safety.** Dropped while it waits, it leaves the line; dropped later, its hold ends by its policy.
    #[must_use = "nothing is asked until it is awaited"]
    pub struct GateFuture<S: Service<Request>, G, Request> {
        gate: G,
        #[pin]
        state: State<S, Request>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<S: Service<Request>, Request> {
        Refused { violation: EnforcementViolation },
        Waiting { acquire: Acquire<Execution>, execution: Execution, served: Option<(S, Request)> },
        Served { #[pin] running: Run<S::Future>, hold: Option<OwnedHold> },
        Done,
    }
}

impl<S, G, Request> Future for GateFuture<S, G, Request>
where
    S: Service<Request>,
    G: Gate<Request, S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let refused = match this.state.as_mut().project() {
                StateProjected::Waiting { acquire, execution, served } => {
                    match (ready!(Pin::new(acquire).poll(cx)), served.take()) {
                        (Ok(hold), Some((mut service, request))) => {
                            let running = Run::new(execution, service.call(request));
                            this.state.set(State::Served { running, hold: Some(hold) });
                            continue;
                        }
                        (Err(violation), _) => violation,
                        // Only a request that was served has been taken.
                        (Ok(_), None) => return Poll::Pending,
                    }
                }
                StateProjected::Served { running, hold } => match (ready!(running.poll(cx)), hold.take()) {
                    (Ok(Ok(response)), Some(hold)) => {
                        this.state.set(State::Done);
                        return Poll::Ready(Ok(this.gate.settle(hold, response)));
                    }
                    (Ok(answered), hold) => {
                        drop(hold);
                        this.state.set(State::Done);
                        return Poll::Ready(answered);
                    }
                    (Err(stopped), hold) => {
                        drop(hold);
                        stopped.violation()
                    }
                },
                StateProjected::Refused { violation } => *violation,
                StateProjected::Done => return Poll::Pending,
            };
            this.state.set(State::Done);
            return Poll::Ready(Ok(this.gate.refuse(refused)));
        }
    }
}

impl<S: Service<Request>, G, Request> fmt::Debug for GateFuture<S, G, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Refused { .. } => "refused",
            State::Waiting { .. } => "waiting",
            State::Served { .. } => "served",
            State::Done => "done",
        };
        f.debug_struct("GateFuture").field("state", &state).finish_non_exhaustive()
    }
}

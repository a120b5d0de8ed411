//! Events as a stream, for as many as want to hear of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use enforce_core::{Event, EventSink};
use futures_core::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// The most events that are kept for those who are slow.
const MOST: usize = 1 << 20;

/// A sink that hands every event to everybody who has subscribed, and waits for none of them. Clones are the same sink.
///
/// An event is kept until every subscriber has had it or `capacity` later ones have come; who is slower than that misses
/// the oldest and is told how many ([`EventLag`]). Emitting takes one short lock of tokio's, in the thread of whichever caller
/// of the enforcer tells ([`EventSink`]); no step waits for it.
///
/// ```
/// use enforce_async::{Demand, Enforcer, EventBroadcast, EventKind, EventLag, ResourceLimits};
/// use std::{future::poll_fn, pin::Pin};
/// use enforce_async::Stream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let events = EventBroadcast::new(1_024);
/// let mut heard = events.subscribe();
/// let enforcer = Enforcer::builder().limits(ResourceLimits::unlimited()).events(events).build()?;
/// enforcer.execution("exec_1", "tenant_a").register()?;
///
/// match poll_fn(|context| Pin::new(&mut heard).poll_next(context)).await {
///     Some(Ok(event)) => assert!(matches!(event.kind, EventKind::Registered { .. })),
///     Some(Err(EventLag { missed, .. })) => eprintln!("{missed} events were missed"),
///     None => eprintln!("the enforcer is gone"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EventBroadcast(broadcast::Sender<Event>);

/// What one subscriber hears: every event since it has subscribed, in the order of their numbers, or how many it has missed.
/// It ends when the sink, and so the enforcer that has it, is gone and everything has been heard.
///
/// Cancel safe: who drops it or stops polling it keeps nobody waiting.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct EventStream(BroadcastStream<Event>);

/// A subscriber was slower than the capacity of its [`EventBroadcast`]: the oldest events that it had not heard are gone. It
/// goes on with the oldest that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventLag {
    /// How many it has missed.
    pub missed: u64,
}

impl EventBroadcast {
    /// One that keeps `capacity` events for those who are slow: at least 1 and at most 2^20, rounded up to a power of two. The
    /// room for them is taken at once.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.clamp(1, MOST)))
    }

    /// What is told from now on.
    pub fn subscribe(&self) -> EventStream {
        EventStream(BroadcastStream::new(self.0.subscribe()))
    }
}

impl EventSink for EventBroadcast {
    fn emit(&self, event: &Event) {
        if self.0.receiver_count() > 0 {
            // An error says that the last subscriber has just left.
            let _nobody = self.0.send(event.clone());
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Event, EventLag>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|next| next.map(|heard| heard.map_err(|BroadcastStreamRecvError::Lagged(missed)| EventLag { missed })))
    }
}

impl std::fmt::Display for EventLag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events were missed: read faster, or keep more of them (EventBroadcast::new)", self.missed)
    }
}

impl std::error::Error for EventLag {}

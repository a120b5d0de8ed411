//! Connections: accepted, bounded, and brought to an end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The largest head of a request, in bytes; one that is not whole by then is answered with 431.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// The most fields in a head.
const MAX_FIELDS: usize = 100;
/// How long a head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Before the next try where no connection could be accepted: no file descriptor is left, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections that are open behind the end of [`accept`].
pub(crate) struct Connections(JoinSet<()>);

impl Connections {
    /// Waits until all have ended by themselves.
    pub(crate) async fn ended(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Drops those that are left.
    pub(crate) async fn abort(mut self) {
        self.0.shutdown().await;
    }
}

/// Serves whoever connects until `stop`, at most `max` at a time. Then nobody new is let in, and who is there may finish
/// what it has begun.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    max: usize,
    stop: impl Future<Output = ()>,
) -> Connections {
    let mut open = JoinSet::new();
    let (stopping, stopped) = watch::channel(());
    let slots = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = open.join_next() => {}
            (slot, stream) = next(&listener, &slots) => {
                drop(open.spawn(serve(stream, router.clone(), stopped.clone(), slot)));
            }
        }
    }
    drop(stopping);
    Connections(open)
}

/// The next connection, and its slot.
async fn next(listener: &TcpListener, slots: &Arc<Semaphore>) -> (Option<OwnedSemaphorePermit>, TcpStream) {
    // Never closed, so there is always one.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (slot, stream),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<()>,
    _slot: Option<OwnedSemaphorePermit>,
) {
    // Small events are to leave at once; where that cannot be, they leave later.
    let _immediate = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_FIELDS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let stop = async {
        let _gone = stopped.changed().await;
    };
    // How a connection ends is its client's affair: what it had begun is settled either way.
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

/// Serves `router` until it is dropped.
pub(crate) async fn serve_for_ever(listener: TcpListener, router: Router, max: usize) -> Infallible {
    accept(listener, router, max, std::future::pending()).await.ended().await;
    std::future::pending().await
}

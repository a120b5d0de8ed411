//! A cancellation token that is cancelled with its execution.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use enforce_core::Execution;
use tokio_util::sync::CancellationToken;

use crate::leash::{Leash, Stopped};

/// Cancels `token` when `execution` is over; `None` if something else has cancelled it.
pub(crate) fn cancel_when_over(
    execution: &Execution,
    token: CancellationToken,
) -> impl Future<Output = Option<Stopped>> + Send + use<> + 'static {
    let mut leash = Leash::of(execution);
    async move {
        let mut cancelled = pin!(token.clone().cancelled_owned());
        poll_fn(|cx| match leash.poll(cx) {
            Poll::Ready(stopped) => {
                token.cancel();
                Poll::Ready(Some(stopped))
            }
            Poll::Pending => cancelled.as_mut().poll(cx).map(|()| None),
        })
        .await
    }
}

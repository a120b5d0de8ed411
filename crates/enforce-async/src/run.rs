//! Work that ends with its execution.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use enforce_core::Execution;
use pin_project_lite::pin_project;

use crate::leash::{Leash, Stopped};

pin_project! {
    /// A future that ends with its execution: [`ExecutionExt::run`](crate::ExecutionExt::run).
    ///
    /// **Cancel safety.** Dropping it drops the future inside.
    #[must_use = "nothing runs until it is awaited"]
    pub struct Run<F> {
        #[pin]
        future: Option<F>,
        leash: Leash,
    }
}

impl<F: Future> Run<F> {
    pub(crate) fn new(execution: &Execution, future: F) -> Self {
        Self { future: Some(future), leash: Leash::of(execution) }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Stopped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Before the future is polled: whoever was told that the execution is halted sees no poll begin behind it (E1).
        if let Poll::Ready(stopped) = this.leash.poll(cx) {
            this.future.set(None);
            return Poll::Ready(Err(stopped));
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        match future.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(output) => {
                this.future.set(None);
                Poll::Ready(Ok(output))
            }
        }
    }
}

impl<F> std::fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("leash", &self.leash).finish_non_exhaustive()
    }
}

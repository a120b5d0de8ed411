//! One step that may take so long.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use enforce_core::{ExecutionError, StepTimeoutGuard};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

/// What a [`StepTimeoutGuard`] can do for a future.
pub trait StepTimeoutExt {
    /// The future, for as long as the guard says is left, counted by tokio's clock from here; it is dropped then. A result
    /// that is there in time is never lost: the future is polled first.
    ///
    /// **Cancel safety.** Dropping it drops the future inside.
    ///
    /// # Errors
    /// A timeout of the step, as [`StepTimeoutGuard::check`] makes it.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_async::{ExecutionErrorCategory, StepId, StepTimeoutExt, StepTimeoutGuard};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let guard = StepTimeoutGuard::new(StepId::new(), Duration::from_secs(30));
    /// let hung = guard.limit(std::future::pending::<()>()).await;
    /// assert_eq!(hung.unwrap_err().category, ExecutionErrorCategory::Timeout);
    /// # }
    /// ```
    fn limit<F: Future>(self, future: F) -> StepTimeout<F>;
}

impl StepTimeoutExt for StepTimeoutGuard {
    fn limit<F: Future>(self, future: F) -> StepTimeout<F> {
        StepTimeout { future: Some(future), sleep: tokio::time::sleep(self.remaining()), guard: self }
    }
}

pin_project! {
    /// A future that may take so long: [`StepTimeoutExt::limit`].
    #[must_use = "nothing runs until it is awaited"]
    pub struct StepTimeout<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        sleep: Sleep,
        guard: StepTimeoutGuard,
    }
}

impl<F: Future> Future for StepTimeout<F> {
    type Output = Result<F::Output, ExecutionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let ended = match future.poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                ready!(this.sleep.poll(cx));
                Err(this.guard.error())
            }
        };
        this.future.set(None);
        Poll::Ready(ended)
    }
}

impl<F> fmt::Debug for StepTimeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepTimeout").field("guard", &self.guard).finish_non_exhaustive()
    }
}

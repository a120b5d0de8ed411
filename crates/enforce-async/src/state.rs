//! Waiting for a state of an execution.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use enforce_core::{Status, Watch};

use crate::alarm::Alarm;

/// Waits until an execution is halted or has ended: [`ExecutionExt::halted`](crate::ExecutionExt::halted).
///
/// **Cancel safety.** It changes nothing and may be dropped at any point.
#[derive(Debug)]
#[must_use = "it waits only while it is awaited"]
pub struct Halted(pub(crate) Watch);

impl Future for Halted {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Status> {
        match self.0.look(cx.waker()) {
            status if is_over(status) => Poll::Ready(status),
            _ => Poll::Pending,
        }
    }
}

/// Waits until an execution is not paused: [`ExecutionExt::resumed`](crate::ExecutionExt::resumed).
///
/// **Cancel safety.** It may be dropped at any point: nothing is changed by that.
#[derive(Debug)]
#[must_use = "it waits only while it is awaited"]
pub struct Resumed {
    watch: Watch,
    /// A pause that ends by itself calls nobody.
    alarm: Alarm,
}

impl Resumed {
    pub(crate) fn new(watch: Watch) -> Self {
        Self { watch, alarm: Alarm::default() }
    }
}

impl Future for Resumed {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Status> {
        let Self { watch, alarm } = &mut *self;
        loop {
            let now = watch.execution().clock().now();
            match watch.look_at(cx.waker(), now) {
                Status::Paused(_) => ready!(alarm.poll(cx, watch.wake_at(), || now)),
                status => return Poll::Ready(status),
            }
        }
    }
}

fn is_over(status: Status) -> bool {
    matches!(status, Status::Halted(_) | Status::Finished(_))
}

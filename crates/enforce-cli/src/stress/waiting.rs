//! Operations on demands that wait in line. They are polled and never parked, so no thread stands still for another.

use std::sync::Arc;
use std::task::{Poll, Waker};

use enforce_core::Waiting;

use super::hold::Held;
use super::node::Node;
use super::protocol::Protocol;
use super::wish::Wish;
use super::worker::Worker;

/// More do not wait for one thread.
const MOST_WAITING: usize = 32;

/// A demand that waits.
#[derive(Debug)]
pub(crate) struct Queued {
    node: Arc<Node>,
    wish: Wish,
    waiting: Waiting,
}

impl Worker<'_> {
    /// Asks, and gets in line where there is no room.
    pub(crate) fn wait(&mut self) {
        // Who only checks has nothing to wait for.
        if self.world.plan.protocol == Protocol::CheckThenRecord || self.waiting.len() >= MOST_WAITING {
            return;
        }
        let Some((_, node)) = self.pick() else { return };
        let wish = Wish::random(&mut self.numbers, self.world);
        let waiting = node.execution.wait_for(wish.demand);
        self.poll(Queued { node, wish, waiting });
    }

    /// Looks whether it is somebody's turn, or gives up for one.
    pub(crate) fn look_again(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let index = self.numbers.index(self.waiting.len());
        let queued = self.waiting.swap_remove(index);
        if self.numbers.one_in(8) {
            self.tally.counts.gave_up += 1;
        } else {
            self.poll(queued);
        }
    }

    fn poll(&mut self, mut queued: Queued) {
        let stopped = queued.node.is_stopped();
        match queued.waiting.poll_at(Waker::noop(), self.world.now()) {
            Poll::Pending => self.waiting.push(queued),
            Poll::Ready(asked) => {
                self.tally.counts.waited += 1;
                let Queued { node, wish, .. } = queued;
                let open = self.answered(&node, &wish, stopped, asked.map(Held::Owned));
                self.open.extend(open);
            }
        }
    }
}

//! A sink that keeps events until they are fetched.

use std::collections::VecDeque;

use super::{Event, EventSink};
use crate::sync::{Arc, Mutex};

/// Keeps events until their owner fetches them, and drops what comes while it is full. Clones are the same buffer.
///
/// ```
/// use enforce_core::{Enforcer, EventBuffer};
///
/// let events = EventBuffer::new(1);
/// let enforcer = Enforcer::builder().events(events.clone()).build()?;
/// let run = enforcer.execution("exec_1", "tenant_a").register()?;
/// run.finish(); // does not wait until there is room
/// assert_eq!((events.drain().len(), events.dropped()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct EventBuffer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Event>,
    dropped: u64,
}

impl EventBuffer {
    /// One that keeps up to `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Shared { kept: Mutex::default(), capacity }))
    }

    /// Takes the events that it has, oldest first.
    #[must_use = "they are in the buffer no more"]
    pub fn drain(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.kept.lock().events).into()
    }

    /// How many events came when it was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.kept.lock().dropped
    }

    /// How many events it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.kept.lock().events.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl EventSink for EventBuffer {
    fn emit(&self, event: &Event) {
        // The copy is made before the lock is taken.
        let event = event.clone();
        let mut kept = self.0.kept.lock();
        if kept.events.len() < self.0.capacity {
            kept.events.push_back(event);
        } else {
            kept.dropped = kept.dropped.saturating_add(1);
        }
    }
}

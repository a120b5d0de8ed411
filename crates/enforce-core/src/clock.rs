//! Where time comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::kernel::cell::Cell;
use crate::sync::{Arc, Mutex};

/// A moment, in nanoseconds since the Unix epoch; until the year 2554.
///
/// Minted by the enforcer's [`Clock`] alone, or by a caller who replays recorded time. Idleness and rates count from the
/// moment at which the enforcer was built; to them, what is earlier is that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the Unix epoch.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment and `duration`, cut at the end of time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// Nanoseconds since `earlier`; 0 if that is later.
    #[inline]
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How often a thread that waits looks at a clock of the user's own.
const CUSTOM_LOOK: Duration = Duration::from_millis(10);

/// A source of time that a user brings along.
pub trait TimeSource: Send + Sync + 'static {
    /// The moment now. Called under no lock, at most once a decision.
    fn now(&self) -> Timestamp;
}

/// The time of an enforcer. Cheap to clone.
///
/// A time that steps back never grants anything: deadlines, rates and activity compare with their own words.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System(Anchor),
    Coarse(Anchor),
    Manual(ManualClock),
    Custom(Arc<dyn TimeSource>),
}

/// A monotonic reading and the UTC time at which it was taken.
#[derive(Clone, Copy)]
struct Anchor {
    utc: u64,
    monotonic: Instant,
    coarse: u64,
}

impl Anchor {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the others are told to use")]
    fn take() -> Self {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos);
        Self { utc, monotonic: Instant::now(), coarse: coarse_nanos() }
    }

    #[inline]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the others are told to use")]
    fn now(&self) -> Timestamp {
        Timestamp(self.utc.saturating_add(nanos(Instant::now().saturating_duration_since(self.monotonic))))
    }

    #[inline]
    fn coarse_now(&self) -> Timestamp {
        Timestamp(self.utc.saturating_add(coarse_nanos().saturating_sub(self.coarse)))
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn coarse_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn coarse_nanos() -> u64 {
    0
}

impl Clock {
    /// The system's monotonic clock; its offset to UTC is read once, here. The default.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System(Anchor::take()))
    }

    /// Linux's coarse monotonic clock: a quarter of the cost of [`Clock::system`], in steps of about 4 ms. Elsewhere the
    /// same as [`Clock::system`].
    #[must_use]
    pub fn coarse() -> Self {
        let anchor = Anchor::take();
        Self(if cfg!(target_os = "linux") { Kind::Coarse(anchor) } else { Kind::System(anchor) })
    }

    /// Time that moves only when `clock` is told to: for tests and for replays.
    #[must_use]
    pub fn manual(clock: &ManualClock) -> Self {
        Self(Kind::Manual(clock.clone()))
    }

    /// Time from a source of the user's own.
    #[must_use]
    pub fn custom(source: impl TimeSource) -> Self {
        Self(Kind::Custom(Arc::new(source)))
    }

    /// Parks this thread, whose waker is `waker`, until `until` or until it is woken; it may also return sooner.
    pub(crate) fn park(&self, until: Timestamp, now: Timestamp, waker: &Waker) {
        let left = Duration::from_nanos(until.nanos_since(now));
        match &self.0 {
            Kind::System(_) | Kind::Coarse(_) => std::thread::park_timeout(left),
            Kind::Manual(clock) => clock.park(until, waker),
            // Nobody knows how fast it runs.
            Kind::Custom(_) => std::thread::park_timeout(left.min(CUSTOM_LOOK)),
        }
    }

    /// The moment now.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System(anchor) => anchor.now(),
            Kind::Coarse(anchor) => anchor.coarse_now(),
            Kind::Manual(clock) => clock.now(),
            Kind::Custom(source) => source.now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::System(_) => "Clock::system",
            Kind::Coarse(_) => "Clock::coarse",
            Kind::Manual(_) => "Clock::manual",
            Kind::Custom(_) => "Clock::custom",
        })
    }
}

/// A clock that stands still until it is moved; its clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use enforce_core::{Clock, Enforcer, ManualClock, ResourceLimits, Demand, ViolationType};
///
/// let time = ManualClock::new();
/// let limits = ResourceLimits { max_wall_time_ms: 5_000, ..ResourceLimits::unlimited() };
/// let enforcer = Enforcer::builder().limits(limits).clock(Clock::manual(&time)).build()?;
/// let run = enforcer.execution("exec_1", "tenant_a").register()?;
///
/// time.advance(Duration::from_millis(5_999)); // the limit and its grace of one second, but for a millisecond
/// assert!(run.reserve(Demand::step()).is_ok());
/// time.advance(Duration::from_millis(1));
/// assert_eq!(run.reserve(Demand::step()).unwrap_err().violation_type, ViolationType::WallTimeLimit);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Manual>);

#[derive(Debug)]
struct Manual {
    now: Cell,
    /// Threads that are parked until a moment, earliest first.
    parked: Mutex<BTreeMap<(Timestamp, u64), Waker>>,
    /// Tells those of one moment apart.
    number: Cell,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::starting_at(Timestamp::ZERO)
    }
}

impl ManualClock {
    /// A clock that stands at the Unix epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that stands at `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        let now = Cell::new(start.0);
        Self(Arc::new(Manual { now, parked: Mutex::new(BTreeMap::new()), number: Cell::new(0) }))
    }

    /// The moment at which it stands.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Timestamp {
        // Acquire: who reads a moment also sees what was done before the clock was set to it; partner: `set`, `advance`.
        Timestamp(self.0.now.load())
    }

    /// Moves it to `now`, forwards or back. Threads that wait for a moment that has come by then are woken.
    pub fn set(&self, now: Timestamp) {
        // Release: what was done before is seen by whoever reads the new moment; partner: `now`.
        self.0.now.apply(|_| (now.0, ()));
        self.wake_due();
    }

    /// Moves it forwards, at most to the end of time; wakes as [`ManualClock::set`] does.
    pub fn advance(&self, by: Duration) {
        let by = nanos(by);
        // As in `set`, and no concurrent advance is lost.
        self.0.now.apply(|now| (now.saturating_add(by), ()));
        self.wake_due();
    }

    fn wake_due(&self) {
        let mut parked = self.0.parked.lock();
        let later = parked.split_off(&(self.now(), u64::MAX));
        let due = std::mem::replace(&mut *parked, later);
        drop(parked);
        due.into_values().for_each(Waker::wake);
    }

    /// Parks this thread, whose waker is `waker`, until the clock stands at `until` or later, or it is woken.
    fn park(&self, until: Timestamp, waker: &Waker) {
        // Entered before the look: who moves the clock after it finds this thread there, and who moved it before is seen.
        let place = (until, self.0.number.apply(|number| (number.wrapping_add(1), number)));
        self.0.parked.lock().insert(place, waker.clone());
        if self.now() < until {
            std::thread::park();
        }
        let left = self.0.parked.lock().remove(&place);
        drop(left);
    }
}

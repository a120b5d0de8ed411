//! Cases that take turns, and what their figures say.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::pair::{self, Span};

/// How long one turn of a case takes: far below a scheduler's time slice, so that few turns are interrupted.
const TURN: Duration = Duration::from_micros(200);

/// How long a turn on several threads takes: far above what starting them costs.
const SHARED_TURN: Duration = Duration::from_millis(2);

type Turn = Box<dyn FnMut(u32) -> Duration>;

/// One thing that is done over and over.
pub struct Case {
    name: String,
    turn: Turn,
    length: Duration,
}

/// The time, for measuring alone.
#[expect(clippy::disallowed_methods, reason = "what is measured here is time itself")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How long `times` runs of `op` take.
pub(crate) fn time(times: u32, mut op: impl FnMut()) -> Duration {
    let start = now();
    for _ in 0..times {
        op();
    }
    start.elapsed()
}

/// Polls a future once, and drops what it answers where it lies; `false` if it does not.
///
/// Always inlined, as an `await` is: a future that is handed to a call is copied first, and some are large.
#[inline(always)]
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> bool {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => {
            drop(answer);
            true
        }
        Poll::Pending => false,
    }
}

impl Case {
    /// `op`, timed as a loop.
    pub fn new(name: impl Into<String>, mut op: impl FnMut() + 'static) -> Self {
        Self::timed(name, move |times| time(times, &mut op))
    }

    /// What times itself: does it so many times and says how long that took.
    pub fn timed(name: impl Into<String>, turn: impl FnMut(u32) -> Duration + 'static) -> Self {
        Self { name: name.into(), turn: Box::new(turn), length: TURN }
    }

    /// Two threads at once; `worker` makes each one's own, which does it so many times. The figure is the time that one
    /// takes for one of its own operations.
    pub fn on_two_threads<F: FnMut(u32)>(name: impl Into<String>, worker: impl Fn() -> F + Sync + 'static) -> Self {
        Self::at_once(name, move |times| pair::threads(&worker, times))
    }

    /// Two of any kind at once.
    pub(crate) fn at_once(name: impl Into<String>, mut both: impl FnMut(u32) -> [Span; 2] + 'static) -> Self {
        let turn = move |times| pair::at_once(|| both(times));
        Self { name: name.into(), turn: Box::new(turn), length: SHARED_TURN }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One turn of so many times.
    pub fn turn(&mut self, times: u32) -> Duration {
        (self.turn)(times)
    }

    /// How many times fill a turn: the most of several attempts, since an interrupted one finds too few.
    fn calibrated(&mut self) -> u32 {
        (0..5).map(|_| self.fitting()).max().unwrap_or(1)
    }

    fn fitting(&mut self) -> u32 {
        let mut times = 16;
        loop {
            let took = self.turn(times);
            if took >= self.length || times >= 1 << 24 {
                let wanted = f64::from(times) * self.length.as_secs_f64() / took.as_secs_f64();
                return (wanted as u32).max(16);
            }
            times *= 2;
        }
    }
}

/// All cases, and in how many rounds they take turns.
pub struct Rounds {
    cases: Vec<Case>,
    rounds: usize,
    kept: usize,
}

/// Nanoseconds of one operation: a figure for every case and round.
pub struct Figures {
    names: Vec<String>,
    /// By case, then by round; the rounds are those that were kept.
    ns: Vec<Vec<f64>>,
}

/// Median and middle half.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Half of the rounds lie below it.
    pub median: f64,
    /// A quarter of the rounds lies below it.
    pub low: f64,
    /// A quarter of the rounds lies above it.
    pub high: f64,
}

impl Rounds {
    /// No cases yet. Of all rounds, the half is kept that was quietest as a whole: on a machine that others use as well,
    /// the rest says more about them.
    pub fn quiet(rounds: usize) -> Self {
        Self { cases: Vec::new(), rounds, kept: rounds.div_ceil(2) }
    }

    /// No cases yet. All rounds are kept: where threads get in each other's way, a quiet round is one in which they did
    /// not.
    pub fn all(rounds: usize) -> Self {
        Self { cases: Vec::new(), rounds, kept: rounds }
    }

    /// One more case.
    pub fn add(&mut self, case: Case) {
        self.cases.push(case);
    }

    /// The same with more cases.
    #[must_use]
    pub fn with(mut self, cases: impl IntoIterator<Item = Case>) -> Self {
        self.cases.extend(cases);
        self
    }

    /// Runs every case in turn, round after round.
    ///
    /// Each turn begins with a quarter that is not counted, which brings back into the caches what the other cases have
    /// driven out: the figures are of hot paths.
    pub fn run(mut self) -> Figures {
        let times: Vec<u32> = self.cases.iter_mut().map(Case::calibrated).collect();
        let mut rounds: Vec<(Duration, Vec<f64>)> = (0..self.rounds).map(|_| self.round(&times)).collect();
        rounds.sort_by_key(|(took, _)| *took);
        rounds.truncate(self.kept);
        let of = |place: usize| rounds.iter().filter_map(|(_, ns)| ns.get(place).copied()).collect();
        let ns = (0..self.cases.len()).map(of).collect();
        Figures { names: self.cases.into_iter().map(|case| case.name).collect(), ns }
    }

    /// One round: how long its turns took together, which all weigh the same, and nanoseconds of one operation by case.
    fn round(&mut self, times: &[u32]) -> (Duration, Vec<f64>) {
        let mut whole = Duration::ZERO;
        let each = |(case, times): (&mut Case, &u32)| {
            case.turn(*times / 4);
            let took = case.turn(*times);
            whole += took;
            took.as_secs_f64() * 1e9 / f64::from(*times)
        };
        let ns = self.cases.iter_mut().zip(times).map(each).collect();
        (whole, ns)
    }
}

impl Figures {
    fn of(&self, name: &str) -> &[f64] {
        let place = self.names.iter().position(|known| known == name);
        place.and_then(|place| self.ns.get(place)).map_or(&[], Vec::as_slice)
    }

    /// The figures of one case.
    pub fn ns(&self, name: &str) -> Spread {
        Spread::of(self.of(name).to_vec())
    }

    /// One case over another, round by round.
    pub fn ratio(&self, over: &str, under: &str) -> Spread {
        self.combine(over, under, |over, under| over / under)
    }

    /// What `over` takes more than `under`, in units of `unit`, round by round.
    pub fn excess(&self, over: &str, under: &str, unit: &str) -> Spread {
        let excess = self.of(over).iter().zip(self.of(under)).zip(self.of(unit));
        Spread::of(excess.map(|((over, under), unit)| (over - under) / unit).collect())
    }

    fn combine(&self, left: &str, right: &str, figure: impl Fn(f64, f64) -> f64) -> Spread {
        Spread::of(self.of(left).iter().zip(self.of(right)).map(|(left, right)| figure(*left, *right)).collect())
    }
}

impl Spread {
    /// Of these figures, in any order; not a number if there are none.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |part: usize| figures.get(figures.len() * part / 4).copied().unwrap_or(f64::NAN);
        Self { median: at(2), low: at(1), high: at(3) }
    }
}

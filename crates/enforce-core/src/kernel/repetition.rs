//! The same step over and over, or the same round of steps.

use super::cell::Cell;
use crate::sync::Mutex;

/// The longest cycle that can be recognised.
pub(crate) const MAX_CYCLE: usize = 8;

/// What has been admitted, as far as a loop can be told from it.
///
/// **Invariant:** `run` counts the last step's equals in a row, and `equal[p]` is the number of latest positions in a row whose fingerprint equals the one `p` places
/// before. The last `n` blocks of `p` are equal exactly when it is at least `(n − 1) × p`, so memory does not grow with
/// the number of repetitions. An absent fingerprint equals nothing.
#[derive(Debug, Default)]
pub(crate) struct Repetition {
    last: u64,
    /// How often `last` stands there in a row; 0 if the last step had no fingerprint.
    run: u64,
    cycles: Option<Box<Cycles>>,
}

#[derive(Debug, Default)]
struct Cycles {
    /// The latest fingerprints, newest first.
    recent: [Option<u64>; MAX_CYCLE],
    /// For periods 2 to the longest.
    equal: [u64; MAX_CYCLE + 1],
    longest: usize,
}

impl Cycles {
    fn up_to(longest: usize) -> Option<Box<Self>> {
        let longest = longest.min(MAX_CYCLE);
        (longest > 1).then(|| Box::new(Self { longest, ..Self::default() }))
    }
}

/// The memory as plain data: of cycles nothing, where none are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remembered {
    pub(crate) last: u64,
    pub(crate) run: u64,
    pub(crate) recent: Vec<Option<u64>>,
    pub(crate) equal: Vec<u64>,
}

fn extend(count: u64, before: Option<u64>, fingerprint: Option<u64>) -> u64 {
    if fingerprint.is_some() && before == fingerprint { count.saturating_add(1) } else { 0 }
}

impl Repetition {
    /// A memory for cycles of up to `longest` steps; 1 knows repeated steps only.
    pub(crate) fn new(longest: usize) -> Self {
        Self { last: 0, run: 0, cycles: Cycles::up_to(longest) }
    }

    fn run_with(&self, fingerprint: u64) -> u64 {
        if self.run > 0 && self.last == fingerprint { self.run.saturating_add(1) } else { 1 }
    }

    /// The shortest period that would stand `times` times in a row if `fingerprint` were admitted now.
    pub(crate) fn would_repeat(&self, fingerprint: u64, times: u64) -> Option<u64> {
        if self.run_with(fingerprint) >= times {
            return Some(1);
        }
        let fingerprint = Some(fingerprint);
        let needed = |period: u64| times.saturating_sub(1).saturating_mul(period);
        let cycles = self.cycles.as_deref()?;
        (2..=cycles.longest)
            .zip(cycles.recent.iter().skip(1).zip(cycles.equal.iter().skip(2)))
            .find(|(period, (before, count))| extend(**count, **before, fingerprint) >= needed(*period as u64))
            .map(|(period, _)| period as u64)
    }

    /// Remembers an admitted step.
    fn remember(&mut self, fingerprint: Option<u64>) {
        (self.last, self.run) = fingerprint.map_or((0, 0), |fingerprint| (fingerprint, self.run_with(fingerprint)));
        if let Some(cycles) = self.cycles.as_deref_mut() {
            for (before, count) in cycles.recent.iter().skip(1).zip(cycles.equal.iter_mut().skip(2)) {
                *count = extend(*count, *before, fingerprint);
            }
            cycles.recent.rotate_right(1);
            if let Some(newest) = cycles.recent.first_mut() {
                *newest = fingerprint;
            }
        }
    }

    fn remembers(&self) -> bool {
        self.run > 0 || self.cycles.as_deref().is_some_and(|cycles| cycles.recent.iter().any(Option::is_some))
    }
}

/// The memory of one execution behind its small lock.
///
/// Only a demand that carries a fingerprint, or one that breaks a remembered run, takes the lock; it holds it across
/// the admission, so that what is remembered is what was admitted, in that order, and a refusal remembers nothing (T2).
#[derive(Debug)]
pub(crate) struct RepetitionGuard {
    memory: Mutex<Repetition>,
    /// 1 while something is remembered.
    remembers: Cell,
}

impl RepetitionGuard {
    pub(crate) fn new(longest: usize) -> Self {
        Self { memory: Mutex::new(Repetition::new(longest)), remembers: Cell::new(0) }
    }

    /// Whether a step without a fingerprint may pass by without the lock: there is no run for it to break.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.remembers.load() == 0
    }

    /// Runs `admit` with the memory as it stands, and remembers `fingerprint` if it admits.
    pub(crate) fn within<T, E>(
        &self,
        fingerprint: Option<u64>,
        admit: impl FnOnce(&Repetition) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut memory = self.memory.lock();
        let admitted = admit(&memory)?;
        memory.remember(fingerprint);
        let remembers = u64::from(memory.remembers());
        // Written under the lock; a reader without it that still sees the old value comes before this admission. What it
        // says already is not written: under the lock the load is of the latest.
        if self.remembers.load() != remembers {
            self.remembers.apply(|_| (remembers, ()));
        }
        Ok(admitted)
    }

    /// Knows cycles of as many steps as `longest` says from here on; if that is new to it, it begins to look for them
    /// now. `None` forgets everything: what is not looked for is not remembered.
    pub(crate) fn resize(&self, longest: impl FnOnce() -> Option<usize>) {
        let mut memory = self.memory.lock();
        // Read under the lock: whoever resizes last has seen the latest.
        let Some(longest) = longest() else {
            *memory = Repetition::default();
            self.remembers.apply(|_| (0, ()));
            return;
        };
        if memory.cycles.as_ref().map_or(1, |cycles| cycles.longest) != longest.min(MAX_CYCLE) {
            memory.cycles = Cycles::up_to(longest);
        }
    }

    /// What it remembers.
    pub(crate) fn remembered(&self) -> Remembered {
        let memory = self.memory.lock();
        let Repetition { last, run, cycles } = &*memory;
        let cycles = cycles.as_deref();
        Remembered {
            last: *last,
            run: *run,
            recent: cycles.map_or_else(Vec::new, |cycles| cycles.recent.to_vec()),
            equal: cycles.map_or_else(Vec::new, |cycles| cycles.equal.to_vec()),
        }
    }

    /// Takes over what was remembered in an earlier life, as far as it looks for it.
    pub(crate) fn recall(&self, remembered: &Remembered) {
        let mut memory = self.memory.lock();
        (memory.last, memory.run) = (remembered.last, remembered.run);
        if let Some(cycles) = memory.cycles.as_deref_mut() {
            cycles.recent.iter_mut().zip(&remembered.recent).for_each(|(to, from)| *to = *from);
            cycles.equal.iter_mut().zip(&remembered.equal).for_each(|(to, from)| *to = *from);
        }
        let remembers = u64::from(memory.remembers());
        // Written under the lock, as in `within`.
        self.remembers.apply(|_| (remembers, ()));
    }

    /// Looks at the memory; changes nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Repetition) -> T) -> T {
        look(&self.memory.lock())
    }
}

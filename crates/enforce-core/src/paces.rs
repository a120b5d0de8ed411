//! What a hold remembers of the rates of tokens that it was admitted by: what was not used goes back, what was used above
//! it is charged.

use arrayvec::ArrayVec;

use crate::books::Used;
use crate::clock::Timestamp;
use crate::kernel::gcra::Paced;
use crate::limits::RateUnit;
use crate::rate_plan::{MAX_RATES, MAX_TOKEN_RATES};
use crate::rates::{Keys, Met, RateCell, amount};
use crate::record::Record;
use crate::resource::Demand;

/// Tokens as rates count them.
#[derive(Debug, Clone, Copy)]
struct Tokens {
    input: u64,
    output: u64,
    total: u64,
}

impl Tokens {
    const NONE: Self = Self { input: 0, output: 0, total: 0 };

    fn of(&self, unit: RateUnit) -> u64 {
        match unit {
            RateUnit::Requests => 0,
            RateUnit::InputTokens => self.input,
            RateUnit::OutputTokens => self.output,
            RateUnit::TotalTokens => self.total,
        }
    }
}

/// When and what was taken, and the mark that each rate of tokens left, in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paces {
    /// Of the rates that it was admitted by.
    version: u64,
    now_ns: u64,
    keys: Keys,
    taken: Tokens,
    /// What extensions have taken of the same rates. It is counted with the rest and stays.
    more: Tokens,
    /// The total is what the caller said that rates count, not what is set aside.
    apart: bool,
    marks: [u64; MAX_TOKEN_RATES],
}

impl Paces {
    /// What to remember of a demand; nothing, if no rate of tokens was taken.
    pub(crate) fn of(demand: &Demand, now_ns: u64, met: &Met<'_>, paced: &[Option<Paced>]) -> Option<Self> {
        let of_tokens = met.cells().zip(paced).filter(|(cell, _)| cell.unit != RateUnit::Requests);
        let mut left = of_tokens.filter_map(|(_, paced)| paced.as_ref()).peekable();
        left.peek()?;
        Some(Self::with(demand, now_ns, met.version, left))
    }

    /// What to remember of a demand that has taken `paced` of rates of tokens of that version.
    #[inline(always)]
    pub(crate) fn with<'a>(
        demand: &Demand,
        now_ns: u64,
        version: u64,
        paced: impl IntoIterator<Item = &'a Paced>,
    ) -> Self {
        let mut marks = [0; MAX_TOKEN_RATES];
        marks.iter_mut().zip(paced).for_each(|(place, paced)| *place = paced.mark());
        let taken = Tokens {
            input: amount(demand, RateUnit::InputTokens),
            output: amount(demand, RateUnit::OutputTokens),
            total: amount(demand, RateUnit::TotalTokens),
        };
        let (keys, apart) = (Keys::of(demand), demand.rate_tokens.is_some());
        Self { version, now_ns, keys, taken, more: Tokens::NONE, apart, marks }
    }

    /// Takes what an extension has taken of the same rates; of others it stays there for good.
    pub(crate) fn join(&mut self, more: &Self) {
        if self.keys == more.keys {
            self.more = Tokens {
                input: self.more.input.saturating_add(more.taken.input),
                output: self.more.output.saturating_add(more.taken.output),
                total: self.more.total.saturating_add(more.taken.total),
            };
        }
    }

    /// Gives back what was not used, and charges what was used above it, which is never refused; requests stay. The time,
    /// if anybody has looked at the clock.
    pub(crate) fn settle(&self, record: &Record, used: &Used, mut now: Option<Timestamp>) -> Option<Timestamp> {
        let used = self.counted(used);
        self.each(record, |cell, mark| self.correct(record, cell, mark, used.of(cell.unit), &mut now));
        now
    }

    /// Charges what was used above what was `charged` when its hold was ended. The time, as [`Paces::settle`].
    pub(crate) fn settle_rest(
        &self,
        record: &Record,
        used: &Used,
        charged: &Used,
        mut now: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let (used, charged) = (self.counted(used), self.counted(charged));
        self.each(record, |cell, _| {
            self.charge(record, cell, used.of(cell.unit).saturating_sub(charged.of(cell.unit)), &mut now);
        });
        now
    }

    /// What was used, as rates count it. Where anything was, the total is what the caller has said, if it has.
    fn counted(&self, used: &Used) -> Tokens {
        let total = match used.total() {
            0 => 0,
            _ if self.apart => self.taken.total.saturating_add(self.more.total),
            total => total,
        };
        Tokens { input: used.input, output: used.output, total }
    }

    /// Every rate of tokens, with the mark that was left in it, if it is the same rate still.
    fn each(&self, record: &Record, mut act: impl FnMut(&RateCell, Option<u64>)) {
        let rates = &record.core().rates;
        let mut kept = ArrayVec::<_, MAX_RATES>::new();
        // No plan came since, as is usual.
        if rates.kept(&record.tenant, self.keys, &mut kept) == Some(self.version) {
            let of_tokens = kept.into_iter().filter(|cell| cell.unit != RateUnit::Requests);
            return of_tokens.zip(self.marks).for_each(|(cell, mark)| act(cell, Some(mark)));
        }
        // Keys that were known stay known, and the record keeps its tenant.
        let Ok(met) = rates.met(&record.tenant, self.keys) else { return };
        let of_tokens = met.cells().filter(|cell| cell.unit != RateUnit::Requests);
        let same = met.since() <= self.version;
        // Of rates that were changed no mark is left, and there may be more of them than there were.
        let marks = self.marks.into_iter().map(|mark| Some(mark).filter(|_| same)).chain(std::iter::repeat(None));
        of_tokens.zip(marks).for_each(|(cell, mark)| act(cell, mark));
    }

    fn correct(&self, record: &Record, cell: &RateCell, mark: Option<u64>, used: u64, now: &mut Option<Timestamp>) {
        let taken = self.taken.of(cell.unit);
        let all = taken.saturating_add(self.more.of(cell.unit));
        match all.checked_sub(used) {
            // An extension has a mark of its own that nobody remembers, so no more than what was taken first comes back;
            // and nothing of a rate that was changed since.
            Some(rest) => {
                let Some(mark) = mark else { return };
                let paced = Paced::again(&cell.rate, self.now_ns, taken, mark);
                if let Some(waiter) = cell.tat.refund(&cell.rate, paced, rest.min(taken), cell.line.queue()) {
                    waiter.wake();
                }
            }
            None => self.charge(record, cell, used.saturating_sub(all), now),
        }
    }

    /// Charges `amount` to `cell`, or to the one that has taken its place.
    fn charge(&self, record: &Record, cell: &RateCell, amount: u64, now: &mut Option<Timestamp>) {
        if amount == 0 {
            return;
        }
        let rates = &record.core().rates;
        let now_ns = now.get_or_insert_with(|| record.core().clock.now()).nanos_since(record.core().epoch);
        if cell.tat.charge(&cell.rate, now_ns, amount) {
            return;
        }
        // The one before is held until the next is there, so whichever has another address is another one.
        let mut last: Option<Met<'_>> = None;
        while let Ok(met) = rates.met(&record.tenant, self.keys) {
            let before = last.as_ref().and_then(|last| last.with_line(cell.line.queue())).unwrap_or(cell);
            match met.with_line(cell.line.queue()) {
                Some(next) if !std::ptr::eq(next, before) => {
                    if next.tat.charge(&next.rate, now_ns, amount) {
                        return;
                    }
                }
                // It is limited no more, or can count no more.
                _ => return,
            }
            last = Some(met);
        }
    }
}

//! What the models of one counter ask of it, and the counters that get it wrong.

use crate::kernel::tally::{MAX_AMOUNT, Refusal, Tally};
use crate::sync::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

/// A bounded counter.
pub(super) trait Counter: Send + Sync + 'static {
    fn new(limit: u64) -> Self;
    /// Takes `amount`; else what it saw remaining.
    fn take(&self, amount: u64) -> Result<(), i64>;
    /// Gives `reserved` back and records `actual`.
    fn settle(&self, reserved: u64, actual: u64);
    /// limit − used.
    fn remaining(&self) -> i64;
}

impl Counter for Tally {
    fn new(limit: u64) -> Self {
        Tally::new(limit)
    }

    fn take(&self, amount: u64) -> Result<(), i64> {
        Tally::take(self, amount).map(|_| ()).map_err(|refusal| match refusal {
            Refusal::Short(word) => word.remaining(),
            Refusal::Barred | Refusal::Queued(_) => unreachable!("nothing bars it"),
        })
    }

    fn settle(&self, reserved: u64, actual: u64) {
        let recorded = Tally::settle(self, reserved, actual);
        assert!(!recorded.cut, "no sum here comes near {MAX_AMOUNT}");
    }

    fn remaining(&self) -> i64 {
        self.word().remaining()
    }
}

/// A remainder in a bare word, for the broken ones: what is right in them is an addition or an exchange.
pub(super) struct Bare(AtomicU64);

impl Bare {
    fn add(&self, amount: i64) -> i64 {
        self.0.fetch_add(amount as u64, AcqRel) as i64
    }

    fn get(&self) -> i64 {
        self.0.load(Acquire) as i64
    }

    fn set(&self, remaining: i64) {
        self.0.store(remaining as u64, Release);
    }

    fn take(&self, amount: i64) -> Result<(), i64> {
        let mut word = self.get();
        while amount <= word {
            match self.0.compare_exchange_weak(word as u64, (word - amount) as u64, AcqRel, Acquire) {
                Ok(_) => return Ok(()),
                Err(fresh) => word = fresh as i64,
            }
        }
        Err(word)
    }
}

macro_rules! broken {
    ($(#[$doc:meta])* $name:ident, take($me:ident, $amount:ident) $take:block, settle($it:ident, $reserved:ident, $actual:ident) $settle:block) => {
        $(#[$doc])*
        pub(super) struct $name(Bare);

        impl Counter for $name {
            fn new(limit: u64) -> Self {
                Self(Bare(AtomicU64::new(limit)))
            }

            fn take(&self, $amount: u64) -> Result<(), i64> {
                let ($me, $amount) = (&self.0, $amount as i64);
                $take
            }

            fn settle(&self, $reserved: u64, $actual: u64) {
                let ($it, $reserved, $actual) = (&self.0, $reserved as i64, $actual as i64);
                $settle
            }

            fn remaining(&self) -> i64 {
                self.0.get()
            }
        }
    };
}

broken! {
    /// Checks in one step and records in the next.
    CheckThenRecord,
    take(word, amount) {
        let remaining = word.get();
        if amount > remaining {
            return Err(remaining);
        }
        word.add(-amount);
        Ok(())
    },
    settle(word, reserved, actual) { word.add(reserved - actual); }
}

broken! {
    /// Adds first, looks afterwards and backs out.
    AddThenBackOut,
    take(word, amount) {
        let remaining = word.add(-amount);
        if amount > remaining {
            word.add(amount);
            return Err(remaining);
        }
        Ok(())
    },
    settle(word, reserved, actual) { word.add(reserved - actual); }
}

broken! {
    /// Gives the reservation back in one step and records the spending in the next.
    GiveThenCharge,
    take(word, amount) { word.take(amount) },
    settle(word, reserved, actual) {
        word.add(reserved);
        word.add(-actual);
    }
}

broken! {
    /// Settles by a load and a store.
    SettleByStore,
    take(word, amount) { word.take(amount) },
    settle(word, reserved, actual) { word.set(word.get() + reserved - actual); }
}

broken! {
    /// Charges an overrun only as far as it sees room for it.
    ForgivesDebt,
    take(word, amount) { word.take(amount) },
    settle(word, reserved, actual) {
        let room = word.get() + reserved;
        word.add(reserved - actual.min(room.max(0)));
    }
}

/// Puts what comes back into a second word, and fetches it from there when the first runs short.
pub(super) struct Pooled {
    word: Bare,
    pool: AtomicU64,
}

impl Counter for Pooled {
    fn new(limit: u64) -> Self {
        Self { word: Bare(AtomicU64::new(limit)), pool: AtomicU64::new(0) }
    }

    fn take(&self, amount: u64) -> Result<(), i64> {
        self.word.take(amount as i64).or_else(|_| {
            self.word.add(self.pool.swap(0, AcqRel) as i64);
            self.word.take(amount as i64)
        })
    }

    fn settle(&self, reserved: u64, actual: u64) {
        self.pool.fetch_add(reserved - actual, AcqRel);
    }

    fn remaining(&self) -> i64 {
        self.word.get() + self.pool.load(Acquire) as i64
    }
}

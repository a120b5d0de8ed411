//! Names that their owner gives: resolved once to numbers, and never forgotten.

use std::num::NonZeroU32;

use crate::id::InvalidId;
use crate::kernel::arena::Arena;
use crate::sync::{Arc, Inserted, Keyed, Map, Mutex};

/// The number of a name. Optional in four bytes, because it travels with every demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Number(NonZeroU32);

impl Number {
    #[inline]
    const fn of(number: u32) -> Self {
        // Numbers end far below the last one.
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    #[inline]
    pub(crate) const fn get(self) -> u32 {
        self.0.get() - 1
    }
}

/// Why a name has no number.
#[derive(Debug)]
pub(crate) enum Unnamed {
    Invalid(InvalidId),
    /// As many are known as may be.
    Full(u64),
}

#[derive(Debug, Clone)]
struct Name {
    name: Arc<str>,
    number: u32,
}

impl Keyed for Name {
    fn key(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

/// A capped table of names and what belongs to each. Entries stay, so a number means one of them for ever.
#[derive(Debug)]
pub(crate) struct Names<T> {
    names: Map<Name>,
    entries: Arena<T>,
    known: Mutex<u32>,
    cap: u64,
}

impl<T> Names<T> {
    pub(crate) fn new(cap: u64) -> Self {
        Self { names: Map::new(), entries: Arena::new(), known: Mutex::new(0), cap }
    }

    /// The number of `name`, which is a new one's if need be.
    pub(crate) fn resolve(
        &self,
        kind: &'static str,
        name: &str,
        make: impl FnOnce(Arc<str>, u32) -> T,
    ) -> Result<Number, Unnamed> {
        crate::id::validate(kind, name).map_err(Unnamed::Invalid)?;
        if let Some(known) = self.names.get(name.as_bytes()) {
            return Ok(Number::of(known.number));
        }
        let mut known = self.known.lock();
        // Again, under the lock that serialises naming.
        if let Some(known) = self.names.get(name.as_bytes()) {
            return Ok(Number::of(known.number));
        }
        let (number, name) = (*known, Arc::<str>::from(name));
        if u64::from(number) >= self.cap || !self.entries.put(number, make(Arc::clone(&name), number)) {
            return Err(Unnamed::Full(self.cap));
        }
        // The entry is in place before its name can be found.
        if self.names.insert_if(Name { name, number }, || true) == Inserted::Done {
            *known = known.saturating_add(1);
        }
        Ok(Number::of(number))
    }

    #[inline]
    pub(crate) fn get(&self, number: Number) -> Option<&T> {
        self.entries.get(number.get())
    }

    /// The one that was named as number `place`, from 0 on.
    pub(crate) fn nth(&self, place: u32) -> Option<&T> {
        self.entries.get(place)
    }

    /// Whether that name is known.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.get(name.as_bytes()).is_some()
    }

    /// How many may be known.
    pub(crate) fn cap(&self) -> u64 {
        self.cap
    }

    /// How many are known.
    pub(crate) fn known(&self) -> u32 {
        *self.known.lock()
    }
}

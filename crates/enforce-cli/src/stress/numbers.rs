//! Numbers that look random and are the same each time.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

/// The numbers of one thread.
///
/// PCG, because both the generator and its streams are defined by name: one seed gives every thread a sequence of its own
/// that no other shares, and the same one under every version and on every machine. How a number becomes one below a bound
/// is written here for the same reason.
#[derive(Debug)]
pub(crate) struct Numbers(Pcg64);

impl Numbers {
    pub(crate) fn of(seed: u64, thread: u64) -> Self {
        Self(Pcg64::new(u128::from(seed), u128::from(thread)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One below `bound`; 0 of 0. Off from even by less than one in 2^64 / bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Whether this is the one of `n`.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`, of which there is at least one.
    pub(crate) fn choose<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        const { assert!(N > 0, "nothing to choose from") };
        choices[self.index(N)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut numbers = Numbers::of(42, 0);
        assert_eq!([0; 4].map(|_| numbers.below(1_000)), PINNED);
        let mut other = Numbers::of(42, 1);
        assert_ne!([0; 4].map(|_| other.below(1_000)), PINNED);
    }

    const PINNED: [u64; 4] = [246, 392, 107, 511];
}

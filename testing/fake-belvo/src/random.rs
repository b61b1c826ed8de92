//! Deterministic random values: the same seed, index and subject always give the same value, in any order.
//!
//! A link therefore stores a few bytes per row, and each field is generated when it is needed. The mixer is the finaliser of
//! `SplitMix64`. It is a bijection, so `ids` can decode the ids made with it.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection on 64 bits that changes about half of the output bits for each input bit.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The inverse of [`mix`].
pub(crate) fn unmix(value: u64) -> u64 {
    let value = (value ^ (value >> 31) ^ (value >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    let value = (value ^ (value >> 27) ^ (value >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    value ^ (value >> 30) ^ (value >> 60)
}

/// Derives a seed from a seed and a name.
pub(crate) fn seed_of(seed: u64, name: &str) -> u64 {
    let fnv = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mix(seed ^ mix(fnv.wrapping_add(GOLDEN)))
}

/// A generator of the random values of one object.
#[derive(Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, index: usize) -> Self {
        Self(mix(seed ^ (index as u64).wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Returns the generator for the same object after `revision` changes; revision 0 is the object itself.
    pub(crate) fn revised(self, revision: u32) -> Self {
        Self(self.0 ^ u64::from(revision).wrapping_mul(GOLDEN))
    }

    /// Returns the generator for one part of the object.
    pub(crate) fn within(self, part: &str) -> Self {
        Self(self.bits(part))
    }

    /// Returns the generator for one element of a list.
    pub(crate) fn at(self, index: usize) -> Self {
        Self::new(self.0, index)
    }

    /// Returns 64 random bits for a subject.
    pub(crate) fn bits(self, subject: &str) -> u64 {
        seed_of(self.0, subject)
    }

    /// Returns a number below `sides`.
    pub(crate) fn roll(self, subject: &str, sides: u64) -> u64 {
        self.bits(subject) % sides.max(1)
    }

    /// Returns `true` with probability 1/`sides`.
    pub(crate) fn once_in(self, subject: &str, sides: u64) -> bool {
        self.roll(subject, sides) == 0
    }

    /// Returns one of the choices, which must not be empty.
    pub(crate) fn pick<'a, T>(self, subject: &str, choices: &'a [T]) -> &'a T {
        &choices[self.below(subject, choices.len())]
    }

    /// Returns an index below `sides`.
    pub(crate) fn below(self, subject: &str, sides: usize) -> usize {
        usize::try_from(self.roll(subject, sides as u64)).unwrap_or_default()
    }

    /// Returns exactly `length` decimal digits, at most 18.
    pub(crate) fn digits(self, subject: &str, length: usize) -> String {
        let sides = 10_u64.pow(u32::try_from(length.min(18)).unwrap_or(18));
        format!("{:0length$}", self.roll(subject, sides))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mixed_can_be_unmixed() {
        for value in [0, 1, 42, u64::MAX, GOLDEN, 1 << 63] {
            assert_eq!(unmix(mix(value)), value);
        }
    }

    #[test]
    fn the_same_question_gets_the_same_answer_and_another_subject_another() {
        let dice = Dice::new(7, 3);
        assert_eq!(dice.bits("amount"), Dice::new(7, 3).bits("amount"));
        assert_ne!(dice.bits("amount"), dice.bits("status"));
        assert_ne!(dice.bits("amount"), dice.revised(1).bits("amount"));
        assert_eq!(dice.bits("amount"), dice.revised(0).bits("amount"));
    }
}

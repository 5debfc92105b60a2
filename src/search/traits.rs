//! What the contents of files are like, noted when they are indexed.

use super::query::Trait;

/// A set of [`Trait`]s of contents. Those of paths and of changed lines are not kept in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(u16);

impl Traits {
    /// The same set with this in it.
    #[must_use]
    pub fn with(self, is: Trait) -> Self {
        Self(self.0 | bit(is))
    }

    /// The same set, with this in it if it holds.
    #[must_use]
    pub fn with_if(self, is: Trait, holds: bool) -> Self {
        if holds { self.with(is) } else { self }
    }

    #[must_use]
    pub fn has(self, is: Trait) -> bool {
        self.0 & bit(is) != 0
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Option<Self> {
        (bits < 1 << 6).then_some(Self(bits))
    }
}

fn bit(is: Trait) -> u16 {
    match is {
        Trait::Binary => 1,
        Trait::NonUtf8 => 1 << 1,
        Trait::LongLine => 1 << 2,
        Trait::Unindexed => 1 << 3,
        Trait::Generated => 1 << 4,
        Trait::Hidden => 1 << 5,
        Trait::Kind(_) | Trait::Added | Trait::Removed => 0,
    }
}

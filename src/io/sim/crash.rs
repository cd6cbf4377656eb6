//! What is left of changes that are not durable after the power has gone.
//!
//! Devices and kernels write back in any order, whole sectors at a time. [`Survival`] says which
//! of the many outcomes a crash takes; [`Survivors`] applies it to one change after the other.

use super::random::Random;

/// The unit that a device writes whole or not at all.
const SECTOR: usize = 512;

/// Which of the changes that are not durable survive a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Survival {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// Those before a moment, in the order in which they were made; the one at that moment in part.
    Prefix,
    /// Each sector of 512 bytes by itself, each name by itself.
    Sectors,
    /// Each block of 4096 bytes by itself, each name by itself.
    Blocks,
    /// One of the above, as the seed says.
    Any,
}

/// Decides over changes.
pub(super) struct Survivors<'a> {
    survival: Survival,
    /// Changes before it survive a [`Survival::Prefix`].
    cut: u64,
    /// How likely a piece is to survive where each is drawn by itself.
    likelihood: f64,
    random: &'a mut Random,
}

impl<'a> Survivors<'a> {
    /// What survives of changes that were given the numbers below `end`.
    pub(super) fn new(survival: Survival, end: u64, random: &'a mut Random) -> Self {
        let kinds = [
            Survival::Nothing,
            Survival::Everything,
            Survival::Prefix,
            Survival::Sectors,
            Survival::Sectors,
            Survival::Blocks,
        ];
        let survival = match survival {
            Survival::Any => kinds[random.below(kinds.len() as u64) as usize],
            other => other,
        };
        // The newest changes are those that are not durable yet: the cut is close to the end as often
        // as it is far from it.
        let back = 1 << random.below(u64::from(64 - end.leading_zeros()) + 1);
        let cut = end.saturating_sub(random.below(back));
        let likelihood = [0.1, 0.5, 0.9][random.below(3) as usize];
        Self { survival, cut, likelihood, random }
    }

    /// Whether a change that cannot be torn survives.
    pub(super) fn whole(&mut self, order: u64) -> bool {
        match self.survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Prefix => order < self.cut,
            Survival::Sectors | Survival::Blocks | Survival::Any => self.random.chance(self.likelihood),
        }
    }

    /// The pieces that survive of a write of `len` bytes at `offset`: where each begins in the
    /// write, and its length.
    pub(super) fn pieces(&mut self, order: u64, offset: u64, len: usize) -> Vec<(usize, usize)> {
        let unit = match self.survival {
            Survival::Nothing => return Vec::new(),
            Survival::Everything => return vec![(0, len)],
            Survival::Prefix if order == self.cut => {
                return vec![(0, self.random.below(len as u64 + 1) as usize / SECTOR * SECTOR)];
            }
            Survival::Prefix => return if order < self.cut { vec![(0, len)] } else { Vec::new() },
            Survival::Sectors | Survival::Any => SECTOR,
            Survival::Blocks => 8 * SECTOR,
        };
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < len {
            // Up to the next border of the device, not of the write.
            let to_border = unit - (offset as usize + start) % unit;
            let piece = to_border.min(len - start);
            if self.random.chance(self.likelihood) {
                pieces.push((start, piece));
            }
            start += piece;
        }
        pieces
    }
}

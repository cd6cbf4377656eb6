//! Ascending numbers that take four bytes each as long as they fit: in an index there is one for each block.

/// What was pushed, in order.
#[derive(Debug)]
pub(super) enum Positions {
    /// All fit into 32 bits.
    Narrow(Vec<u32>),
    /// One does not.
    Wide(Vec<u64>),
}

impl Default for Positions {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Positions {
    /// None yet, with room for `count`.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self::Narrow(Vec::with_capacity(count))
    }

    /// Adds one, no less than the last.
    pub(super) fn push(&mut self, number: u64) {
        debug_assert!(self.last().is_none_or(|last| last <= number), "they ascend");
        match (&mut *self, u32::try_from(number)) {
            (Self::Narrow(numbers), Ok(number)) => numbers.push(number),
            (Self::Wide(numbers), _) => numbers.push(number),
            (Self::Narrow(numbers), Err(_)) => {
                let mut wide = Vec::with_capacity(numbers.capacity().max(numbers.len() + 1));
                wide.extend(numbers.iter().map(|&number| u64::from(number)));
                wide.push(number);
                *self = Self::Wide(wide);
            }
        }
    }

    /// The number at a place, which there must be.
    #[inline]
    pub(super) fn get(&self, place: usize) -> u64 {
        match self {
            Self::Narrow(numbers) => u64::from(numbers[place]),
            Self::Wide(numbers) => numbers[place],
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Narrow(numbers) => numbers.len(),
            Self::Wide(numbers) => numbers.len(),
        }
    }

    /// The greatest.
    #[inline]
    pub(super) fn last(&self) -> Option<u64> {
        match self {
            Self::Narrow(numbers) => numbers.last().map(|&number| u64::from(number)),
            Self::Wide(numbers) => numbers.last().copied(),
        }
    }

    /// Gives back what was reserved for more.
    pub(super) fn shrink_to_fit(&mut self) {
        match self {
            Self::Narrow(numbers) => numbers.shrink_to_fit(),
            Self::Wide(numbers) => numbers.shrink_to_fit(),
        }
    }

    /// Memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Narrow(numbers) => size_of::<u32>() * numbers.capacity(),
            Self::Wide(numbers) => size_of::<u64>() * numbers.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_also_where_they_outgrow_four_bytes() {
        let narrow_max = u64::from(u32::MAX);
        for (numbers, bytes) in [
            (vec![], 0),
            (vec![0, 0, 7, narrow_max], 16),
            (vec![5, narrow_max, narrow_max + 1, narrow_max + 1, u64::MAX], 40),
            (vec![u64::MAX], 8),
        ] {
            let mut positions = Positions::with_capacity(numbers.len());
            for (place, &number) in numbers.iter().enumerate() {
                positions.push(number);
                assert_eq!(positions.last(), Some(number));
                assert!((0..=place).all(|place| positions.get(place) == numbers[place]));
            }
            assert_eq!((positions.len(), positions.last()), (numbers.len(), numbers.last().copied()));
            assert_eq!(positions.memory_bytes(), bytes, "{numbers:?}");
        }
    }
}

//! The order of several sorted sources: a binary heap of their numbers.
//!
//! The heap holds no keys. Whoever owns the sources tells it which of two comes first, and which
//! has moved on, so that entries are compared where they lie.

/// Numbers of sources, the one that comes first on top.
#[derive(Default)]
pub(crate) struct MergeHeap(Vec<usize>);

impl MergeHeap {
    /// Orders the given sources, none of which is at its end.
    pub(crate) fn new(sources: impl Iterator<Item = usize>, less: impl Fn(usize, usize) -> bool) -> Self {
        let mut heap = Self(sources.collect());
        for index in (0..heap.0.len() / 2).rev() {
            heap.sift_down(index, &less);
        }
        heap
    }

    /// The source that comes first.
    #[inline]
    pub(crate) fn top(&self) -> Option<usize> {
        self.0.first().copied()
    }

    /// The top has moved on to a later entry.
    #[inline]
    pub(crate) fn top_moved(&mut self, less: impl Fn(usize, usize) -> bool) {
        self.sift_down(0, &less);
    }

    /// The top has come to its end.
    pub(crate) fn top_ended(&mut self, less: impl Fn(usize, usize) -> bool) {
        self.0.swap_remove(0);
        self.sift_down(0, &less);
    }

    fn sift_down(&mut self, mut index: usize, less: &impl Fn(usize, usize) -> bool) {
        loop {
            let left = 2 * index + 1;
            if left >= self.0.len() {
                return;
            }
            let right = left + 1;
            let first = if right < self.0.len() && less(self.0[right], self.0[left]) { right } else { left };
            if !less(self.0[first], self.0[index]) {
                return;
            }
            self.0.swap(first, index);
            index = first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_sorted_sources_yields_sorted_output() {
        let sources: Vec<Vec<u32>> =
            (0..7).map(|number| (0..20).map(|step| step * 7 + number * 3 % 7).collect()).collect();
        let mut positions = [0; 7];
        let mut heap = MergeHeap::new(0..7, |a, b| sources[a][0] < sources[b][0]);
        let mut merged = Vec::new();
        while let Some(top) = heap.top() {
            merged.push(sources[top][positions[top]]);
            positions[top] += 1;
            let less = |a: usize, b: usize| sources[a][positions[a]] < sources[b][positions[b]];
            if positions[top] == sources[top].len() {
                heap.top_ended(less);
            } else {
                heap.top_moved(less);
            }
        }
        assert_eq!(merged.len(), 140);
        assert!(merged.is_sorted());
    }
}

//! The order of several sorted sources: a binary heap of their places.
//!
//! The heap holds no keys, but of each the first sixteen bytes, which mostly decide. Where they do not,
//! whoever owns the sources tells which of two comes first, so that entries are compared where they lie.

/// The first bytes of a key as a number that sorts like them, shorter keys being padded with zeros. Keys
/// with equal prefixes must be compared as a whole.
#[inline]
pub(crate) fn prefix(key: &[u8]) -> u128 {
    if let Some(bytes) = key.first_chunk() {
        return u128::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 16];
    bytes[..key.len()].copy_from_slice(key);
    u128::from_be_bytes(bytes)
}

/// Where a source stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// [`prefix`] of the key.
    pub(crate) prefix: u128,
    /// Number of the source.
    pub(crate) source: usize,
    /// Whether a move of the source is put off: then it is the place behind which all its entries lie.
    pub(crate) is_put_off: bool,
}

/// Places of sources, the one that comes first on top.
#[derive(Default)]
pub(crate) struct MergeHeap(Vec<Place>);

impl MergeHeap {
    /// Forgets all places.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the given places in, beside those that it has.
    pub(crate) fn fill(
        &mut self,
        places: impl Iterator<Item = Place>,
        less: impl Fn(&Place, &Place) -> bool,
    ) {
        self.0.extend(places);
        for index in (0..self.0.len() / 2).rev() {
            self.sift_down(index, &less);
        }
    }

    /// The place that comes first.
    #[inline]
    pub(crate) fn top(&self) -> Option<&Place> {
        self.0.first()
    }

    /// Takes the top out and puts another place in.
    pub(crate) fn replace_top(&mut self, place: Place, less: impl Fn(&Place, &Place) -> bool) -> Place {
        let top = std::mem::replace(&mut self.0[0], place);
        self.sift_down(0, &less);
        top
    }

    /// Takes the top out.
    pub(crate) fn pop(&mut self, less: impl Fn(&Place, &Place) -> bool) -> Option<Place> {
        let last = self.0.pop()?;
        if self.0.is_empty() {
            return Some(last);
        }
        Some(self.replace_top(last, less))
    }

    fn sift_down(&mut self, mut index: usize, less: &impl Fn(&Place, &Place) -> bool) {
        loop {
            let left = 2 * index + 1;
            if left >= self.0.len() {
                return;
            }
            let right = left + 1;
            let first =
                if right < self.0.len() && less(&self.0[right], &self.0[left]) { right } else { left };
            if !less(&self.0[first], &self.0[index]) {
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
        let mut heap = MergeHeap::default();
        let less = |a: &Place, b: &Place| a.prefix < b.prefix;
        let place = |source: usize, at: usize| {
            let prefix = u128::from(*sources[source].get(at)?);
            Some(Place { prefix, source, is_put_off: false })
        };
        heap.fill((0..7).filter_map(|source| place(source, 0)), less);
        let mut merged = Vec::new();
        while let Some(top) = heap.top().copied() {
            merged.push(top.prefix);
            positions[top.source] += 1;
            let left = match place(top.source, positions[top.source]) {
                Some(place) => heap.replace_top(place, less),
                None => heap.pop(less).expect("it has a top"),
            };
            assert_eq!(left.source, top.source);
        }
        assert_eq!(merged.len(), 140);
        assert!(merged.is_sorted());
    }

    #[test]
    fn prefixes_sort_as_keys_do_or_are_equal() {
        let keys: [&[u8]; 9] = [
            b"",
            b"\0",
            b"\0\0",
            b"a",
            b"a\0",
            b"abcdefghijklmnop",
            b"abcdefghijklmnopq",
            b"abcdefghijklmnoq",
            b"b",
        ];
        assert!(keys.is_sorted());
        assert!(keys.map(prefix).is_sorted());
        assert!(prefix(b"a") < prefix(b"abcdefghijklmnop"));
        assert_eq!(prefix(keys[5]), prefix(keys[6]));
        assert!(prefix(keys[6]) < prefix(keys[7]));
    }
}

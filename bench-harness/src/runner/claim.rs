//! Deals out operation indices to client threads.
//!
//! Threads take small chunks from one counter, so that a slow thread does not leave work
//! behind while the others are done, and the counter is touched rarely.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const CHUNK_MAX: u64 = 64;

#[derive(Debug)]
pub struct Claims {
    next: AtomicU64,
    total: u64,
    chunk: u64,
}

impl Claims {
    /// Without a total, indices never end.
    pub fn new(total: Option<u64>, threads: usize, single: bool) -> Claims {
        let total = total.unwrap_or(u64::MAX);
        // Towards the end threads should share evenly; `single` is for where they always should.
        let even = total / (threads as u64 * 16);
        let chunk = if single { 1 } else { even.clamp(1, CHUNK_MAX) };
        Claims { next: AtomicU64::new(0), total, chunk }
    }

    /// The next indices for the calling thread; none when all are given out.
    pub fn take(&self) -> Option<Range<u64>> {
        // Only uniqueness counts; the numbers publish nothing.
        let start = self.next.fetch_add(self.chunk, Ordering::Relaxed);
        if start >= self.total {
            return None;
        }
        Some(start..self.total.min(start + self.chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_given_out_exactly_once() {
        let claims = Claims::new(Some(1_003), 2, false);
        let mut all = Vec::new();
        while let Some(range) = claims.take() {
            all.extend(range);
        }
        assert_eq!(all, (0..1_003).collect::<Vec<u64>>());
        assert!(claims.take().is_none());
    }
}

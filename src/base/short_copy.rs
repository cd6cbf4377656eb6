//! Copies of few bytes without a call: keys, and what a key does not share with the one before it.

/// Makes `to` from `at` on what `from` is; `to` ends there. What it has before that stays.
///
/// # Panics
/// If `to` is shorter than `at`.
#[inline(always)]
pub(crate) fn replace_from(to: &mut Vec<u8>, at: usize, from: &[u8]) {
    let len = at + from.len();
    if to.len() != len {
        assert!(to.len() >= at, "what is not replaced is there");
        to.resize(len, 0);
    }
    copy(&mut to[at..], from);
}

/// Copies `from` to `to`, which is as long. Two words that may overlap are one branch for many lengths.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        16..=32 => copy_ends::<16>(to, from),
        8..=15 => copy_ends::<8>(to, from),
        4..=7 => copy_ends::<4>(to, from),
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn copy_ends<const LEN: usize>(to: &mut [u8], from: &[u8]) {
    let ends = (from.first_chunk::<LEN>(), from.last_chunk::<LEN>());
    let (Some(first), Some(last)) = ends else { unreachable!("it is at least so long") };
    let start = to.len() - LEN;
    to[..LEN].copy_from_slice(first);
    to[start..].copy_from_slice(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_to_every_place() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in 0..bytes.len() {
            for at in 0..20 {
                for before in [at, at + len / 2, at + len, at + len + 30] {
                    let mut to = vec![200; before];
                    replace_from(&mut to, at, &bytes[..len]);
                    assert!(to[..at].iter().all(|byte| *byte == 200));
                    assert_eq!(to[at..], bytes[..len], "{len} at {at}");
                }
            }
        }
    }
}

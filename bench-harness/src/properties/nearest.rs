//! Finds the name somebody probably meant.

/// The candidate with the fewest edits to `name`, if it is close enough to be a likely slip:
/// at most one edit in three letters.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["recordcount", "readproportion", "target"];
        assert_eq!(nearest("recordcuont", names), Some("recordcount"));
        assert_eq!(nearest("targets", names), Some("target"));
        assert_eq!(nearest("elephant", names), None);
    }
}

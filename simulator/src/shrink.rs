//! Making a failing run smaller: less of everything, as long as it still fails.

use crate::attempt::{EVENTS, Verdict, attempt};
use crate::parameters::{Parameters, Weather};

/// Runs tried at most.
const ATTEMPTS_MAX: usize = 200;

/// The smallest failing run that is found, with its verdict; `None` if this one does not fail.
pub(crate) fn shrink(parameters: &Parameters, mut say: impl FnMut(&Verdict)) -> Option<Verdict> {
    let mut smallest = attempt(parameters, EVENTS);
    smallest.failure.as_ref()?;
    say(&smallest);
    let mut attempts = 0;
    loop {
        let candidates = smaller(&smallest.parameters);
        let mut found = None;
        for candidate in candidates {
            attempts += 1;
            if attempts > ATTEMPTS_MAX {
                return Some(smallest);
            }
            let verdict = attempt(&candidate, EVENTS);
            if verdict.failure.is_some() {
                found = Some(verdict);
                break;
            }
        }
        match found {
            Some(verdict) => {
                say(&verdict);
                smallest = verdict;
            }
            None => return Some(smallest),
        }
    }
}

/// Runs with less of one thing, the greatest reduction first.
fn smaller(of: &Parameters) -> Vec<Parameters> {
    let mut candidates = Vec::new();
    let mut add = |change: &dyn Fn(&mut Parameters)| {
        let mut candidate = of.clone();
        change(&mut candidate);
        if candidate != *of {
            candidates.push(candidate);
        }
    };
    add(&|less| less.weather = Weather::Calm);
    add(&|less| less.crashes = false);
    add(&|less| less.rounds = 1);
    add(&|less| less.rounds = less.rounds.div_ceil(2));
    add(&|less| less.rounds = (less.rounds - 1).max(1));
    for (numerator, denominator) in [(1, 10), (1, 2), (3, 4), (9, 10)] {
        add(&|less| less.operations = (less.operations * numerator / denominator).max(1));
    }
    add(&|less| less.callers = 1);
    add(&|less| less.callers = (less.callers - 1).max(1));
    add(&|less| less.cores = 1);
    for keys in [2, 30, 300] {
        add(&|less| less.keys = less.keys.min(keys));
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_smaller_and_the_smallest_has_none() {
        let mut run = Parameters::draw(1);
        let mut steps = 0;
        while let Some(next) = smaller(&run).into_iter().next() {
            assert_ne!(next, run);
            run = next;
            steps += 1;
        }
        assert!(steps > 3);
        assert_eq!((run.operations, run.rounds, run.callers, run.cores), (1, 1, 1, 1));
    }
}

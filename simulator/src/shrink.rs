//! Making a failing run smaller: less of everything, as long as it still fails in the same way.
//!
//! Less of anything is another run, which may miss the moment: each smaller run is also tried under
//! the seeds that follow.

use crate::attempt::{EVENTS, Verdict, attempt};
use crate::fault_profile::FaultProfile;
use crate::parameters::Parameters;

/// Runs tried at most.
const ATTEMPTS_MAX: usize = 800;

/// Seeds under which each smaller run is tried.
const SEEDS: u64 = 8;

/// The smallest failing run that is found, with its verdict; `None` if this one does not fail.
pub(crate) fn shrink(parameters: &Parameters, mut say: impl FnMut(&Verdict)) -> Option<Verdict> {
    let mut smallest = attempt(parameters, EVENTS);
    let wanted = kind(smallest.failure.as_deref()?).to_owned();
    say(&smallest);
    let mut attempts = 0;
    loop {
        let candidates = smaller(&smallest.parameters);
        let mut runs = candidates.iter().flat_map(under_other_seeds).take(ATTEMPTS_MAX - attempts);
        let found = runs.find_map(|candidate| {
            attempts += 1;
            let verdict = attempt(&candidate, EVENTS);
            verdict.failure.as_deref().is_some_and(|failure| kind(failure) == wanted).then_some(verdict)
        });
        match found {
            Some(verdict) => {
                say(&verdict);
                smallest = verdict;
            }
            None => return Some(smallest),
        }
    }
}

/// What failures of one cause have in common: the text up to the first number.
fn kind(failure: &str) -> &str {
    failure.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default()
}

/// The run under its own seed and those that follow, but for seeds that draw no crashes where the run
/// has some: a command line cannot ask for them.
fn under_other_seeds(run: &Parameters) -> impl Iterator<Item = Parameters> + use<> {
    let run = run.clone();
    let seeds = run.seed..run.seed.saturating_add(SEEDS);
    seeds.map(move |seed| Parameters { seed, ..run.clone() }).filter(is_expressible)
}

fn is_expressible(run: &Parameters) -> bool {
    !run.crashes || Parameters::draw(run.seed).crashes
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
    add(&|less| less.profile = FaultProfile::Healthy);
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
    fn other_seeds_keep_everything_else_and_are_expressible() {
        let run = Parameters { operations: 7, crashes: true, ..Parameters::draw(1) };
        let others: Vec<_> = under_other_seeds(&run).collect();
        assert!(others.len() > 3);
        assert!(others.iter().all(|other| other.operations == 7 && other.crashes && is_expressible(other)));
        assert_eq!(kind("grew by 5 bytes"), kind("grew by 77 bytes"));
    }

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

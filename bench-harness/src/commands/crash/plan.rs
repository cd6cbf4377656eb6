//! When to kill. Pure: a seed and a round in, moments out, the same for every engine.

use crate::generator::Stream;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kills {
    /// Seconds after the writing process has begun to load or to run.
    pub after_s: f64,
    /// Whether the opening that follows is killed, and after which share of the time it usually takes.
    pub opening: Option<f64>,
}

pub fn kills(seed: u64, round: u32, run_s: f64, open_kill: f64) -> Kills {
    let mut random = Stream::new(seed, "crash kills").operation(u64::from(round));
    let after_s = random.unit() * run_s;
    let opening = (random.unit() < open_kill).then(|| random.unit());
    Kills { after_s, opening }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_follow_from_the_seed_and_spread_over_their_ranges() {
        let all = |seed| (1..=1000).map(|round| kills(seed, round, 2.0, 0.25)).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        let early = all(1).iter().filter(|kills| kills.after_s < 1.0).count();
        assert!((440..560).contains(&early), "{early} of 1000 in the first half");
        assert!(all(1).iter().all(|kills| (0.0..2.0).contains(&kills.after_s)));
        let opening = all(1).iter().filter(|kills| kills.opening.is_some()).count();
        assert!((190..310).contains(&opening), "{opening} of 1000 openings killed");
        assert!((1..=1000).all(|round| kills(1, round, 1.0, 0.0).opening.is_none()));
        assert!((1..=1000).all(|round| kills(1, round, 1.0, 1.0).opening.is_some()));
    }
}

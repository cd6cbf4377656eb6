//! When an opening is interrupted: after some turns, or soon after it has made a certain file, where
//! it stands between what it has begun and what is durable.

use rabi::sim::OpeningDb;

use crate::random::Random;
use crate::run::Opened;
use crate::scene::Scene;

/// Where an opening ends early.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interruption {
    /// After so many turns.
    Turns(usize),
    /// So many turns after it has made the first or second file whose name begins so.
    File { beginning: &'static str, number: usize, turns: usize },
}

impl Interruption {
    /// Draws one for the `attempt`-th opening in a row, or none. The first is often interrupted where it
    /// has begun a new state, the next where it builds upon what it found of that.
    pub(crate) fn draw(fate: &mut Random, attempt: usize) -> Option<Self> {
        let is_first = attempt == 1;
        if !fate.chance(if is_first { 35 } else { 60 }) {
            return None;
        }
        let (beginning, window) = if is_first { ("MANIFEST-", 20) } else { ("stage-", 60) };
        Some(match fate.below(6) {
            0..=2 => Self::File { beginning, number: 1, turns: fate.below(window) },
            3 => Self::File { beginning: "MANIFEST-", number: 2, turns: fate.below(20) },
            4 => Self::Turns(fate.below(150)),
            _ => Self::Turns(fate.magnitude(400)),
        })
    }
}

impl Scene {
    /// Takes turns until the database is open, cannot be opened, or is interrupted.
    pub(crate) fn step_opening(&self, mut opening: OpeningDb, end: Option<Interruption>) -> Opened {
        let (mut end_turn, awaited) = match end {
            Some(Interruption::Turns(turns)) => (Some(turns), None),
            Some(Interruption::File { beginning, number, turns }) => {
                (None, Some((beginning, self.count_files(beginning) + number, turns)))
            }
            None => (None, None),
        };
        for turn in 0.. {
            if let (None, Some((beginning, count, turns))) = (end_turn, awaited)
                && self.count_files(beginning) >= count
            {
                end_turn = Some(turn + turns);
            }
            if end_turn == Some(turn) {
                self.figures.borrow_mut().opening_crashes += 1;
                self.crash(if self.was_interrupted.replace(true) { 75 } else { 40 });
                return Opened::Interrupted;
            }
            self.move_ground();
            self.turn(false);
            match opening.poll() {
                None => {}
                Some(Ok(db)) => {
                    self.was_interrupted.set(false);
                    return Opened::Ready(db);
                }
                Some(Err(error)) => return Opened::Refused(error),
            }
        }
        unreachable!("a scene does not take turns for ever")
    }

    fn count_files(&self, beginning: &str) -> usize {
        self.world.count_names(self.dir(), beginning)
    }
}

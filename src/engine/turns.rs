//! Whose turn it is: which tree a kind of background work serves next.
//!
//! The one that is nearest to its stall comes first, but each time that another is served before it, a tree that
//! waits counts as nearer. So a tree with much to do does not keep the others waiting for ever: nobody waits longer
//! than for a few turns of each of the others. With one tree this decides nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::base::keyspace::KeyspaceId;
use crate::base::sync::{Arc, Mutex, lock};
use crate::tree::Tree;

/// What a turn of another tree counts, in per cent of the way to a stall.
const TURN_PERCENT: u64 = 25;

/// For each tree, how many turns of others it has waited.
#[derive(Default)]
pub(crate) struct Turns(Mutex<BTreeMap<KeyspaceId, u64>>);

impl Turns {
    /// Asks the trees in the order of their turns for work, until one gives some. `fill_percent` says how near one is
    /// to its stall.
    pub(super) fn serve<'a, W>(
        &self,
        trees: impl Iterator<Item = &'a Arc<Tree>>,
        fill_percent: impl Fn(&Tree) -> u64,
        take: impl Fn(&Tree) -> Option<W>,
    ) -> Option<(Arc<Tree>, W)> {
        let mut waited = lock(&self.0);
        let mut order: Vec<&Arc<Tree>> = trees.collect();
        let turns_of = |tree: &Tree| waited.get(&tree.keyspace).copied().unwrap_or(0);
        order.sort_by_cached_key(|tree| {
            let waited = turns_of(tree);
            Reverse((fill_percent(tree) + TURN_PERCENT * waited, waited))
        });
        let (index, work) = order.iter().enumerate().find_map(|(index, tree)| Some((index, take(tree)?)))?;
        // Who was asked has been served or has nothing to do.
        for tree in &order[..=index] {
            waited.remove(&tree.keyspace);
        }
        for tree in &order[index + 1..] {
            *waited.entry(tree.keyspace).or_default() += 1;
        }
        Some((Arc::clone(order[index]), work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::Cursor;
    use crate::tree::tests::{TestTree, freeze_one};

    fn keyspace(number: u8) -> KeyspaceId {
        KeyspaceId::decode(&mut Cursor::new(&[number])).unwrap()
    }

    /// Serves the trees with these numbers and frozen memtables `rounds` times: which one each time. What is flushed
    /// of one whose number is in `busy` comes back at once.
    fn served(frozen: &[(u8, usize)], busy: &[u8], rounds: usize) -> Vec<u8> {
        let made: Vec<TestTree> = frozen.iter().map(|(number, _)| TestTree::new(keyspace(*number))).collect();
        for (tree, (_, count)) in made.iter().zip(frozen) {
            (0..*count).for_each(|_| freeze_one(&tree.tree));
        }
        let turns = Turns::default();
        let take_oldest = |tree: &Tree| {
            tree.view().frozen.last()?;
            tree.published.update(|old| {
                let mut view = old.clone();
                view.frozen.pop();
                view
            });
            Some(())
        };
        let serve = || {
            let trees = made.iter().map(|tree| &tree.tree);
            let (tree, ()) = turns.serve(trees, Tree::l1_fill_percent, take_oldest)?;
            let (number, _) = frozen.iter().find(|(number, _)| keyspace(*number) == tree.keyspace)?;
            if busy.contains(number) {
                freeze_one(&tree);
            }
            Some(*number)
        };
        (0..rounds).map_while(|_| serve()).collect()
    }

    #[test]
    fn one_tree_is_served_while_it_has_work() {
        assert_eq!(served(&[(0, 3)], &[], 9), [0, 0, 0]);
    }

    #[test]
    fn the_tree_that_is_nearest_to_its_stall_comes_first() {
        assert_eq!(served(&[(0, 1), (1, 4)], &[], 2), [1, 1]);
        assert_eq!(served(&[(0, 4), (1, 1)], &[], 2), [0, 0]);
    }

    #[test]
    fn a_tree_that_always_has_work_does_not_keep_another_waiting() {
        assert_eq!(served(&[(0, 4), (1, 1)], &[0], 6), [0, 0, 0, 1, 0, 0]);
        assert_eq!(served(&[(0, 4), (1, 4)], &[0, 1], 6), [0, 1, 0, 1, 0, 1]);
        assert_eq!(served(&[(0, 4), (1, 4), (2, 4)], &[0, 1, 2], 6), [0, 1, 2, 0, 1, 2]);
    }
}

//! Reading several keys at one moment, on the caller's thread.
//!
//! As long as everything is in memory, an epoch guard holds the moment. When blocks have to be read, the view is kept and
//! the seqno registered as for a scan, and the guard is dropped before the wait.

use super::moment::Moment;
use super::open::Handle;
use crate::base::coverage::reached;
use crate::base::key::SeqNo;
use crate::base::sync::{Arc, epoch};
use crate::tree::multi_lookup::{Answer, Asked, MultiLookup};

/// Keys that are looked up under one guard, and whose blocks are in memory together. More keys are taken in turns of so
/// many, at the same moment.
const KEYS_AT_ONCE: usize = 256;

impl Handle {
    /// What each of `keys` has, in their order, at a snapshot's seqno or now: all at one moment.
    pub(crate) fn multi_get<K: AsRef<[u8]>>(self: &Arc<Self>, keys: &[K], at: Option<SeqNo>) -> Vec<Answer> {
        if let Err(error) = self.0.check_open() {
            return keys.iter().map(|_| Err(error.clone())).collect();
        }
        let mut answers: Vec<Answer> = keys.iter().map(|_| Ok(None)).collect();
        if keys.len() > KEYS_AT_ONCE {
            reached!("multi_get: more keys than are looked up at once");
            let moment = Moment::new(self, at);
            for (keys, answers) in keys.chunks(KEYS_AT_ONCE).zip(answers.chunks_mut(KEYS_AT_ONCE)) {
                let mut asked = Asked { keys, answers, reader: moment.seqno() };
                let lookup = MultiLookup::begin(moment.view(), &mut asked, &epoch::pin());
                moment.finish(lookup, &mut asked);
            }
            return answers;
        }
        let guard = epoch::pin();
        let (view, newest) = self.0.visible.moment(&self.0.trees.default_tree().published, &guard);
        let mut asked = Asked { keys, answers: &mut answers, reader: at.unwrap_or(newest) };
        let lookup = MultiLookup::begin(view, &mut asked, &guard);
        if !lookup.is_done() {
            let moment = Moment::of(self, view, asked.reader);
            drop(guard);
            moment.finish(lookup, &mut asked);
        }
        answers
    }
}

impl Moment {
    /// Reads what a lookup needs until it is done. No guard is held meanwhile.
    fn finish<K: AsRef<[u8]>>(&self, mut lookup: MultiLookup, asked: &mut Asked<'_, K>) {
        while !lookup.is_done() {
            let blocks = self.blocks().read_many(lookup.needed());
            lookup.supply(blocks);
            lookup.go_on(self.view(), asked, &epoch::pin());
        }
    }
}

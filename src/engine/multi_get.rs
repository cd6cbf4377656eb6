//! Reading several keys at one moment: on the caller's thread, or awaiting the blocks.
//!
//! As long as everything is in memory, an epoch guard holds the moment. When blocks have to be read, the view is kept and
//! the seqno registered as for a scan, and the guard is dropped before the wait.

use super::arriving::begin_reads;
use super::caller::{Caller, take_turn};
use super::moment::Moment;
use super::open::Handle;
use crate::base::coverage::reached;
use crate::base::error::Error;
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
        let mut answers = no_answers(keys.len());
        let mut moment = None;
        for (keys, answers) in in_turns(keys, &mut answers) {
            let mut lookup = begin_multi_get(self, keys, answers, at, &mut moment);
            while let Some(moment) = moment.as_ref().filter(|_| !lookup.is_done()) {
                lookup.supply(moment.blocks().read_many(lookup.needed()));
                moment.go_on(&mut lookup, keys, answers);
            }
        }
        answers
    }
}

/// As [`Handle::multi_get`], with the blocks awaited.
pub(crate) async fn multi_get_awaited<C: Caller, K: AsRef<[u8]>>(
    caller: &C,
    keys: &[K],
    at: Option<SeqNo>,
) -> Vec<Answer> {
    let refused = |error: Error| keys.iter().map(|_| Err(error.clone())).collect();
    if let Err(error) = caller.check_open() {
        return refused(error);
    }
    let mut answers = no_answers(keys.len());
    let mut moment = None;
    for (keys, answers) in in_turns(keys, &mut answers) {
        if let Err(error) = take_turn(caller, keys.len() as u32).await {
            return refused(error);
        }
        let mut lookup = begin_multi_get(caller, keys, answers, at, &mut moment);
        while let Some(moment) = moment.as_ref().filter(|_| !lookup.is_done()) {
            let read = begin_reads(caller, lookup.needed().to_vec()).await;
            // What was begun in the parent is polled in a child: nothing more is looked up, or read.
            if let Err(error) = caller.engine().process.check() {
                return refused(error);
            }
            lookup.supply(read);
            moment.go_on(&mut lookup, keys, answers);
        }
    }
    answers
}

/// Looks up what is in memory. If something is left, or more turns follow, there is a moment for it afterwards.
fn begin_multi_get<C: Caller, K: AsRef<[u8]>>(
    caller: &C,
    keys: &[K],
    answers: &mut [Answer],
    at: Option<SeqNo>,
    moment: &mut Option<Moment<C>>,
) -> MultiLookup {
    let guard = epoch::pin();
    if let Some(moment) = moment {
        let mut asked = Asked { keys, answers, reader: moment.seqno() };
        return MultiLookup::begin(moment.view(), &mut asked, &guard);
    }
    let engine = caller.engine();
    let (view, newest) = engine.visible.moment(&engine.trees.default_tree().published, &guard);
    let mut asked = Asked { keys, answers, reader: at.unwrap_or(newest) };
    let lookup = MultiLookup::begin(view, &mut asked, &guard);
    if !lookup.is_done() || keys.len() == KEYS_AT_ONCE {
        *moment = Some(Moment::of(caller, view, asked.reader));
    }
    lookup
}

fn no_answers(count: usize) -> Vec<Answer> {
    (0..count).map(|_| Ok(None)).collect()
}

/// Keys and answers in turns.
fn in_turns<'a, K>(
    keys: &'a [K],
    answers: &'a mut [Answer],
) -> impl Iterator<Item = (&'a [K], &'a mut [Answer])> {
    if keys.len() > KEYS_AT_ONCE {
        reached!("multi_get: more keys than are looked up at once");
    }
    keys.chunks(KEYS_AT_ONCE).zip(answers.chunks_mut(KEYS_AT_ONCE))
}

impl<C: Caller> Moment<C> {
    /// Goes on with a lookup at this moment. No guard is held before or after.
    fn go_on<K: AsRef<[u8]>>(&self, lookup: &mut MultiLookup, keys: &[K], answers: &mut [Answer]) {
        let mut asked = Asked { keys, answers, reader: self.seqno() };
        lookup.go_on(self.view(), &mut asked, &epoch::pin());
    }
}

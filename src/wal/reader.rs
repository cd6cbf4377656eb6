//! Reading the log of an earlier opening: segments first, then what only the stage holds.
//!
//! The stream ends at the first place that holds no valid record. That is a torn tail, unless something proves
//! that a complete record was durable there: the mark in the stage, in a segment's header or in a later record.
//! Then it is damage, and an error. That bytes behind the place were durable is no proof: drains end at sectors,
//! so the last record of an intact log may be durable in part.

use std::path::Path;

use super::format::{Parsed, Place, RECORD_HEADER_LEN, RecordKind, claimed_end, parse};
use super::segment::Segment;
use super::stage_image::StageImage;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::key::SeqNo;
use crate::base::lsn::{Generation, Lsn};
use crate::exec::Local;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Longest record that is looked at in search of proof. Behind a longer one, shorter ones are found again.
const PROOF_RECORD_LEN_MAX: usize = 256 << 10;

/// One batch of the log.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// Seqno of the first entry.
    pub(crate) seqno: SeqNo,
    /// Where the record stands.
    pub(crate) lsn: Lsn,
    /// The entries.
    pub(crate) payload: &'a [u8],
}

/// Reads a stream from its start to its end.
pub(crate) struct LogReader {
    generation: Generation,
    /// Contiguous, by start.
    segments: Vec<Segment>,
    stage: Option<StageImage>,
    /// Bytes of the stream from `window_start` on.
    window: Vec<u8>,
    window_start: Lsn,
    /// The next record.
    position: Lsn,
    /// Whether the window's end already comes from the stage.
    in_stage: bool,
    /// LSN behind the last byte that segments hold.
    segments_end: Lsn,
    /// Whether the stage may hold less than its marks say: see `Options::open_without_stage`.
    forgives_stage: bool,
}

impl LogReader {
    /// A reader of the log `generation` from `start` on, which lies in `dir`. `segments` may hold
    /// other generations and other parts of this one.
    pub(crate) fn new(
        dir: &Path,
        generation: Generation,
        start: Lsn,
        mut segments: Vec<Segment>,
        stage: Option<StageImage>,
    ) -> Result<Self> {
        segments.retain(|segment| segment.header.generation == generation);
        if segments.is_empty() {
            reached!("replay: no segment of the log");
            // The manifest names a log only when its first segment is durable, and the last segment is never recycled.
            let expected = format!("one that holds LSN {start}");
            return Err(Error::corruption(dir, 0, "log segment", expected, "none"));
        }
        // Records may be flushed to L2 before they are drained. Then the log starts behind the end of its last
        // segment, and only the stage can hold more of it.
        if segments.iter().all(|segment| segment.end() < start) {
            reached!("replay: the log starts behind its segments");
        }
        segments.retain(|segment| segment.end() >= start);
        segments.sort_by_key(|segment| segment.header.start);
        let mut segments_end = start;
        for (number, segment) in segments.iter().enumerate() {
            let begins = segment.header.start;
            if begins != segments_end && (number > 0 || begins > start) {
                reached!("replay: a segment is missing");
                return Err(Error::corruption(
                    segment.file.path(),
                    0,
                    "place in the log",
                    format!("a segment that begins at LSN {segments_end}"),
                    format!("one that begins at LSN {begins}"),
                ));
            }
            segments_end = segment.end();
        }
        let (window, window_start) = (Vec::new(), start);
        Ok(Self {
            generation,
            segments,
            stage,
            window,
            window_start,
            position: start,
            in_stage: false,
            segments_end,
            forgives_stage: false,
        })
    }

    /// From now on a stage that holds less than its marks say is a torn tail and no damage.
    pub(crate) fn forgive_stage(&mut self) {
        self.forgives_stage = true;
    }

    /// Where the stream ends, once [`next`](Self::next) has returned `None`.
    pub(crate) fn position(&self) -> Lsn {
        self.position
    }

    /// The next batch; `None` at the end of the stream.
    pub(crate) async fn next(&mut self, local: &Local) -> Result<Option<Batch<'_>>> {
        let (lsn, seqno, payload_len) = loop {
            let place = Place { generation: self.generation, lsn: self.position };
            let rest = &self.window[(self.position - self.window_start) as usize..];
            match parse(rest, place) {
                Parsed::Record(record) => {
                    let (kind, seqno, payload_len) = (record.kind, record.seqno, record.payload.len());
                    self.position += record.len as u64;
                    if kind == RecordKind::Batch {
                        break (place.lsn, seqno, payload_len);
                    }
                }
                Parsed::Incomplete(_) if !self.in_stage && self.window_end() < self.segments_end => {
                    self.extend(local).await?;
                }
                _ if !self.in_stage => self.turn_to_stage(local).await?,
                _ => {
                    self.check_end(local).await?;
                    return Ok(None);
                }
            }
        };
        if self.in_stage {
            reached!("replay: a batch from the stage");
        }
        let start = (lsn - self.window_start) as usize + RECORD_HEADER_LEN;
        Ok(Some(Batch { seqno, lsn, payload: &self.window[start..start + payload_len] }))
    }

    fn window_end(&self) -> Lsn {
        self.window_start + self.window.len() as u64
    }

    /// Reads on, and forgets what lies behind the position.
    async fn extend(&mut self, local: &Local) -> Result<()> {
        self.window.drain(..(self.position - self.window_start) as usize);
        self.window_start = self.position;
        let more = self.read_segments(local, self.window_end(), CHUNK).await?;
        self.window.extend_from_slice(&more);
        Ok(())
    }

    /// Reads stream bytes at `lsn` from the segment that holds it; not beyond that segment.
    async fn read_segments(&self, local: &Local, lsn: Lsn, len: usize) -> Result<Vec<u8>> {
        let Some(segment) = self.segments.iter().find(|segment| segment.holds(lsn)) else {
            return Ok(Vec::new());
        };
        let len = len.min((segment.end() - lsn) as usize);
        let offset = segment.offset(lsn);
        let bytes = local.read(&segment.file, offset, len).await?;
        if bytes.len() < len {
            reached!("replay: a segment is short");
            let (expected, found) = (offset + len as u64, offset + bytes.len() as u64);
            let path = segment.file.path();
            return Err(Error::corruption(path, found, "segment length", expected, found));
        }
        Ok(bytes.to_vec())
    }

    /// Where segments hold no further record, the stage may hold its rest and what follows.
    async fn turn_to_stage(&mut self, local: &Local) -> Result<()> {
        self.in_stage = true;
        let mut bytes = Vec::new();
        let mut position = self.position;
        if let Some(drained) = self.stage.as_ref().map(StageImage::drained) {
            let drained = drained.min(self.segments_end);
            if position < drained {
                reached!("replay: a record begins in a segment and ends in the stage");
            }
            while position < drained {
                let piece = self.read_segments(local, position, (drained - position) as usize).await?;
                position += piece.len() as u64;
                bytes.extend_from_slice(&piece);
            }
        }
        if let Some(stage) = &self.stage {
            stage.append_from(local, position, &mut bytes).await?;
        }
        self.window = bytes;
        self.window_start = self.position;
        Ok(())
    }

    /// The stream has ended at `position`: looks for proof that a record was durable there.
    async fn check_end(&self, local: &Local) -> Result<()> {
        // A segment's header states how far complete records were durable when it was begun.
        let begun = self.segments.iter().map(|segment| segment.header.complete).max().unwrap_or_default();
        let mut proof = self.stage.as_ref().map_or(Lsn::ZERO, StageImage::complete).max(begun);
        if proof <= self.position {
            self.check_staged()?;
            proof = self.begun_proof(local).await?;
        }
        if proof <= self.position {
            proof = self.later_proof(local).await?;
        }
        if proof <= self.position {
            reached!("replay: the log ends");
            if self.window[(self.position - self.window_start) as usize..].iter().any(|byte| *byte != 0) {
                reached!("replay: behind the end of the log lies something else");
            }
            return Ok(());
        }
        self.check_complete(proof)
    }

    /// If only the process has died, the stage holds everything up to the mark of its head.
    fn check_staged(&self) -> Result<()> {
        let Some(stage) = self.stage.as_ref().filter(|_| !self.forgives_stage) else { return Ok(()) };
        let Some(head) = stage.must_reach().filter(|head| *head > self.position) else { return Ok(()) };
        reached!("replay: the stage should hold more");
        let segment = self.segments.iter().find(|segment| segment.holds(self.position));
        let from_segment = segment.filter(|_| self.position < stage.drained());
        let (path, offset) = stage.place(self.position.max(stage.drained()));
        let mut found = "none".to_owned();
        if let Some(segment) = from_segment {
            let (path, offset) = (segment.file.path().display(), segment.offset(self.position));
            found = format!("none that begins in {path} at offset {offset} and ends here");
        }
        let expected = format!(
            "a valid record at LSN {}, complete ones having been staged up to {head} \
             (see `Options::open_without_stage`)",
            self.position
        );
        Err(Error::corruption(path, offset, "log record", expected, found))
    }

    fn check_complete(&self, proof: Lsn) -> Result<()> {
        reached!("replay: the log should not have ended");
        let segment = self.segments.iter().find(|segment| segment.holds(self.position));
        // If there is no segment, the log starts behind its segments, where nothing was ever durable.
        let Some(segment) = segment.or(self.segments.last()) else { return Ok(()) };
        Err(Error::corruption(
            segment.file.path(),
            segment.offset(self.position.min(segment.end())),
            "log record",
            format!("a valid record, complete ones being durable up to LSN {proof}"),
            "none",
        ))
    }

    /// A segment is begun when the one before it is full and durable. That proves a record that ends in the
    /// segment before, but not one that goes on into the begun segment, which may be torn. Where the record at
    /// `position` ends, only its own header can tell; its length is believed although no checksum covers it.
    async fn begun_proof(&self, local: &Local) -> Result<Lsn> {
        let begun = self.segments.last().map_or(Lsn::ZERO, |segment| segment.header.start);
        let header = self.read_segments(local, self.position, RECORD_HEADER_LEN).await?;
        let ended = claimed_end(&header, self.position).is_some_and(|end| end <= begun);
        if ended {
            reached!("replay: the begun segment proves damage");
        }
        Ok(if ended { begun } else { Lsn::ZERO })
    }

    /// The durable mark of the first record behind the end that states one beyond the end; zero if none does.
    async fn later_proof(&self, local: &Local) -> Result<Lsn> {
        let mut position = self.position;
        while position < self.segments_end {
            // Twice what is searched at a time, so that a record across its end is read completely.
            let mut bytes = self.read_segments(local, position, 2 * PROOF_RECORD_LEN_MAX).await?;
            let behind = position + bytes.len() as u64;
            bytes.extend(self.read_segments(local, behind, 2 * PROOF_RECORD_LEN_MAX - bytes.len()).await?);
            let stride = bytes.len().min(PROOF_RECORD_LEN_MAX);
            for offset in (0..stride).step_by(8) {
                let candidate = &bytes[offset..];
                if candidate.len() < RECORD_HEADER_LEN {
                    break;
                }
                let place = Place { generation: self.generation, lsn: position + offset as u64 };
                if let Parsed::Record(record) = parse(candidate, place)
                    && record.durable > self.position
                {
                    reached!("replay: a later record proves damage");
                    return Ok(record.durable);
                }
            }
            position += stride as u64;
            local.yield_if_due().await;
        }
        Ok(Lsn::ZERO)
    }
}

//! A core's way to the simulated disk.
//!
//! It never waits: told to, it notes until when, so that the world knows the next event, and
//! returns. Memory lent to it is treated as roughly as a kernel may: a read buffer holds garbage
//! until its completion, and what a write was lent must not have changed by then.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use super::flight::{Effect, Flight, Landed};
use super::world::World;
use crate::base::error::Result;
use crate::base::limits::SECTOR;
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;
use crate::io::{Completion, Data, File, Op, Queue, Reach, Unpark, Wait};

/// What a read buffer holds before its completion.
const GARBAGE: u8 = 0xa5;

/// One queue of one process.
pub(super) struct SimulatedQueue {
    world: World,
    /// The process that it belongs to.
    process: u64,
    counters: Arc<IoCounters>,
    number: u64,
    /// Operations in flight by their number in the world.
    operations: HashMap<u64, (u64, Op)>,
    /// Not used: what is open while the queue is there.
    _held: Option<File>,
}

impl SimulatedQueue {
    /// A new queue of a process of the world.
    pub(super) fn new(world: &World, process: u64, counters: Arc<IoCounters>, held: &File) -> Self {
        let mut queue = Self::of_caller(world, process, counters);
        queue._held = Some(held.clone());
        queue
    }

    /// A queue of a caller of a process of the world, who has the database open.
    pub(super) fn of_caller(world: &World, process: u64, counters: Arc<IoCounters>) -> Self {
        let number = world.state().new_queue();
        let world = world.clone();
        Self { world, process, counters, number, operations: HashMap::new(), _held: None }
    }

    /// Its number in the world.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn complete(&mut self, number: u64, flight: Flight, landed: Landed, done: &mut Vec<Completion>) {
        let (token, mut op) = self.operations.remove(&number).expect("what lands was submitted here");
        match (&mut op, flight.effect) {
            (Op::Read { buffer, .. }, Effect::Read { .. }) if landed.result.is_ok() => {
                buffer.clear();
                buffer.extend_from_slice(&landed.bytes);
            }
            (Op::Write { data, file, offset, .. }, Effect::Write { bytes, .. }) => assert!(
                copy_of(data) == bytes,
                "memory lent to a write to {} at {offset} was changed before its completion",
                file.path().display(),
            ),
            _ => {}
        }
        let result = landed.result.map_err(io::Error::from);
        op.count(&self.counters, &result);
        done.push(Completion { token, result, op });
    }
}

/// The bytes that a write was lent, as they are now.
fn copy_of(data: &Data) -> Vec<u8> {
    match data {
        Data::Owned(buffer) => buffer.to_vec(),
        Data::Mapped { map, offset, len } => map.copy_out(*offset, *len),
    }
}

impl Queue for SimulatedQueue {
    fn submit(&mut self, token: u64, mut op: Op) {
        let effect = match &mut op {
            Op::Read { file, offset, buffer } => {
                assert!(
                    !file.is_direct() || offset.is_multiple_of(SECTOR as u64),
                    "direct reads begin at sectors"
                );
                buffer.clear();
                let len = buffer.capacity();
                buffer.zero_to(len);
                buffer.fill(GARBAGE);
                Effect::Read { offset: *offset, len }
            }
            Op::Write { offset, data, reach, .. } => {
                let durable = *reach == Reach::Durable;
                Effect::Write { offset: *offset, bytes: copy_of(data), durable }
            }
            // The number of the newest change is filled in by the world.
            Op::Sync { .. } => Effect::Sync { order: 0 },
            Op::Allocate { len, .. } => Effect::Allocate { len: *len },
            Op::Shorten { len, .. } => Effect::Shorten { len: *len },
            Op::Remove { name, .. } => Effect::Remove { name: name.clone() },
        };
        let (file, path) = match &op {
            Op::Read { file, .. }
            | Op::Write { file, .. }
            | Op::Sync { file }
            | Op::Allocate { file, .. }
            | Op::Shorten { file, .. } => (file, file.path().to_path_buf()),
            Op::Remove { dir, name } => (dir.file(), dir.path_of(name)),
        };
        let inode = file.simulated().inode;
        let flight = Flight { queue: self.number, due: Duration::ZERO, inode, path, effect };
        let number = self.world.state().submit(self.process, flight);
        self.operations.insert(number, (token, op));
    }

    fn turn(&mut self, wait: Wait, done: &mut Vec<Completion>) -> Result<()> {
        let deadline = match wait {
            Wait::No => None,
            Wait::Until(deadline) => deadline,
        };
        let landed = self.world.state().turn(self.process, self.number, deadline);
        for (number, flight, landed) in landed {
            self.complete(number, flight, landed, done);
        }
        self.world.wake_callers();
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.operations.len()
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::new(NobodyWaits)
    }
}

impl Drop for SimulatedQueue {
    fn drop(&mut self) {
        // As a ring does: what is in flight ends before the memory lent to it goes.
        let landed = self.world.state().drain(self.process, self.number);
        let mut done = Vec::new();
        for (number, flight, landed) in landed {
            self.complete(number, flight, landed, &mut done);
        }
    }
}

/// Unparks a queue that never waits.
struct NobodyWaits;

impl Unpark for NobodyWaits {
    fn unpark(&self) {}
}

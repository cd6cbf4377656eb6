//! A durable write of a caller: a queue of one operation. Its future is woken when the time has come, and must be polled to
//! its end, as what it was lent is looked at until then; if it is dropped before, the write ends there and then.

use std::io;
use std::task::{Context, Poll};

use super::queue::SimulatedQueue;
use super::world::World;
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;
use crate::io::{Data, File, Op, Queue, Reach, Wait};

/// The write, in its queue.
pub(crate) struct CallerWrite {
    queue: SimulatedQueue,
    world: World,
}

impl CallerWrite {
    /// Begins a write of a process of the world.
    pub(super) fn begin(
        world: &World,
        process: u64,
        counters: Arc<IoCounters>,
        (file, offset, data): (&File, u64, Data),
    ) -> Self {
        let mut queue = SimulatedQueue::of_caller(world, process, counters);
        queue.submit(0, Op::Write { file: file.clone(), offset, data, reach: Reach::Durable });
        Self { queue, world: world.clone() }
    }

    /// Whether it has ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut done = Vec::new();
        self.queue.turn(Wait::No, &mut done).expect("a simulated queue does not break");
        match done.pop() {
            Some(completion) => Poll::Ready(completion.result.map(drop)),
            None => {
                self.world.wake_when_due(self.queue.number(), context.waker().clone());
                Poll::Pending
            }
        }
    }
}

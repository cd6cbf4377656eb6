//! Thread-per-core execution: a cooperative executor, a ring and a mailbox for each core.
//!
//! A [`Core`](core::Core) runs tasks (futures that never leave it) and its queue's completions in *turns*. In
//! production each core's turns are taken by its own thread; a test takes them itself, in an order
//! of its choosing. Beside the engine's own tasks a core runs [`guest`]s, futures of the host program. Tasks do I/O through their [`Local`]; other threads reach a core through
//! [`Cores`], wait for it by [`Event`] or [`reply()`], and block with [`block_on()`].

mod block_on;
mod core;
mod cores;
mod driven;
mod event;
mod guest;
mod local;
#[cfg(all(test, loom))]
mod loom_tests;
mod mailbox;
mod reply;
#[cfg(feature = "sim")]
mod stepped;
mod timers;
mod together;
mod waits;
mod wake;

pub(crate) use block_on::block_on;
pub(crate) use cores::Cores;
pub(crate) use driven::Driven;
pub(crate) use event::Event;
pub(crate) use guest::Outcome;
pub(crate) use local::{Local, Reading, Writing};
pub(crate) use reply::{Promise, Reply, reply};
#[cfg(feature = "sim")]
pub(crate) use stepped::Stepped;
pub(crate) use together::together;
pub(crate) use wake::wake;

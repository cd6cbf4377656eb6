//! Models of what threads wait by: events, replies, parked threads, the mailbox of a core.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use loom::thread;

use super::block_on;
use super::event::Event;
use super::mailbox::Mailbox;
use super::reply::reply;
use super::waits::Waits;
use crate::base::error::Error;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::loom_tests::{Watched, model};
use crate::base::sync::parker::Parker;
use crate::base::sync::{Arc, Mutex, lock};
use crate::io::Unpark;

#[test]
fn a_notification_after_listening_is_not_lost() {
    model(|| {
        let (event, flag) = (Arc::new(Event::default()), Arc::new(AtomicBool::new(false)));
        let teller = {
            let (event, flag) = (Arc::clone(&event), Arc::clone(&flag));
            thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                event.notify();
            })
        };
        let listener = event.listen();
        if !flag.load(Ordering::Relaxed) {
            block_on(listener);
        }
        assert!(flag.load(Ordering::Relaxed));
        teller.join().unwrap();
    });
}

#[test]
fn all_listeners_wake() {
    model(|| {
        let (event, flag) = (Arc::new(Event::default()), Arc::new(AtomicBool::new(false)));
        let wait = |event: &Event, flag: &AtomicBool| {
            let listener = event.listen();
            if !flag.load(Ordering::Relaxed) {
                block_on(listener);
            }
        };
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let (event, flag) = (Arc::clone(&event), Arc::clone(&flag));
                thread::spawn(move || wait(&event, &flag))
            })
            .collect();
        flag.store(true, Ordering::Relaxed);
        event.notify();
        waiting.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn a_reply_arrives() {
    model(|| {
        let (promise, answer) = reply();
        let sender = thread::spawn(move || promise.fulfil(7));
        assert_eq!(block_on(answer).unwrap(), 7);
        sender.join().unwrap();
    });
}

#[test]
fn a_promise_that_is_dropped_is_heard_of() {
    model(|| {
        let (promise, answer) = reply::<u64>();
        let sender = thread::spawn(move || drop(promise));
        assert!(matches!(block_on(answer), Err(Error::Closed)));
        sender.join().unwrap();
    });
}

/// A future that another thread ends by waking it, with data that nothing but the wake orders.
struct Woken {
    waker: Arc<Mutex<Option<Waker>>>,
    data: Arc<Watched>,
    polled: bool,
}

impl Future for Woken {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        if self.polled {
            return Poll::Ready(self.data.get());
        }
        self.polled = true;
        let (waker, data) = (context.waker().clone(), Arc::clone(&self.data));
        *lock(&self.waker) = Some(waker.clone());
        thread::spawn(move || {
            data.set(7);
            waker.wake();
        });
        Poll::Pending
    }
}

#[test]
fn what_was_done_before_a_wake_is_seen_after_it() {
    model(|| {
        let woken = Woken { waker: Arc::default(), data: Arc::new(Watched::new(0)), polled: false };
        assert_eq!(block_on(woken), 7);
    });
}

/// Ends the sleep of a model's thread, or its next one, as the contract of [`Unpark`] says.
#[derive(Default)]
struct Wakeup(Parker);

impl Unpark for Wakeup {
    fn unpark(&self) {
        self.0.unpark();
    }
}

/// A mailbox, and where its core sleeps.
fn new_mailbox() -> (Arc<Mailbox>, Arc<Wakeup>) {
    let wakeup = Arc::new(Wakeup::default());
    (Arc::new(Mailbox::new(Arc::clone(&wakeup) as Arc<dyn Unpark>)), wakeup)
}

/// The turns of a core until it has read `count` wakes or is told to stop; returns the wakes.
fn read_messages(mailbox: &Mailbox, wakeup: &Wakeup, count: usize) -> Vec<u64> {
    let mut wakes = Vec::new();
    loop {
        let messages = mailbox.take();
        wakes.extend(messages.wakes);
        if wakes.len() >= count || messages.stop {
            return wakes;
        }
        if mailbox.fall_asleep() {
            wakeup.0.park();
        }
        mailbox.wake_up();
    }
}

#[test]
fn no_message_lies_while_the_core_sleeps() {
    model(|| {
        let (mailbox, wakeup) = new_mailbox();
        let sender = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                mailbox.wake(1);
                mailbox.wake(2);
            })
        };
        assert_eq!(read_messages(&mailbox, &wakeup, 2), [1, 2]);
        sender.join().unwrap();
    });
}

/// The thread of a driver, called in its loop and in the queue. Each place has a sleep of its own.
#[test]
fn who_calls_a_driver_calls_it_where_it_waits() {
    model(|| {
        let (in_loop, in_queue) = (Arc::new(Wakeup::default()), Arc::new(Wakeup::default()));
        let unpark = |wakeup: &Arc<Wakeup>| Arc::clone(wakeup) as Arc<dyn Unpark>;
        let waits = Arc::new(Waits::new(unpark(&in_loop), unpark(&in_queue)));
        let mailbox = Arc::new(Mailbox::new(Arc::clone(&waits) as Arc<dyn Unpark>));
        // As a driver is made: it waits in its loop.
        assert!(mailbox.fall_asleep());
        let sender = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                mailbox.wake(1);
                mailbox.wake(2);
            })
        };
        waits.next_in_queue();
        let mut count = read_messages(&mailbox, &in_queue, 1).len();
        waits.next_in_loop();
        while count < 2 {
            if mailbox.fall_asleep() {
                in_loop.0.park();
            }
            count += mailbox.take().wakes.len();
        }
        sender.join().unwrap();
    });
}

#[test]
fn a_core_hears_two_senders_and_the_stop() {
    model(|| {
        let (mailbox, wakeup) = new_mailbox();
        let sender = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.wake(1))
        };
        let stopper = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.stop())
        };
        assert!(read_messages(&mailbox, &wakeup, 2).len() <= 1);
        sender.join().unwrap();
        stopper.join().unwrap();
    });
}

#[test]
fn a_message_to_a_core_that_ends_is_not_kept() {
    model(|| {
        let (mailbox, _wakeup) = new_mailbox();
        let (promise, answer) = reply::<u64>();
        let sender = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                let keep = promise;
                mailbox.start(Box::new(move |_| {
                    drop(keep);
                    unreachable!("no core is left to start it")
                }));
            })
        };
        mailbox.end();
        assert!(matches!(block_on(answer), Err(Error::Closed)));
        sender.join().unwrap();
    });
}

//! Reads on the ring of tokio-uring's runtime: the same answers, and nothing left behind by those that are dropped.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use rabi::{Db, IoBackend, Options, TokioUringDb, WriteBatch, WriteOptions};

use crate::scratch::{Scratch, contents, forget_pages, number, small};

const KEYS: usize = 600;

fn key(number: usize) -> String {
    format!("key{number:05}")
}

/// All levels, and nothing cached: neither by the database nor by the system.
fn filled(scratch: &Scratch, backend: IoBackend) -> Db {
    filled_with(scratch, small().io_backend(backend).cache_size_bytes(0))
}

fn filled_with(scratch: &Scratch, options: Options) -> Db {
    let db = Db::open(scratch.dir(), options).unwrap();
    for part in 0..3 {
        (0..KEYS).filter(|number| number % 3 == part).for_each(|number| {
            db.put(key(number), vec![number as u8; 300]).unwrap();
        });
        if part == 0 { db.compact().unwrap() } else { db.flush().unwrap() }
    }
    forget_pages(&scratch.dir());
    db
}

async fn check_all(db: TokioUringDb) -> rabi::Result<()> {
    for number in 0..KEYS {
        let found = db.get(key(number)).await?;
        assert_eq!(found.as_deref(), Some(&vec![number as u8; 300][..]));
    }
    assert!(!db.contains_key("absent").await?);
    let found = db.multi_get((0..KEYS + 10).map(key)).await;
    for (number, found) in found.into_iter().enumerate() {
        assert_eq!(found?.is_some(), number < KEYS);
    }
    let ranges = [(db.prefix("key"), false), (db.range(key(0)..key(KEYS)).rev(), true)];
    for (mut range, is_backward) in ranges {
        let mut keys = Vec::new();
        while let Some(entry) = range.next().await {
            keys.push(String::from_utf8(entry?.0).unwrap());
        }
        if is_backward {
            keys.reverse();
        }
        assert!(keys == (0..KEYS).map(key).collect::<Vec<_>>());
    }
    Ok(())
}

#[test]
fn tasks_of_tokio_uring_read_on_its_ring() {
    for (backend, direct) in [(IoBackend::Auto, false), (IoBackend::Auto, true), (IoBackend::Blocking, false)]
    {
        let scratch = Scratch::new();
        let options = small().io_backend(backend).cache_size_bytes(0).direct_reads(direct);
        let blocking = filled_with(&scratch, options);
        tokio_uring::start(async {
            let db = blocking.to_async().on_tokio_uring();
            let tasks: Vec<_> = (0..8).map(|_| tokio_uring::spawn(check_all(db.clone()))).collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            db.put("later", "value").await.unwrap();
            db.delete(key(0)).await.unwrap();
            let mut batch = WriteBatch::new();
            batch.put("batch", "value");
            db.write(batch, WriteOptions::new()).await.unwrap();
        });
        assert_eq!(contents(&blocking).len(), KEYS + 1);
        assert!(number(&blocking.stats(), "reads") > 0);
    }
}

/// Polls so many times, and drops the future; whether it had ended.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> bool {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        context.waker().wake_by_ref();
        if Pin::new(&mut future).as_mut().poll(context).is_ready() {
            Poll::Ready(true)
        } else {
            Poll::Pending
        }
    })
    .await
}

#[test]
fn a_read_that_is_dropped_in_flight_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let blocking = filled(&scratch, IoBackend::Auto);
    let dropped = tokio_uring::start(async {
        let db = blocking.to_async().on_tokio_uring();
        let mut dropped = 0;
        for round in 0..60 {
            forget_pages(&scratch.dir());
            let polls = round % 3 + 1;
            let keys = (0..KEYS).filter(|number| number % 60 == round).map(key);
            dropped += usize::from(!drop_after(polls, db.multi_get(keys)).await);
            dropped += usize::from(!drop_after(polls, db.get(key(round))).await);
            dropped += usize::from(!drop_after(polls, db.prefix("key").next()).await);
        }
        check_all(db).await.unwrap();
        dropped
    });
    // Without a cache every read goes to the files; those that the system has not forgotten end at once.
    println!("{dropped} of 180 reads were dropped in flight");
    (0..300).for_each(|_| blocking.put("again", [1; 100]).unwrap());
    blocking.close().unwrap();
}

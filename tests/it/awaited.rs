//! The awaited calls on three executors that the engine does not know: the same answers as the blocking ones.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rabi::{
    AsyncDb, Db, Durability, Error, IoBackend, KEY_LEN_MAX, Options, Ticket, Value, WriteBatch, WriteOptions,
};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, small};

const BACKENDS: [IoBackend; 2] = [IoBackend::Auto, IoBackend::Blocking];

fn key(number: usize) -> String {
    format!("key{number:05}")
}

/// No executor at all: a thread that parks until it is woken.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

/// Writes, deletes, and reads everything in every way while other tasks do the same elsewhere.
async fn work(db: AsyncDb, task: usize) -> rabi::Result<()> {
    let mut random = Random::new(("awaited", task));
    let of = |number: usize| format!("{task}/{}", key(number));
    let mut expected: Vec<Option<Vec<u8>>> = vec![None; 300];
    for round in 0..6 {
        for _ in 0..150 {
            let number = random.below(300);
            if random.chance(20) {
                db.delete(of(number)).await?;
                expected[number] = None;
            } else {
                let len = random.below(200);
                let value = random.bytes(len);
                db.put(of(number), &value).await?;
                expected[number] = Some(value);
            }
        }
        match round {
            1 => db.compact().await?,
            2 | 3 => db.flush().await?,
            4 => {
                let mut batch = WriteBatch::new();
                batch.put(of(7), "in a batch");
                expected[7] = Some(b"in a batch".into());
                let power = WriteOptions::new().durability(Durability::Power);
                db.write(batch, power).await?;
            }
            _ => db.sync().await?,
        }
        let snapshot = db.snapshot();
        for (number, expected) in expected.iter().enumerate() {
            assert_eq!(db.get(of(number)).await?.as_deref(), expected.as_deref());
            assert_eq!(snapshot.contains_key(of(number)).await?, expected.is_some());
        }
        let found = db.multi_get((0..300).map(of)).await;
        let found: Vec<Option<Value>> = found.into_iter().collect::<rabi::Result<_>>()?;
        assert!(found.iter().map(Option::as_deref).eq(expected.iter().map(Option::as_deref)));
        let all: Vec<(Vec<u8>, Vec<u8>)> = (0..300)
            .filter_map(|number| Some((of(number).into_bytes(), expected[number].clone()?)))
            .collect();
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        let mut range = snapshot.prefix(format!("{task}/"));
        while let Some(entry) = range.next().await {
            let (key, value) = entry?;
            forward.push((key, value.into_vec()));
        }
        let mut range = db.range(of(0)..of(299) + "x").rev();
        while let Some(entry) = range.next().await {
            let (key, value) = entry?;
            backward.insert(0, (key, value.into_vec()));
        }
        assert!(forward == all && backward == all);
    }
    Ok(())
}

fn open(scratch: &Scratch, backend: IoBackend) -> AsyncDb {
    Db::open(scratch.dir(), small().io_backend(backend).cache_size_bytes(16 << 10)).unwrap().to_async()
}

#[test]
fn tasks_of_tokio_write_and_read() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        runtime.block_on(async {
            let db = open(&scratch, backend);
            let tasks: Vec<_> = (0..6).map(|task| tokio::spawn(work(db.clone(), task))).collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            db.close().await.unwrap();
        });
    }
}

#[test]
fn tasks_of_smol_write_and_read() {
    let scratch = Scratch::new();
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let db = open(&scratch, IoBackend::Auto);
        let tasks: Vec<_> = (0..6).map(|task| executor.spawn(work(db.clone(), task))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        db.close().await.unwrap();
    }));
}

#[test]
fn a_thread_that_parks_writes_and_reads() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|task| {
                scope.spawn({
                    let db = db.clone();
                    move || block_on(work(db, task))
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
    block_on(db.close()).unwrap();
}

#[test]
fn what_is_in_memory_is_answered_in_the_first_poll() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new().cores(1)).unwrap();
    (0..500).for_each(|number| db.put(key(number), [1; 100]).unwrap());
    db.compact().unwrap();
    assert_eq!(contents(&db).len(), 500);
    (500..600).for_each(|number| db.put(key(number), [1; 100]).unwrap());
    let db = db.to_async();
    assert!(now(db.get(key(3))).unwrap().is_some() && now(db.get(key(555))).unwrap().is_some());
    assert!(now(db.contains_key("absent")).is_ok_and(|found| !found));
    assert!(now(db.multi_get((0..600).map(key))).into_iter().all(|found| found.unwrap().is_some()));
    now(db.put("key", "value")).unwrap();
    let mut range = db.iter();
    (0..600).for_each(|_| assert!(now(range.next()).unwrap().is_ok()));
    let mut wrong = WriteBatch::new();
    wrong.put(vec![b'k'; KEY_LEN_MAX + 1], "");
    assert!(matches!(now(db.submit(wrong)), Err(Error::KeyTooLarge { .. })));
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn tickets_are_in_the_order_of_writes_and_tell_when_they_are_durable() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    smol::block_on(async {
        let mut tickets: Vec<Ticket> = Vec::new();
        for number in 0..200 {
            let mut batch = WriteBatch::new();
            batch.put(key(number), "value");
            batch.put("last", key(number));
            tickets.push(db.submit(batch).await.unwrap());
            assert_eq!(db.get("last").await.unwrap().as_deref(), Some(key(number).as_bytes()), "visible");
        }
        assert!(tickets.is_sorted());
        let seqnos: Vec<u64> = tickets.iter().map(Ticket::seqno).collect();
        assert!(seqnos.iter().zip(1..).all(|(seqno, index)| *seqno == 2 * index), "{seqnos:?}");
        let newest = db.submit(WriteBatch::new()).await.unwrap();
        assert_eq!(newest.seqno(), 400);
        tickets[150].durable().await.unwrap();
        assert!(tickets[..=150].iter().all(Ticket::is_durable));
        newest.durable().await.unwrap();
        assert!(tickets.iter().all(Ticket::is_durable) && newest.is_durable());
        // Larger than the stage: it enters by a core.
        let mut large = WriteBatch::new();
        (0..40).for_each(|number| large.put(key(number), vec![2; 5000]));
        let large = db.submit(large).await.unwrap();
        assert_eq!((large.seqno(), db.get(key(39)).await.unwrap().unwrap().len()), (440, 5000));
        large.durable().await.unwrap();
        db.clone().close().await.unwrap();
        assert!(matches!(db.put("key", "").await, Err(Error::Closed)));
        assert!(matches!(db.get("key").await, Err(Error::Closed)));
        assert!(matches!(large.durable().await, Err(Error::Closed)));
        assert!(matches!(db.iter().next().await, Some(Err(Error::Closed))));
    });
}

/// A writer that is slowed or stopped leaves its thread to others.
#[test]
fn tasks_of_one_thread_go_on_while_others_wait_for_room() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let db = db.clone();
                executor.spawn(async move {
                    for number in 0..400 {
                        db.put(format!("{writer}/{number}"), [1; 1000]).await.unwrap();
                    }
                })
            })
            .collect();
        let mut turns = 0;
        let mut longest = Duration::ZERO;
        while !writers.iter().all(smol::Task::is_finished) {
            let start = std::time::Instant::now();
            smol::future::yield_now().await;
            longest = longest.max(start.elapsed());
            turns += 1;
        }
        for writer in writers {
            writer.await;
        }
        assert!(turns > 100, "{turns} turns, the longest {longest:?}");
        let stats = db.as_blocking().stats();
        let waited = stats.get("slowdowns").unwrap() + stats.get("stalls").unwrap();
        assert!(waited > 0, "nobody had to wait: {stats}");
        let mut range = db.iter();
        let mut count = 0;
        while let Some(entry) = range.next().await {
            entry.unwrap();
            count += 1;
        }
        assert_eq!(count, 3200);
    }));
}

#[test]
fn futures_may_move_to_other_threads() {
    fn check<F: Future + Send>(future: F) -> Pin<Box<F>> {
        Box::pin(future)
    }
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let snapshot = db.snapshot();
    let mut range = db.iter();
    drop((check(db.get("k")), check(db.contains_key("k")), check(db.multi_get(["k"]))));
    drop((check(db.put("k", "v")), check(db.delete("k")), check(db.submit(WriteBatch::new()))));
    drop((check(db.flush()), check(db.compact()), check(db.sync()), check(range.next())));
    drop((check(snapshot.get("k")), check(snapshot.multi_get(["k"])), check(db.clone().close())));
}

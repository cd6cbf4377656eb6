//! A program of compio's, with a runtime on each of its threads. What tasks of a runtime ask the database is answered on
//! their thread: a `Driver` lives there, which reads on a ring of its own, and whose descriptor the runtime waits for.
//!
//! `cargo run --release` in this directory.

use std::cell::RefCell;
use std::ops::Range;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use compio::runtime::{Runtime, fd::PollFd, spawn};
use compio::time::{sleep, timeout};
use futures_lite::future;
use rabi::{CoreDb, Db, Driver, Options};

type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The database for the tasks of one runtime. No borrow of the driver goes across a wait.
#[derive(Clone)]
struct LocalDb(Rc<RefCell<Driver>>);

impl LocalDb {
    /// Makes a task of the driver, where a `CoreDb` can be used, and has one of the runtime wait for it.
    async fn ask<T: Future + 'static>(&self, make: impl FnOnce(CoreDb) -> T + 'static) -> Answer<T::Output> {
        let task = self.0.borrow().spawn(make);
        Ok(task.await?)
    }

    /// Has the driver take its turns beside the tasks of the runtime. Ends only if the driver fails.
    async fn drive<T>(&self) -> Answer<T> {
        // A copy, which the runtime may keep for as long as the kernel polls it.
        let descriptor = PollFd::new(self.0.borrow().as_fd().try_clone_to_owned()?)?;
        loop {
            let at_most = self.0.borrow().timeout();
            match at_most {
                None => descriptor.read_ready().await?,
                Some(at_most) => timeout(at_most, descriptor.read_ready()).await.unwrap_or(Ok(()))?,
            }
            self.0.borrow_mut().run_ready()?;
        }
    }
}

/// Notes an order, looks up what it is for, and counts all orders of this client.
async fn order(db: CoreDb, client: usize, item: usize) -> rabi::Result<usize> {
    db.put(format!("order:{client:02}:{item:03}"), "open").await?;
    assert!(db.get(format!("item:{item:03}")).await?.is_some());
    for similar in db.multi_get((1..4).map(|step| format!("item:{:03}", item + step))).await {
        assert!(similar?.is_some());
    }
    let (mut orders, mut count) = (db.prefix(format!("order:{client:02}:")), 0);
    while let Some(entry) = orders.next().await {
        entry?;
        count += 1;
    }
    Ok(count)
}

/// A task of the runtime, which waits for other things as well: for a timer here, for a socket elsewhere.
async fn serve(db: LocalDb, client: usize) -> Answer<usize> {
    let mut count = 0;
    for number in 0..10 {
        sleep(Duration::from_millis(1)).await;
        count = db.ask(move |db| order(db, client, number * 97)).await??;
    }
    Ok(count)
}

fn run_thread(db: &Db, clients: Range<usize>) -> Answer<()> {
    let db = LocalDb(Rc::new(RefCell::new(Driver::new(db)?)));
    let serve_all = async {
        for task in clients.clone().map(|client| spawn(serve(db.clone(), client))).collect::<Vec<_>>() {
            assert_eq!(task.await.expect("it does not panic")?, 10);
        }
        println!("clients {clients:?} are served");
        Ok(())
    };
    // If the driver fails, nobody waits for it in vain.
    Runtime::new()?.block_on(future::or(db.drive(), serve_all))
}

fn main() -> Answer<()> {
    let dir = tempfile::tempdir()?;
    // With a small cache, and past the page cache, there is something to read on the drivers' rings.
    let db = Db::open(dir.path(), Options::new().cache_size_bytes(64 << 10).direct_reads(true))?;
    for item in 0..1_000 {
        db.put(format!("item:{item:03}"), [7; 500])?;
    }
    db.compact()?;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run_thread(&db, 0..16));
        run_thread(&db, 16..32)?;
        other.join().expect("it does not panic")
    })?;
    let of_rings = db.stats().get("ring_ops").unwrap_or(0);
    println!("{} orders; {of_rings} requests to rings", db.prefix("order:").count());
    Ok(db.close()?)
}

//! A program that lives on the engine's cores: many tasks on each, whose reads are on the core's own ring.
//!
//! `cargo run --release --example cores`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use rabi::{CoreDb, Db, JoinHandle, Options};

const TASKS_PER_CORE: usize = 32;
const ACCOUNTS: usize = 100;

/// What one task does: pays in, and looks up what is there.
async fn pay_in(db: CoreDb, task: usize) -> rabi::Result<u64> {
    let account = |number: usize| format!("account:{}:{task}:{number:03}", db.core());
    let mut sum = 0;
    for number in 0..ACCOUNTS {
        db.put(account(number), (number as u64).to_le_bytes()).await?;
    }
    for found in db.multi_get((0..ACCOUNTS).map(account)).await {
        let amount = found?.expect("it was paid in");
        sum += u64::from_le_bytes(amount[..].try_into().expect("eight bytes were written"));
    }
    Ok(sum)
}

/// The first task of a core, which starts the others: they stay there, and need not be `Send`.
async fn serve(db: CoreDb) -> rabi::Result<u64> {
    let tasks: Vec<JoinHandle<_>> =
        (0..TASKS_PER_CORE).map(|task| db.spawn(pay_in(db.clone(), task))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("it does not panic")?;
    }
    Ok(sum)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let db = Db::open(dir.path(), Options::new())?;

    let cores: Vec<JoinHandle<_>> = (0..db.cores()).map(|core| db.spawn_on(core, serve)).collect();
    for (core, task) in cores.into_iter().enumerate() {
        println!("core {core}: {}", task.join()??);
    }

    // A task that panics takes nothing with it.
    let panicked = db.spawn_on(0, |_| async { panic!("as an example") }).join();
    if let Err(error) = panicked.map(|()| "it has ended") {
        println!("{error}");
    }
    println!("{} accounts", db.prefix("account:").count());
    Ok(db.close()?)
}

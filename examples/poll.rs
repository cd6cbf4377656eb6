//! A program with a loop of its own, around plain poll(2): it answers lines that come through a pipe from the database,
//! many at a time, on one thread and without an executor.
//!
//! `cargo run --release --example poll`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{Read, Write};

use rabi::{CoreDb, Db, Driver, JoinHandle, Options};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

async fn answer(db: CoreDb, line: String) -> rabi::Result<String> {
    db.put(format!("asked:{line}"), "once").await?;
    let price = db.get(format!("price:{line}")).await?;
    Ok(format!("{line}: {}", price.map_or("none".into(), |price| price.escape_ascii().to_string())))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let db = Db::open(dir.path(), Options::new())?;
    db.put("price:apple", "120")?;
    db.put("price:pear", "150")?;

    let (mut requests, mut client) = std::io::pipe()?;
    client.write_all(b"apple pear plum ")?;
    drop(client);

    let mut driver = Driver::new(&db)?;
    let mut tasks: Vec<JoinHandle<rabi::Result<String>>> = Vec::new();
    let (mut text, mut is_open) = (String::new(), true);
    while is_open || !tasks.is_empty() {
        let mut waited_for = vec![PollFd::new(&driver, PollFlags::IN)];
        if is_open {
            waited_for.push(PollFd::new(&requests, PollFlags::IN));
        }
        let timeout = driver.timeout().map(Timespec::try_from).transpose()?;
        poll(&mut waited_for, timeout.as_ref())?;
        let has_requests = waited_for.get(1).is_some_and(|one| !one.revents().is_empty());

        if has_requests {
            let mut bytes = [0; 100];
            let len = requests.read(&mut bytes)?;
            is_open = len > 0;
            text.push_str(&String::from_utf8_lossy(&bytes[..len]));
            while let Some((line, rest)) = text.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())) {
                tasks.push(driver.spawn(|db| answer(db, line)));
                text = rest;
            }
        }
        driver.run_ready()?;
        for ended in tasks.extract_if(.., |task| task.is_finished()) {
            println!("{}", ended.join()??);
        }
    }
    drop(driver);
    println!("{} were asked for", db.prefix("asked:").count());
    Ok(db.close()?)
}

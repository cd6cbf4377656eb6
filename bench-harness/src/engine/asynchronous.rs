//! The async face of an engine: calls that are awaited.
//!
//! Of the engines here Rabi alone has one; the others are called by threads. The engine that does nothing has one too, for
//! what the harness itself costs. Not behind a trait object, so that a call makes no future in the heap.

use rabi::{AsyncDb, CoreDb, Driver};

use super::rabi::RabiClient;
use super::{EngineResult, ReadVisitor, Scan, ScanVisitor};

/// The way of a thread into an engine, for its clients.
pub enum AsyncThread {
    Rabi(AsyncDb),
    /// With a ring of the thread's own.
    RabiDriver(Box<Driver>),
    Null,
}

impl AsyncThread {
    /// For one client.
    pub fn session(&self) -> AsyncSession {
        match self {
            AsyncThread::Rabi(db) => AsyncSession::Rabi(RabiClient(db.clone())),
            AsyncThread::RabiDriver(driver) => AsyncSession::RabiDriver(RabiClient(driver.db())),
            AsyncThread::Null => AsyncSession::Null,
        }
    }
}

/// Runs a thread's clients as one future, where it reads.
pub fn drive(driver: &mut Driver, clients: impl Future<Output = ()>) -> EngineResult<()> {
    driver.block_on(clients).map_err(super::failed(super::rabi::NAME, "drive"))
}

/// The way of one client into an engine.
pub enum AsyncSession {
    Rabi(RabiClient<AsyncDb>),
    RabiDriver(RabiClient<CoreDb>),
    Null,
}

impl AsyncSession {
    /// Hands the value of `key` to `visit` and returns true, or returns false if there is none.
    pub async fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        match self {
            AsyncSession::Rabi(client) => client.read(key, visit).await,
            AsyncSession::RabiDriver(client) => client.read(key, visit).await,
            AsyncSession::Null => {
                visit(&[]);
                Ok(true)
            }
        }
    }

    /// Writes a record.
    pub async fn put(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        match self {
            AsyncSession::Rabi(client) => client.put(key, value).await,
            AsyncSession::RabiDriver(client) => client.put(key, value).await,
            AsyncSession::Null => Ok(()),
        }
    }

    /// Removes a record; removing an absent one is no error.
    pub async fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        match self {
            AsyncSession::Rabi(client) => client.delete(key).await,
            AsyncSession::RabiDriver(client) => client.delete(key).await,
            AsyncSession::Null => Ok(()),
        }
    }

    /// Visits records; returns how many there were.
    pub async fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        match self {
            AsyncSession::Rabi(client) => client.scan(scan, visit).await,
            AsyncSession::RabiDriver(client) => client.scan(scan, visit).await,
            AsyncSession::Null => {
                (0..scan.limit).for_each(|_| visit(scan.start, &[]));
                Ok(scan.limit)
            }
        }
    }

    /// Hands each value there is to `visit`, with the place of its key among `keys`.
    pub async fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        match self {
            AsyncSession::Rabi(client) => client.multi_read(keys, visit).await,
            AsyncSession::RabiDriver(client) => client.multi_read(keys, visit).await,
            AsyncSession::Null => {
                (0..keys.len()).for_each(|place| visit(place, &[]));
                Ok(())
            }
        }
    }

    /// Overwrites all of these records or none. Of equal keys the last one counts.
    pub async fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        match self {
            AsyncSession::Rabi(client) => client.write_batch(records).await,
            AsyncSession::RabiDriver(client) => client.write_batch(records).await,
            AsyncSession::Null => Ok(()),
        }
    }

    /// The same, and done when they are visible.
    pub async fn submit(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<Ticket> {
        match self {
            AsyncSession::Rabi(client) => client.submit(records).await.map(|ticket| Ticket(Some(ticket))),
            AsyncSession::RabiDriver(client) => {
                client.submit(records).await.map(|ticket| Ticket(Some(ticket)))
            }
            AsyncSession::Null => Ok(Ticket(None)),
        }
    }
}

/// A batch that is visible.
pub struct Ticket(Option<rabi::Ticket>);

impl Ticket {
    /// Waits until it survives loss of power.
    pub async fn durable(self) -> EngineResult<()> {
        match self.0 {
            Some(ticket) => ticket.durable().await.map_err(super::failed(super::rabi::NAME, "durable")),
            None => Ok(()),
        }
    }
}

//! An engine that does nothing, to measure what the harness itself costs.
//!
//! Every read finds the same empty value, every scan as many as were asked for, every write is
//! acknowledged and forgotten. Under `--verify` its reads fail, as they should.
//! Durability: none, whichever is asked for.

use std::path::Path;

use super::{
    AsyncThread, Engine, EngineResult, Keeps, Kept, ReadVisitor, Scan, ScanVisitor, Session, Settings,
    refuse_options,
};

pub const NAME: &str = "null";
pub const ABOUT: &str = "does nothing: the cost of the harness itself";

struct Null;

/// The engine itself, for measuring what the harness costs.
pub fn new() -> Box<dyn Engine> {
    Box::new(Null)
}

pub fn open(_dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    refuse_options(NAME, settings)?;
    Ok(new())
}

impl Engine for Null {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(Null))
    }

    fn async_thread(&self, _driver: bool) -> EngineResult<AsyncThread> {
        Ok(AsyncThread::Null)
    }

    fn keeps(&self) -> Keeps {
        Keeps { kept: Kept::Nothing, how: "writes are forgotten" }
    }
}

impl Session for Null {
    fn read(&mut self, _key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        visit(&[]);
        Ok(true)
    }

    fn insert(&mut self, _key: &[u8], _value: &[u8]) -> EngineResult<()> {
        Ok(())
    }

    fn delete(&mut self, _key: &[u8]) -> EngineResult<()> {
        Ok(())
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        (0..scan.limit).for_each(|_| visit(scan.start, &[]));
        Ok(scan.limit)
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        (0..keys.len()).for_each(|place| visit(place, &[]));
        Ok(())
    }

    fn write_batch(&mut self, _records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        Ok(())
    }
}

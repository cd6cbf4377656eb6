//! Everything in a world, and what its processes may ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::task::Waker;
use std::time::Duration;

use rustix::io::Errno;

use super::counts::Counts;
use super::crash::{Survival, Survivors};
use super::disk::{Disk, Node, ROOT};
use super::faults::{Faults, pick};
use super::flight::{Flight, read};
use super::lies::Liar;
use super::names::Inode;
use super::random::Random;
use super::trace::Trace;
use crate::io::{Entry, OpenMode, SharedMap};

/// Time passes with each look at the clock: that long at most.
const LOOK_NS_MAX: u64 = 40_000;

/// How often, of all times that time passes, the kernel writes back from mappings.
const WRITE_BACK_CHANCE: f64 = 0.02;

/// Pages of mappings that were asked for longer ago than this are let go of when they are written back.
const EVICTION_AGE: Duration = Duration::from_secs(10);

/// The state of a world.
pub(super) struct State {
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) disk: Disk,
    pub(super) liar: Liar,
    pub(super) now: Duration,
    /// The process that lives; a crash ends it.
    pub(super) process: u64,
    /// Where its relative paths begin.
    pub(super) current_dir: Inode,
    locks: BTreeSet<Inode>,
    pub(super) flights: BTreeMap<u64, Flight>,
    pub(super) next_flight: u64,
    next_queue: u64,
    /// Whom to wake at which time.
    pub(super) callers: Vec<(Duration, Waker)>,
    /// Until when queues would sleep.
    pub(super) deadlines: BTreeMap<u64, Duration>,
    pub(super) counts: Counts,
    pub(super) trace: Trace,
}

impl State {
    /// An empty world.
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            random: Random::new(seed),
            faults,
            disk: Disk::new(),
            liar: Liar::default(),
            now: Duration::ZERO,
            process: 1,
            current_dir: ROOT,
            locks: BTreeSet::new(),
            flights: BTreeMap::new(),
            next_flight: 1,
            next_queue: 1,
            callers: Vec::new(),
            deadlines: BTreeMap::new(),
            counts: Counts::default(),
            trace: Trace::default(),
        }
    }

    /// The process that lives.
    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// A number for a new queue.
    pub(super) fn new_queue(&mut self) -> u64 {
        self.next_queue += 1;
        self.next_queue
    }

    /// A random number.
    pub(super) fn draw(&mut self) -> u64 {
        self.random.bits()
    }

    /// The time, a moment later: work takes time, though none is simulated.
    pub(super) fn tick(&mut self) -> Duration {
        self.now += Duration::from_nanos(self.random.below(LOOK_NS_MAX));
        self.now
    }

    /// When something will happen by itself.
    pub(super) fn next_event(&self) -> Option<Duration> {
        let dues = self.flights.values().map(|flight| flight.due);
        dues.chain(self.deadlines.values().copied()).min()
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, to: Duration) {
        self.now = self.now.max(to);
        if self.random.chance(WRITE_BACK_CHANCE) {
            self.write_back();
        }
    }

    /// The kernel brings a page of some mapping to the device, as it does now and then.
    fn write_back(&mut self) {
        let order = self.disk.next_order();
        for inode in self.disk.files() {
            if let Some(contents) = self.disk.file(inode)
                && contents.mapped_pages() > 0
            {
                let page = self.random.below(contents.mapped_pages() as u64) as usize;
                contents.write_back(order, page, self.now.saturating_sub(EVICTION_AGE));
            }
        }
    }

    fn check_alive(&self, process: u64) -> Result<(), Errno> {
        if process == self.process { Ok(()) } else { Err(Errno::IO) }
    }

    /// Draws whether a call fails at once, and with what.
    fn fault(&mut self, probability: f64, path: &Path, errors: &[Errno]) -> Result<(), Errno> {
        self.counts.operations += 1;
        if self.faults.strike(probability, path, &mut self.random) {
            self.counts.faults += 1;
            return Err(pick(errors, &mut self.random));
        }
        Ok(())
    }

    fn note<T>(&mut self, what: &str, path: &Path, result: Result<T, Errno>) -> Result<T, Errno> {
        let outcome = result.as_ref().map_or_else(|e| format!("{e:?}"), |_| "done".to_owned());
        self.trace.add(self.now, format_args!("{what} {} -> {outcome}", path.display()));
        result
    }

    /// Makes a directory and its parents, and opens it.
    pub(super) fn create_dir(&mut self, process: u64, path: &Path) -> Result<Inode, Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.create_dir_error, path, &[Errno::IO, Errno::NOSPC]);
        let made = match fault {
            Ok(()) => self.disk.create_dir(self.current_dir, path),
            Err(e) => {
                if self.random.coin() {
                    // Made all the same; if that fails too, it was not.
                    let _made = self.disk.create_dir(self.current_dir, path);
                }
                Err(e)
            }
        };
        if let Ok(inode) = made {
            self.disk.opened(inode);
        }
        self.note("create directory", path, made)
    }

    /// Makes the names durable that lead to a directory.
    pub(super) fn sync_parents(&mut self, process: u64, (dir, path): (Inode, &Path)) -> Result<(), Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.sync_error, path, &[Errno::IO, Errno::NOSPC]);
        if (fault.is_ok() || self.random.coin()) && !self.liar.skips_parents() {
            self.disk.sync_parents(dir);
        }
        self.note("sync the directories above", path, fault)
    }

    /// Opens the directory that a path leads to now.
    pub(super) fn open_dir(&mut self, process: u64, path: &Path) -> Result<Inode, Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.open_error, path, &[Errno::IO, Errno::MFILE]);
        let found = fault.and_then(|()| self.disk.find_from(self.current_dir, path));
        let opened = found.and_then(|inode| self.check_kind(inode, true));
        if let Ok(inode) = opened {
            self.liar.found_directory(inode);
            self.disk.opened(inode);
        }
        self.note("open", path, opened)
    }

    /// What is in a directory.
    pub(super) fn list(&mut self, process: u64, (dir, path): (Inode, &Path)) -> Result<Vec<Entry>, Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.list_error, path, &[Errno::IO]);
        let names = fault.and_then(|()| self.disk.list(dir));
        let listed = names.map(|names| names.into_iter().map(|name| self.entry(dir, name)).collect());
        self.note("list", path, listed)
    }

    fn entry(&mut self, dir: Inode, name: String) -> Entry {
        let is_file = self.disk.look_up(dir, &name).is_ok_and(|inode| self.disk.file(inode).is_some());
        Entry { name, is_file }
    }

    /// Opens a file of a directory.
    pub(super) fn open(
        &mut self,
        process: u64,
        (dir, name, path): (Inode, &str, &Path),
        mode: OpenMode,
    ) -> Result<Inode, Errno> {
        self.check_alive(process)?;
        if self.faults.strike(self.faults.open_shortage, path, &mut self.random) {
            self.counts.faults += 1;
            let e = pick(&[Errno::MFILE, Errno::NFILE, Errno::NOMEM], &mut self.random);
            return self.note("open", path, Err(e));
        }
        let dir = match mode {
            OpenMode::Create => self.liar.makes_in(&self.disk, self.current_dir, dir, path),
            _ => dir,
        };
        let fault = self.fault(self.faults.open_error, path, &[Errno::IO, Errno::MFILE]);
        let opened = match (mode, fault) {
            (OpenMode::Create, Err(e)) => {
                if self.random.coin() {
                    // Made all the same; if that fails too, it was not.
                    let _made = self.disk.create(dir, name);
                }
                Err(e)
            }
            (OpenMode::Create, Ok(())) => self.disk.create(dir, name),
            (_, Err(e)) => Err(e),
            (_, Ok(())) => self.disk.look_up(dir, name).and_then(|inode| self.check_kind(inode, false)),
        };
        if let Ok(inode) = opened {
            match mode {
                OpenMode::Create => self.liar.made(dir, inode, path),
                OpenMode::Write => self.liar.found_file(inode),
                OpenMode::Read | OpenMode::ReadAtRandom | OpenMode::ReadDirect | OpenMode::Direct => {}
            }
            self.disk.opened(inode);
        }
        self.note(if mode == OpenMode::Create { "create" } else { "open" }, path, opened)
    }

    /// Gives a file of a directory another name.
    pub(super) fn rename(
        &mut self,
        process: u64,
        (dir, name, path): (Inode, &str, &Path),
        new_name: &str,
    ) -> Result<(), Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.rename_error, path, &[Errno::IO]);
        let renamed = match fault {
            Ok(()) => self.disk.rename_in(dir, name, new_name),
            Err(e) => {
                if self.random.coin() {
                    // Renamed all the same; if that fails too, it was not.
                    let _renamed = self.disk.rename_in(dir, name, new_name);
                }
                Err(e)
            }
        };
        if let Ok(inode) = self.disk.look_up(dir, new_name) {
            self.liar.made(dir, inode, &path.with_file_name(new_name));
        }
        self.note("rename", path, renamed)
    }

    /// Removes a name of a directory at once.
    pub(super) fn remove(
        &mut self,
        process: u64,
        (dir, name, path): (Inode, &str, &Path),
    ) -> Result<(), Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.remove_error, path, &[Errno::IO]);
        let dir = self.liar.removes_from(&self.disk, self.current_dir, dir, path);
        let removed = fault.and_then(|()| self.disk.remove(dir, name));
        self.note("remove", path, removed)
    }

    fn check_kind(&mut self, inode: Inode, directory: bool) -> Result<Inode, Errno> {
        match (self.disk.node(inode), directory) {
            (Some(Node::Directory(_)), true) | (Some(Node::File(_)), false) => Ok(inode),
            (Some(Node::File(_)), true) => Err(Errno::NOTDIR),
            _ => Err(Errno::ISDIR),
        }
    }

    /// Closes a handle.
    pub(super) fn close(&mut self, inode: Inode, process: u64, locks: bool) {
        // The end of a process has closed its handles already.
        if process == self.process {
            self.disk.closed(inode);
            if locks {
                self.locks.remove(&inode);
            }
        }
    }

    /// Length of an open file.
    pub(super) fn file_len(&mut self, process: u64, (inode, path): (Inode, &Path)) -> Result<u64, Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.stat_error, path, &[Errno::IO]);
        let len =
            fault.and_then(|()| self.disk.file(inode).map(|contents| contents.len()).ok_or(Errno::ISDIR));
        self.note("length", path, len)
    }

    /// Takes the lock of a file, making the file if need be.
    pub(super) fn lock(
        &mut self,
        process: u64,
        (dir, name, path): (Inode, &str, &Path),
    ) -> Result<Inode, Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.lock_error, path, &[Errno::IO, Errno::MFILE]);
        if let Err(e) = fault {
            if self.disk.look_up(dir, name).is_err() && self.random.coin() {
                // Made all the same; if that fails too, it was not.
                let _made = self.disk.create(dir, name);
            }
            return self.note("lock", path, Err(e));
        }
        let inode = match self.disk.look_up(dir, name) {
            Ok(inode) => inode,
            Err(_) => self.disk.create(dir, name)?,
        };
        if !self.locks.insert(inode) {
            return Err(Errno::WOULDBLOCK);
        }
        self.disk.opened(inode);
        self.note("lock", path, Ok(inode))
    }

    /// Bytes left on the disk that has `dir`.
    pub(super) fn free(&mut self, process: u64, dir: &Path) -> Result<u64, Errno> {
        self.check_alive(process)?;
        self.fault(self.faults.stat_error, dir, &[Errno::IO])?;
        Ok(self.disk.free())
    }

    /// Maps a file.
    pub(super) fn map(
        &mut self,
        process: u64,
        (inode, path): (Inode, &Path),
        len: usize,
    ) -> io::Result<SharedMap> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.map_error, path, &[Errno::IO, Errno::NOMEM]);
        self.note("map", path, fault)?;
        self.disk.file(inode).ok_or(Errno::ISDIR)?.map(len)
    }

    /// The kernel gives pages of a mapping, or the file system refuses.
    pub(super) fn populate(
        &mut self,
        process: u64,
        path: &Path,
        (map, offset, len): (&SharedMap, usize, usize),
    ) -> Result<(), Errno> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.store_error, path, &[Errno::FAULT, Errno::NOMEM]);
        if fault.is_ok() && !self.liar.skips_pages() {
            map.promise(offset, len, self.now);
        }
        self.note("populate", path, fault)
    }

    /// Writes to the page cache on behalf of a caller. A file system that writes elsewhere needs room for it.
    pub(super) fn write_now(
        &mut self,
        process: u64,
        (inode, path): (Inode, &Path),
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        self.check_alive(process)?;
        let mut fault = self.fault(self.faults.store_error, path, &[Errno::IO, Errno::NOSPC]);
        if self.disk.free() < bytes.len() as u64 && self.random.coin() {
            fault = fault.and(Err(Errno::NOSPC));
        }
        // A word is written at once, anything longer in part when it fails.
        let words =
            if fault.is_ok() { bytes.len() } else { self.random.below(bytes.len() as u64) as usize / 8 * 8 };
        let order = self.disk.next_order();
        if let Some(contents) = self.disk.file(inode) {
            contents.write_cached(order, offset, &bytes[..words]);
        }
        self.note("write now", path, fault)
    }

    /// A number of this start of the machine.
    pub(super) fn boot(&self) -> u128 {
        let starts = if self.liar.changes_boot_id() { self.process } else { self.counts.power_losses };
        u128::from(starts) + 1
    }

    /// Reads on behalf of a caller.
    pub(super) fn read_at(
        &mut self,
        process: u64,
        (inode, path): (Inode, &Path),
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.check_alive(process)?;
        let fault = self.fault(self.faults.read_error, path, &[Errno::IO]);
        let landed = fault.and_then(|()| {
            let place = (inode, path);
            let landed = read(&mut self.disk, &self.faults, &mut self.random, place, offset, buffer.len());
            landed.result.map(|_| landed.bytes)
        });
        let bytes = self.note("read", path, landed)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Ends the process, and the power too if something is to survive its loss.
    pub(super) fn crash(&mut self, power: Option<Survival>) {
        for flight in std::mem::take(&mut self.flights).into_values() {
            if self.random.coin() {
                flight.interrupt(&mut self.disk, &mut self.random);
            } else if self.random.coin() {
                // Done as a whole, though nobody is told.
                let _landed = flight.land(&mut self.disk, &Faults::default(), &mut self.random);
            }
        }
        match power {
            None => {
                self.counts.process_crashes += 1;
                self.disk.lose_process();
            }
            Some(survival) => {
                self.counts.power_losses += 1;
                let end = self.disk.order() + 2;
                let mut survivors = Survivors::new(survival, end, &mut self.random);
                self.disk.lose_power(&mut survivors);
            }
        }
        self.process += 1;
        self.liar.lose_process();
        self.current_dir = ROOT;
        self.locks.clear();
        self.deadlines.clear();
        let what = if power.is_some() { "the power goes" } else { "the process dies" };
        self.trace.add(self.now, format_args!("{what}"));
    }
}

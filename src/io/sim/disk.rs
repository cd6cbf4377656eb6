//! The disk: files and directories by number, names that lead to them, and its capacity.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use rustix::io::Errno;

use super::contents::Contents;
use super::crash::Survivors;
use super::names::{Inode, Names};

/// The root directory.
pub(super) const ROOT: Inode = 0;

/// What a number stands for.
#[derive(Debug)]
pub(super) enum Node {
    File(Contents),
    Directory(Names),
}

/// All files.
#[derive(Debug)]
pub(super) struct Disk {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
    /// Number of the newest change.
    order: u64,
    /// Bytes it holds.
    capacity: u64,
    /// Whether space can be reserved.
    reserves: bool,
    /// How many handles are open on each file.
    open: BTreeMap<Inode, usize>,
}

/// The names that lead to a file, the outermost first.
fn parts(path: &Path) -> Vec<&str> {
    let normal = path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    normal.collect()
}

impl Disk {
    /// An empty disk without bounds.
    pub(super) fn new() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Directory(Names::default()))]);
        Self { nodes, next: ROOT + 1, order: 0, capacity: u64::MAX, reserves: true, open: BTreeMap::new() }
    }

    /// The number for the next change.
    pub(super) fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Number of the newest change.
    pub(super) fn order(&self) -> u64 {
        self.order
    }

    /// Sets the capacity in bytes; what is there stays, even if it is more.
    pub(super) fn set_capacity(&mut self, bytes: u64) {
        self.capacity = bytes;
    }

    /// Whether it can reserve space, from now on.
    pub(super) fn set_reserves(&mut self, reserves: bool) {
        self.reserves = reserves;
    }

    /// Bytes taken.
    pub(super) fn used(&self) -> u64 {
        let files = self.nodes.values().map(|node| match node {
            Node::File(contents) => contents.space(),
            Node::Directory(_) => 0,
        });
        files.sum()
    }

    /// Bytes that are left.
    pub(super) fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used())
    }

    /// What `path` names, from the root.
    pub(super) fn find(&self, path: &Path) -> Result<Inode, Errno> {
        self.find_from(ROOT, path)
    }

    /// What `path` names, from the root if it is absolute, otherwise from the directory `start`.
    pub(super) fn find_from(&self, start: Inode, path: &Path) -> Result<Inode, Errno> {
        let mut inode = if path.is_absolute() { ROOT } else { start };
        for name in parts(path) {
            inode = self.look_up(inode, name)?;
        }
        Ok(inode)
    }

    /// What `name` stands for in a directory.
    pub(super) fn look_up(&self, directory: Inode, name: &str) -> Result<Inode, Errno> {
        let Some(Node::Directory(names)) = self.nodes.get(&directory) else { return Err(Errno::NOTDIR) };
        names.get(name).ok_or(Errno::NOENT)
    }

    /// The directory and the name in it that `path` leads to, from the root.
    pub(super) fn place_of<'a>(&self, path: &'a Path) -> Result<(Inode, &'a str), Errno> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(Errno::INVAL)?;
        Ok((self.find(path.parent().unwrap_or(path))?, name))
    }

    /// The node of a number.
    pub(super) fn node(&mut self, inode: Inode) -> Option<&mut Node> {
        self.nodes.get_mut(&inode)
    }

    /// The contents of a file; `None` for a directory.
    pub(super) fn file(&mut self, inode: Inode) -> Option<&mut Contents> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(contents)) => Some(contents),
            _ => None,
        }
    }

    /// How many names in a directory begin so.
    pub(super) fn count_names(&self, inode: Inode, beginning: &str) -> usize {
        match self.nodes.get(&inode) {
            Some(Node::Directory(names)) => names.count(beginning),
            _ => 0,
        }
    }

    /// Names in a directory.
    pub(super) fn list(&self, directory: Inode) -> Result<Vec<String>, Errno> {
        match self.nodes.get(&directory) {
            Some(Node::Directory(names)) => Ok(names.list()),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// All files, in the order in which they were made.
    pub(super) fn files(&self) -> Vec<Inode> {
        let is_file = |node: &Node| matches!(node, Node::File(_));
        self.nodes.iter().filter(|(_, node)| is_file(node)).map(|(inode, _)| *inode).collect()
    }

    /// Makes a directory and its parents; a relative path begins at the directory `start`.
    pub(super) fn create_dir(&mut self, start: Inode, path: &Path) -> Result<Inode, Errno> {
        let mut inode = if path.is_absolute() { ROOT } else { start };
        for name in parts(path) {
            let (order, next) = (self.next_order(), self.next);
            let Some(Node::Directory(names)) = self.nodes.get_mut(&inode) else { return Err(Errno::NOTDIR) };
            inode = match names.get(name) {
                Some(inode) => inode,
                None => {
                    names.set(order, name, Some(next));
                    self.nodes.insert(next, Node::Directory(Names::default()));
                    self.next += 1;
                    next
                }
            };
        }
        match self.nodes.get(&inode) {
            Some(Node::Directory(_)) => Ok(inode),
            _ => Err(Errno::EXIST),
        }
    }

    /// Makes the names durable that lead to a directory.
    pub(super) fn sync_parents(&mut self, directory: Inode) {
        let order = self.order;
        let mut below = directory;
        let holds = |node: &Node, inode| matches!(node, Node::Directory(names) if names.holds(inode));
        while let Some((above, _)) = self.nodes.iter().find(|(_, node)| holds(node, below)) {
            below = *above;
            self.sync(below, order);
        }
    }

    /// Makes a file, or truncates the one there is.
    pub(super) fn create(&mut self, directory: Inode, name: &str) -> Result<Inode, Errno> {
        let (order, next) = (self.next_order(), self.next);
        match self.look_up(directory, name) {
            Ok(inode) => {
                let Some(contents) = self.file(inode) else { return Err(Errno::ISDIR) };
                contents.set_len(order, 0);
                Ok(inode)
            }
            Err(Errno::NOENT) => {
                self.name(directory, name, order, Some(next))?;
                self.nodes.insert(next, Node::File(Contents::default()));
                self.next += 1;
                Ok(next)
            }
            Err(e) => Err(e),
        }
    }

    /// Removes a name. A missing one is not an error.
    pub(super) fn remove(&mut self, directory: Inode, name: &str) -> Result<(), Errno> {
        if self.look_up(directory, name) == Err(Errno::NOENT) {
            return Ok(());
        }
        let order = self.next_order();
        self.name(directory, name, order, None)?;
        self.collect();
        Ok(())
    }

    /// Removes a name, durably, with all that waits to become durable in its directory.
    pub(super) fn remove_for_good(&mut self, path: &Path) -> Result<(), Errno> {
        let (directory, name) = self.place_of(path)?;
        self.remove(directory, name)?;
        self.sync(directory, self.order);
        Ok(())
    }

    /// Lets a name of a directory stand for something, or for nothing.
    pub(super) fn name(
        &mut self,
        directory: Inode,
        name: &str,
        order: u64,
        to: Option<Inode>,
    ) -> Result<(), Errno> {
        match self.nodes.get_mut(&directory) {
            Some(Node::Directory(names)) => {
                names.set(order, name, to);
                Ok(())
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Writes to a file, as much as the capacity allows: the error comes after that much.
    pub(super) fn write(
        &mut self,
        inode: Inode,
        offset: u64,
        bytes: &[u8],
        durable: bool,
    ) -> Result<(), Errno> {
        let (order, free) = (self.next_order(), self.free());
        let Some(contents) = self.file(inode) else { return Err(Errno::ISDIR) };
        let room = contents.space().saturating_add(free);
        let fits = room.saturating_sub(offset).min(bytes.len() as u64) as usize;
        contents.write(order, offset, &bytes[..fits], durable);
        if fits < bytes.len() { Err(Errno::NOSPC) } else { Ok(()) }
    }

    /// A file has at least `len` bytes, whatever became of a write there.
    pub(super) fn lengthen(&mut self, inode: Inode, len: u64) {
        let order = self.next_order();
        if let Some(contents) = self.file(inode).filter(|contents| contents.len() < len) {
            contents.set_len(order, len);
        }
    }

    /// Gives a file at least `len` bytes.
    pub(super) fn allocate(&mut self, inode: Inode, len: u64) -> Result<(), Errno> {
        if !self.reserves {
            return Err(Errno::OPNOTSUPP);
        }
        let (order, free) = (self.next_order(), self.free());
        let Some(contents) = self.file(inode) else { return Err(Errno::ISDIR) };
        if contents.space_for(len) - contents.space() > free {
            return Err(Errno::NOSPC);
        }
        if len > contents.len() {
            contents.set_len(order, len);
        }
        Ok(())
    }

    /// Shortens a file to `len` bytes.
    pub(super) fn shorten(&mut self, inode: Inode, len: u64) -> Result<(), Errno> {
        let order = self.next_order();
        let contents = self.file(inode).ok_or(Errno::ISDIR)?;
        if len < contents.len() {
            contents.set_len(order, len);
        }
        Ok(())
    }

    /// Gives a name of a directory to another. The file may have both after a loss of power, or neither.
    pub(super) fn rename_in(&mut self, directory: Inode, name: &str, new_name: &str) -> Result<(), Errno> {
        let inode = self.look_up(directory, name)?;
        if self.file(inode).is_none() || self.is_linked(inode) {
            return Err(Errno::MLINK);
        }
        if self.look_up(directory, new_name).is_ok() {
            return Err(Errno::EXIST);
        }
        let order = self.next_order();
        self.name(directory, new_name, order, Some(inode))?;
        let order = self.next_order();
        self.name(directory, name, order, None)
    }

    /// Whether a file has several names.
    fn is_linked(&self, inode: Inode) -> bool {
        let names = |node: &Node| match node {
            Node::Directory(names) => names.count_of(inode),
            Node::File(_) => 0,
        };
        self.nodes.values().map(names).sum::<usize>() > 1
    }

    /// Makes changes up to `order` to a file or directory durable.
    pub(super) fn sync(&mut self, inode: Inode, order: u64) {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(contents)) => contents.sync(order),
            Some(Node::Directory(names)) => {
                names.sync(order);
                self.collect();
            }
            None => {}
        }
    }

    /// A handle was opened.
    pub(super) fn opened(&mut self, inode: Inode) {
        *self.open.entry(inode).or_default() += 1;
    }

    /// A handle was closed.
    pub(super) fn closed(&mut self, inode: Inode) {
        if let Some(count) = self.open.get_mut(&inode) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&inode);
                self.collect();
            }
        }
    }

    /// The process dies.
    pub(super) fn lose_process(&mut self) {
        let order = self.next_order();
        self.open.clear();
        for node in self.nodes.values_mut() {
            if let Node::File(contents) = node {
                contents.lose_process(order);
            }
        }
        self.collect();
    }

    /// The power goes.
    pub(super) fn lose_power(&mut self, survivors: &mut Survivors<'_>) {
        let order = self.next_order();
        self.open.clear();
        for node in self.nodes.values_mut() {
            match node {
                Node::File(contents) => contents.lose_power(order, survivors),
                Node::Directory(names) => names.lose_power(survivors),
            }
        }
        self.collect();
    }

    /// Frees what no name and no handle leads to any more.
    fn collect(&mut self) {
        let mut is_live = vec![false; self.next as usize];
        let mut reached: Vec<Inode> = self.open.keys().copied().chain([ROOT]).collect();
        while let Some(inode) = reached.pop() {
            if std::mem::replace(&mut is_live[inode as usize], true) {
                continue;
            }
            if let Some(Node::Directory(names)) = self.nodes.get(&inode) {
                reached.extend(names.reachable());
            }
        }
        self.nodes.retain(|inode, _| is_live[*inode as usize]);
    }
}

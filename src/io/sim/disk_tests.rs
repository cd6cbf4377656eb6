//! What the simulated disk keeps and what it may lose.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use super::crash::{Survival, Survivors};
use super::disk::{Disk, ROOT};
use super::faults::Faults;
use super::flight::{Effect, Flight};
use super::names::Inode;
use super::random::Random;

const FILE: &str = "dir/file";

/// A disk with one file, whose name is durable.
fn disk() -> (Disk, Inode) {
    let mut disk = Disk::new();
    let dir = disk.create_dir(ROOT, Path::new("dir")).unwrap();
    disk.sync_parents(dir);
    let inode = create(&mut disk, FILE);
    sync(&mut disk, "dir");
    (disk, inode)
}

fn create(disk: &mut Disk, path: &str) -> Inode {
    let (directory, name) = disk.place_of(Path::new(path)).unwrap();
    disk.create(directory, name).unwrap()
}

fn remove_file(disk: &mut Disk) {
    let (directory, name) = disk.place_of(Path::new(FILE)).unwrap();
    disk.remove(directory, name).unwrap();
}

fn sync(disk: &mut Disk, path: &str) {
    let (inode, order) = (disk.find(Path::new(path)).unwrap(), disk.order());
    disk.sync(inode, order);
}

fn lose_power(disk: &mut Disk, survival: Survival, seed: u64) {
    let end = disk.order() + 2;
    disk.lose_power(&mut Survivors::new(survival, end, &mut Random::new(seed)));
}

fn contents(disk: &mut Disk) -> Option<Vec<u8>> {
    let inode = disk.find(Path::new(FILE)).ok()?;
    disk.file(inode).map(|file| file.read(0, 1 << 20))
}

/// What the file may hold after a loss of power, over many seeds.
fn outcomes(survival: Survival, prepare: impl Fn(&mut Disk, Inode)) -> BTreeSet<Option<Vec<u8>>> {
    let outcome = |seed| {
        let (mut disk, inode) = disk();
        prepare(&mut disk, inode);
        lose_power(&mut disk, survival, seed);
        contents(&mut disk)
    };
    (0..200).map(outcome).collect()
}

#[test]
fn what_was_synced_stays_and_what_was_not_may_go() {
    let prepare = |disk: &mut Disk, inode| {
        disk.write(inode, 0, &[1; 512], false).unwrap();
        sync(disk, FILE);
        disk.write(inode, 512, &[2; 512], false).unwrap();
    };
    let (old, new) = (vec![1; 512], [vec![1; 512], vec![2; 512]].concat());
    let both = BTreeSet::from([Some(old.clone()), Some(new.clone())]);
    assert_eq!(outcomes(Survival::Any, prepare), both);
    assert_eq!(outcomes(Survival::Sectors, prepare), both);
    assert_eq!(outcomes(Survival::Nothing, prepare), BTreeSet::from([Some(old)]));
    assert_eq!(outcomes(Survival::Everything, prepare), BTreeSet::from([Some(new)]));
}

#[test]
fn each_sector_survives_by_itself_and_what_is_missing_inside_the_length_is_zeros() {
    let prepare = |disk: &mut Disk, inode| disk.write(inode, 0, &[7; 1024], false).unwrap();
    let found = outcomes(Survival::Sectors, prepare);
    let second_only = [vec![0; 512], vec![7; 512]].concat();
    let expected = [Some(vec![]), Some(vec![7; 512]), Some(second_only), Some(vec![7; 1024])];
    assert_eq!(found, BTreeSet::from(expected));
    let blocks = outcomes(Survival::Blocks, prepare);
    assert_eq!(blocks, BTreeSet::from([Some(vec![]), Some(vec![7; 1024])]));
}

#[test]
fn a_prefix_of_the_writes_survives_and_the_next_in_part() {
    let found = outcomes(Survival::Prefix, |disk, inode| {
        disk.write(inode, 0, &[1; 1024], false).unwrap();
        disk.write(inode, 0, &[2; 512], false).unwrap();
    });
    let expected = [vec![], vec![1; 512], vec![1; 1024], [vec![2; 512], vec![1; 512]].concat()].map(Some);
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn a_name_needs_a_sync_of_its_directory() {
    let written = |disk: &mut Disk| {
        let inode = create(disk, "dir/other");
        disk.write(inode, 0, b"x", false).unwrap();
        sync(disk, "dir/other");
    };
    let (mut lost, mut kept) = (disk().0, disk().0);
    written(&mut lost);
    lose_power(&mut lost, Survival::Nothing, 1);
    assert!(lost.find(Path::new("dir/other")).is_err());
    written(&mut kept);
    sync(&mut kept, "dir");
    lose_power(&mut kept, Survival::Nothing, 1);
    let inode = kept.find(Path::new("dir/other")).unwrap();
    assert_eq!(kept.file(inode).unwrap().read(0, 9), b"x");
}

#[test]
fn a_renamed_file_may_have_either_name_both_or_none_until_its_directory_is_synced() {
    let outcomes = |synced: bool| -> BTreeSet<(bool, bool)> {
        let outcome = |seed| {
            let (mut disk, _) = disk();
            let dir = disk.find(Path::new("dir")).unwrap();
            disk.rename_in(dir, "file", "other").unwrap();
            if synced {
                sync(&mut disk, "dir");
            }
            lose_power(&mut disk, Survival::Any, seed);
            (disk.find(Path::new(FILE)).is_ok(), disk.find(Path::new("dir/other")).is_ok())
        };
        (0..200).map(outcome).collect()
    };
    assert_eq!(outcomes(false).len(), 4);
    assert_eq!(outcomes(true), BTreeSet::from([(false, true)]));
}

#[test]
fn a_file_is_not_renamed_to_a_name_that_stands_for_another_or_if_it_has_two() {
    let (mut disk, inode) = disk();
    let dir = disk.find(Path::new("dir")).unwrap();
    create(&mut disk, "dir/taken");
    assert_eq!(disk.rename_in(dir, "file", "taken"), Err(Errno::EXIST));
    assert_eq!(disk.rename_in(dir, "absent", "other"), Err(Errno::NOENT));
    let order = disk.next_order();
    disk.name(dir, "link", order, Some(inode)).unwrap();
    assert_eq!(disk.rename_in(dir, "file", "other"), Err(Errno::MLINK));
}

#[test]
fn a_removed_name_may_come_back_until_its_directory_is_synced() {
    let remove = |disk: &mut Disk, inode| {
        disk.write(inode, 0, b"data", true).unwrap();
        remove_file(disk);
        assert_eq!(contents(disk), None);
    };
    let found = outcomes(Survival::Sectors, remove);
    assert_eq!(found, BTreeSet::from([None, Some(b"data".to_vec())]));
    let synced = outcomes(Survival::Sectors, |disk, inode| {
        remove(disk, inode);
        sync(disk, "dir");
    });
    assert_eq!(synced, BTreeSet::from([None]));
}

#[test]
fn a_durable_write_is_sure_where_it_wrote_and_for_the_length_it_needs() {
    let found = outcomes(Survival::Sectors, |disk, inode| {
        disk.write(inode, 0, &[1; 1024], false).unwrap();
        disk.write(inode, 512, &[2; 512], true).unwrap();
    });
    let end = vec![2; 512];
    let expected = [vec![0; 512], vec![1; 512]].map(|start| Some([start, end.clone()].concat()));
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn a_durable_write_behind_a_truncation_is_not_undone_by_it() {
    let found = outcomes(Survival::Any, |disk, inode| {
        disk.write(inode, 0, &[1; 1024], true).unwrap();
        create(disk, FILE);
        disk.write(inode, 0, &[2; 512], true).unwrap();
    });
    assert_eq!(found, BTreeSet::from([Some(vec![2; 512])]));
}

#[test]
fn reserved_space_reads_zeros_and_its_length_may_be_lost() {
    let reserve = |disk: &mut Disk, inode| disk.allocate(inode, 4096).unwrap();
    let found = outcomes(Survival::Any, reserve);
    assert_eq!(found, BTreeSet::from([Some(vec![]), Some(vec![0; 4096])]));
}

#[test]
fn the_end_of_the_process_loses_nothing_that_the_kernel_was_given() {
    let (mut disk, inode) = disk();
    disk.allocate(inode, 8192).unwrap();
    let map = disk.file(inode).unwrap().map(8192).unwrap();
    map.promise(0, 8192, Duration::ZERO);
    // SAFETY: this test is the only one that knows the mapping.
    unsafe { map.write(5000, b"stored") };
    disk.write(inode, 8192, b"written", false).unwrap();
    disk.lose_process();
    let after = contents(&mut disk).unwrap();
    assert_eq!(&after[5000..5006], b"stored");
    assert_eq!(&after[8192..], b"written");
    // SAFETY: as above. The file does not belong to the dead mapping any more.
    unsafe { map.write(5000, b"beyond") };
    assert_eq!(&contents(&mut disk).unwrap()[5000..5006], b"stored");
}

#[test]
fn pages_of_a_mapping_are_written_back_or_not() {
    let found = outcomes(Survival::Blocks, |disk, inode| {
        disk.allocate(inode, 8192).unwrap();
        sync(disk, FILE);
        let map = disk.file(inode).unwrap().map(8192).unwrap();
        map.promise(0, 8192, Duration::ZERO);
        // SAFETY: this test is the only one that knows the mapping.
        unsafe { map.write(0, &[1; 8192]) };
    });
    let pages: BTreeSet<_> = found.iter().flatten().map(|bytes| (bytes[0], bytes[4096])).collect();
    assert_eq!(pages, BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)]));
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_it_has_grown() {
    let (mut disk, inode) = disk();
    disk.set_capacity(8192);
    assert_eq!(disk.write(inode, 4096, &[1; 8192], false), Err(rustix::io::Errno::NOSPC));
    assert_eq!(contents(&mut disk).unwrap().len(), 8192);
    assert_eq!(disk.allocate(inode, 9000), Err(rustix::io::Errno::NOSPC));
    assert_eq!(disk.free(), 0);
    disk.set_capacity(1 << 20);
    disk.write(inode, 4096, &[1; 8192], false).unwrap();
    remove_file(&mut disk);
    sync(&mut disk, "dir");
    assert_eq!(disk.used(), 0);
}

#[test]
fn a_failed_sync_may_keep_or_lose_the_data_for_good() {
    let faults = Faults { sync_error: 1.0, ..Faults::default() };
    let mut survived = BTreeSet::new();
    for seed in 0..100 {
        let (mut disk, inode) = disk();
        disk.write(inode, 0, &[9; 512], false).unwrap();
        let order = disk.order();
        let flight = Flight {
            queue: 0,
            due: Duration::ZERO,
            inode,
            path: FILE.into(),
            effect: Effect::Sync { order },
        };
        assert!(flight.land(&mut disk, &faults, &mut Random::new(seed)).result.is_err());
        let seen = contents(&mut disk).unwrap().len();
        // A later sync that succeeds does not bring back what the failed one has lost.
        sync(&mut disk, FILE);
        lose_power(&mut disk, Survival::Everything, seed);
        survived.insert((seen, contents(&mut disk).unwrap().len()));
    }
    assert_eq!(survived, BTreeSet::from([(0, 0), (512, 0), (512, 512)]));
}

#[test]
fn rot_stays_in_the_file() {
    let (mut disk, inode) = disk();
    disk.write(inode, 0, &[0; 512], false).unwrap();
    sync(&mut disk, FILE);
    assert!(disk.file(inode).unwrap().flip(9, 3, 1));
    assert!(!disk.file(inode).unwrap().flip(9, 512, 1));
    lose_power(&mut disk, Survival::Any, 1);
    assert_eq!(contents(&mut disk).unwrap()[3], 2);
}

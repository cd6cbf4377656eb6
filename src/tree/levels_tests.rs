//! Changes of levels, as text in and text out.

use super::*;
use crate::base::codec::Cursor;

fn table(id: u64) -> TableRecord {
    TableRecord { id: FileId(id), len: id * 100 }
}

fn flush(id: u64, min: &str, max: &str) -> Change {
    let (min, max) = (min.as_bytes().to_vec(), max.as_bytes().to_vec());
    let file = Some(FlushedRecord { table: table(id), min, max, consumed: RangeSet::default() });
    Change::Flush { file, flushed_to: LogMark { lsn: Lsn(id * 4096), seqno: SeqNo(id) } }
}

/// The runs `removed` go; at each lower bound stands a partition now, with this new run unless it is zero.
fn compact(
    lower: &str,
    upper: Option<&str>,
    removed: &[u64],
    new: &[(&str, u64)],
    consumed: &[u64],
) -> Change {
    let with_run = new.iter().enumerate().filter(|(_, (_, id))| *id > 0);
    Change::Compact {
        range: KeyRange {
            lower: lower.as_bytes().to_vec(),
            upper: upper.map(|upper| upper.as_bytes().to_vec()),
        },
        bounds: new.iter().map(|(lower, _)| lower.as_bytes().to_vec()).collect(),
        added: with_run.map(|(partition, (_, id))| AddedRun { partition, table: table(*id) }).collect(),
        removed: removed.iter().copied().map(FileId).collect(),
        consumed: consumed.iter().copied().map(FileId).collect(),
    }
}

fn show(levels: &Levels) -> String {
    let flushed = levels.flushed.iter().map(|file| file.table.id.to_string());
    let partitions = levels.partitions.iter().map(|partition| {
        let ids: Vec<String> = partition.runs.iter().map(|run| run.id.to_string()).collect();
        let ids = if ids.is_empty() { "-".to_owned() } else { ids.join(",") };
        format!("{}:{ids}", String::from_utf8_lossy(&partition.lower))
    });
    format!("{} | {}", flushed.collect::<Vec<_>>().join(" "), partitions.collect::<Vec<_>>().join(" "))
}

fn check_encodings(levels: &Levels, change: &Change) {
    let mut bytes = Vec::new();
    levels.encode(&mut bytes);
    assert_eq!(Levels::decode(&mut Cursor::new(&bytes)).as_ref(), Some(levels));
    for len in 0..bytes.len() {
        assert_ne!(Levels::decode(&mut Cursor::new(&bytes[..len])).as_ref(), Some(levels));
    }
    let mut bytes = Vec::new();
    change.encode(&mut bytes);
    assert_eq!(Change::decode(&mut Cursor::new(&bytes)).as_ref(), Some(change));
    for len in 0..bytes.len() {
        assert_eq!(Change::decode(&mut Cursor::new(&bytes[..len])), None);
    }
}

#[test]
fn files_are_compacted_by_range_and_leave_l2_when_wholly_consumed() {
    let mut levels = Levels::new();
    let mut check = |change: Change, expected: &str| {
        levels.apply(&change).unwrap();
        assert_eq!(show(&levels), expected);
        check_encodings(&levels, &change);
    };
    check(flush(1, "a", "z"), "1 | :-");
    check(flush(2, "c", "m"), "2 1 | :-");
    check(compact("", None, &[], &[("", 10), ("k", 11)], &[1]), "2 | :10 k:11");
    check(flush(3, "a", "z"), "3 2 | :10 k:11");
    check(compact("", Some("k"), &[10], &[("", 12)], &[2, 3]), "3 2 | :12 k:11");
    check(compact("k", None, &[11], &[("k", 13), ("t", 14)], &[2, 3]), " | :12 k:13 t:14");
    check(compact("", Some("t"), &[12, 13], &[("", 15)], &[]), " | :15 t:14");
    check(flush(4, "a", "z"), "4 | :15 t:14");
    check(compact("", Some("t"), &[15], &[("", 16)], &[4]), "4 | :16 t:14");
    let hole = |lower: &str| KeyRange { lower: lower.into(), upper: None };
    check(Change::Consume { holes: vec![(FileId(4), hole("u")), (FileId(3), hole(""))] }, "4 | :16 t:14");
    check(Change::Consume { holes: vec![(FileId(4), hole("t"))] }, " | :16 t:14");
}

#[test]
fn a_run_is_added_before_those_that_stay() {
    let mut levels = Levels::new();
    let mut check = |change: Change, expected: &str| {
        levels.apply(&change).unwrap();
        assert_eq!(show(&levels), expected);
    };
    check(compact("", None, &[], &[("", 10), ("k", 11)], &[]), " | :10 k:11");
    check(compact("", None, &[], &[("", 12), ("k", 0)], &[]), " | :12,10 k:11");
    check(compact("", Some("k"), &[10], &[("", 13)], &[]), " | :13,12 k:11");
    check(compact("", None, &[13, 12, 11], &[("", 14)], &[]), " | :14");
}

#[test]
fn of_several_runs_added_to_a_partition_the_newest_is_last() {
    let mut levels = Levels::new();
    levels.apply(&compact("", None, &[], &[("", 10), ("k", 11)], &[])).unwrap();
    let mut change = compact("", None, &[], &[("", 12), ("k", 13)], &[]);
    let Change::Compact { added, .. } = &mut change else { unreachable!() };
    added.push(AddedRun { partition: 0, table: table(14) });
    levels.apply(&change).unwrap();
    assert_eq!(show(&levels), " | :14,12,10 k:13,11");
}

/// Takes a moment, and an hour if it were to look through all runs for each.
#[test]
fn a_hundred_thousand_runs_go_in_one_change() {
    let count = 100_000;
    let ids: Vec<u64> = (1..=count).collect();
    let mut levels = Levels::new();
    levels.partitions[0].runs = ids.iter().map(|id| table(*id)).collect();
    levels.apply(&compact("", None, &ids, &[("", count + 1)], &[])).unwrap();
    assert_eq!(show(&levels), format!(" | :{}", count + 1));
    let mut change = compact("", None, &[], &[("", 0)], &[]);
    let Change::Compact { added, .. } = &mut change else { unreachable!() };
    added.extend(ids.iter().map(|id| AddedRun { partition: 0, table: table(*id) }));
    levels.apply(&change).unwrap();
    assert_eq!(levels.partitions[0].runs.first(), Some(&table(count)));
}

#[test]
fn impossible_changes_are_refused() {
    let check = |change: Change, expected: &str| {
        let mut levels = Levels::new();
        levels.apply(&flush(1, "a", "z")).unwrap();
        levels.apply(&compact("", None, &[], &[("", 10), ("k", 11)], &[])).unwrap();
        assert_eq!(levels.apply(&change).unwrap_err(), expected);
    };
    check(compact("b", Some("k"), &[], &[("b", 12)], &[]), "a range begins inside a partition");
    check(compact("", Some("c"), &[], &[("", 12)], &[]), "a range ends inside a partition");
    check(compact("", Some("k"), &[10], &[], &[]), "the new partitions do not begin where their range does");
    check(compact("", Some("k"), &[10], &[("", 12), ("x", 13)], &[]), "the partitions overlap");
    check(compact("", Some("k"), &[11], &[("", 12)], &[]), "file 11 is no run there");
    check(compact("", Some("k"), &[10, 10], &[("", 12)], &[]), "file 10 is removed twice");
    check(
        compact("", Some("k"), &[], &[("", 12), ("c", 13)], &[]),
        "file 10 stays although its partition goes",
    );
    check(compact("", Some("k"), &[10], &[("", 12)], &[7]), "file 7 is not in L2");
    check(flush(0, "a", "b"), "the log's start goes back to LSN 0");
}

//! Damaged, exchanged and missing table files: whatever is changed in one is found when it is read.

use super::*;

#[test]
fn a_changed_bit_anywhere_in_a_table_is_found() {
    let mut random = Random::new("table bits");
    for table in [&original().l2, &original().l3] {
        let (filter, index, footer) = parts(table);
        let len = footer + 104;
        expect_damage(table, "first data block", 0, flip(3, 0));
        expect_damage(table, "filter", filter, flip(filter + 20, 5));
        expect_damage(table, "index", index, flip(index + 9, 7));
        expect_damage(table, "footer", footer, flip(footer + 44, 1));
        expect_damage(table, "magic", footer, flip(len - 1, 1));
        for _ in 0..12 {
            let (at, bit) = (random.below(len as usize) as u64, random.below(8) as u8);
            let outcome = check_harm(table, "a bit of a table", flip(at, bit));
            assert!(matches!(outcome, Outcome::Error(_)), "byte {at} bit {bit}: {outcome:?}");
        }
    }
}

#[test]
fn a_table_of_another_length_is_found() {
    for table in [&original().l2, &original().l3] {
        let len = parts(table).2 + 104;
        expect_damage(table, "one byte short", len - 1, |bytes| bytes.truncate(len as usize - 1));
        expect_damage(table, "half", len / 2, |bytes| bytes.truncate(len as usize / 2));
        expect_damage(table, "empty", 0, Vec::clear);
        expect_damage(table, "one byte more", len + 1, |bytes| bytes.push(0));
    }
}

#[test]
fn a_table_in_the_place_of_another_is_found() {
    let (l2, l3) = (&original().l2, &original().l3);
    let other = fs::read(original().dir.join(l3.file_name().unwrap())).unwrap();
    let outcome = check_harm(l2, "exchanged", |bytes| *bytes = other);
    assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
}

#[test]
fn a_missing_table_is_named() {
    for table in [&original().l2, &original().l3] {
        let scratch = Scratch::new();
        copy_dir(&original().dir, &scratch.dir());
        let path = scratch.dir().join(table.file_name().unwrap());
        fs::remove_file(&path).unwrap();
        let expected = format!("cannot open {}: No such file or directory (os error 2)", path.display());
        assert_eq!(outcome(&scratch.dir(), "missing"), Outcome::Error(expected));
    }
}

#[test]
fn of_several_harmed_tables_the_same_is_named_on_any_number_of_cores() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), options()).unwrap();
    for number in 0..20 {
        db.put(key(number), value(number)).unwrap();
        db.flush().unwrap();
    }
    db.close().unwrap();
    let tables = files(&scratch.dir(), "table-");
    assert_eq!(tables.len(), 20);
    for path in &tables[5..] {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let errors: Vec<String> = [1, 2, 3, 4, 2, 3, 4]
        .map(|cores| Db::open(scratch.dir(), options().cores(cores)).unwrap_err().to_string())
        .to_vec();
    assert!(errors[0].contains("table magic"), "{}", errors[0]);
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
}

//! What every backend must do, checked on each that this machine permits.

use std::thread;

use super::*;
use crate::base::error::Error;
use crate::base::limits::{REQUEST_LEN_MAX, SECTOR};
use crate::base::options::IoBackend;
use crate::base::sync::atomic;

/// A world with a directory, its lock and a queue.
struct Bench {
    _root: tempfile::TempDir,
    dir: Dir,
    io: Arc<dyn Io>,
    lock: Lock,
    queue: Box<dyn Queue>,
}

/// Runs `body` on every backend. Rings are left out only where the kernel denies them.
fn check(body: impl Fn(&mut Bench)) {
    for backend in [IoBackend::Blocking, IoBackend::Uring] {
        let io = match probe::choose(backend) {
            Err(Error::RingDenied { cause, .. }) => {
                println!("not checked on rings: {cause}");
                continue;
            }
            io => io.unwrap(),
        };
        let root = tempfile::tempdir().unwrap();
        let dir = io.open_dir(root.path()).unwrap().unwrap();
        let lock = io.lock(&dir, "LOCK").unwrap();
        let queue = io.queue(0, &lock.0).unwrap();
        body(&mut Bench { _root: root, dir, io, lock, queue });
    }
}

impl Bench {
    fn open(&self, name: &str, mode: OpenMode) -> File {
        self.io.open(&self.dir, name, mode).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.io.list(&self.dir).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    fn remove(&self, name: &str) -> Op {
        Op::Remove { dir: self.dir.clone(), name: name.to_owned() }
    }

    /// Executes operations together; their completions in the order of submission.
    fn run(&mut self, ops: impl IntoIterator<Item = Op>) -> Vec<Completion> {
        let mut count = 0;
        for op in ops {
            self.queue.submit(count, op);
            count += 1;
        }
        assert_eq!(self.queue.in_flight() as u64, count);
        let mut done = Vec::new();
        while self.queue.in_flight() > 0 {
            self.queue.turn(Wait::Until(None), &mut done).unwrap();
        }
        done.sort_by_key(|completion| completion.token);
        let tokens: Vec<_> = done.iter().map(|completion| completion.token).collect();
        assert_eq!(tokens, (0..count).collect::<Vec<_>>());
        done
    }

    fn run_one(&mut self, op: Op) -> Completion {
        self.run([op]).pop().unwrap()
    }

    /// Executes one operation that must succeed; the bytes it moved.
    fn moved(&mut self, op: Op) -> usize {
        self.run_one(op).result.unwrap()
    }

    fn read(&mut self, file: &File, offset: u64, capacity: usize) -> Vec<u8> {
        let buffer = Buffer::with_capacity(capacity);
        let completion = self.run_one(Op::Read { file: file.clone(), offset, buffer });
        let Op::Read { buffer, .. } = completion.op else { panic!("{:?}", completion.op) };
        assert_eq!(completion.result.unwrap(), buffer.len());
        buffer.to_vec()
    }
}

/// Bytes that differ from offset to offset and from seed to seed.
fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31 + i / 251 + seed * 17) % 256) as u8).collect()
}

fn owned(bytes: &[u8]) -> Data {
    let mut buffer = Buffer::with_capacity(bytes.len());
    buffer.extend_from_slice(bytes);
    Data::Owned(buffer)
}

fn write(file: &File, offset: u64, bytes: &[u8], durable: bool) -> Op {
    let reach = if durable { Reach::Durable } else { Reach::PageCache };
    Op::Write { file: file.clone(), offset, data: owned(bytes), reach }
}

#[test]
fn what_the_device_is_given_is_read_and_can_be_synced() {
    check(|bench| {
        let file = bench.open("a", OpenMode::Create);
        let bytes = pattern(2, 300_000);
        for offset in [5_000, 305_000] {
            let (file, data) = (file.clone(), owned(&bytes));
            let write = Op::Write { file, offset, data, reach: Reach::Device };
            assert_eq!(bench.moved(write), bytes.len());
        }
        assert_eq!(bench.read(&file, 305_000, 300_000), bytes);
        assert_eq!(bench.io.counters().syncs.get(), 0);
        assert_eq!(bench.moved(Op::Sync { file: file.clone() }), 0);
    });
}

#[test]
fn what_is_written_is_read_synced_and_removed() {
    check(|bench| {
        let file = bench.open("a", OpenMode::Create);
        let bytes = pattern(1, 10_000);
        assert_eq!(bench.moved(write(&file, 0, &bytes, false)), 10_000);
        assert_eq!(bench.moved(write(&file, 10_000, b"end", true)), 3);
        assert_eq!(bench.moved(Op::Sync { file: file.clone() }), 0);
        assert_eq!(bench.io.file_len(&file).unwrap(), 10_003);
        assert_eq!(bench.read(&file, 0, 2 * SECTOR), bytes[..2 * SECTOR]);

        assert_eq!(bench.names(), ["LOCK", "a"]);
        for _ in 0..2 {
            let remove = bench.remove("a");
            assert_eq!(bench.moved(remove), 0);
        }
        let names = bench.dir.file().clone();
        assert_eq!(bench.moved(Op::Sync { file: names }), 0);
        assert_eq!(bench.names(), ["LOCK"]);
        // The name is gone, the open file is not.
        assert_eq!(bench.read(&file, 10_000, SECTOR), b"end");

        let counters = bench.io.counters();
        assert_eq!((counters.reads.get(), counters.read_bytes.get()), (2, 2 * SECTOR as u64 + 3));
        assert_eq!((counters.writes.get(), counters.write_bytes.get()), (2, 10_003));
        assert_eq!(counters.syncs.get(), 3);
        assert_eq!(counters.ring_ops.get() > 0, bench.io.backend() == "uring");
    });
}

#[test]
fn reads_past_the_end_are_short() {
    check(|bench| {
        let file = bench.open("a", OpenMode::Create);
        bench.moved(write(&file, 0, b"0123456789", false));
        assert_eq!(bench.read(&file, 4, SECTOR), b"456789");
        assert_eq!(bench.read(&file, 10, SECTOR), b"");
        assert_eq!(bench.read(&file, 1 << 40, SECTOR), b"");
        let mut buffer = [0; 100];
        let mut read_at = |offset| bench.io.read_at(&file, offset, &mut buffer).unwrap();
        assert_eq!([read_at(0), read_at(7), read_at(10)], [10, 3, 0]);
        assert_eq!(&buffer[..10], b"7893456789");
        assert_eq!(bench.io.read_at(&file, 0, &mut []).unwrap(), 0);

        let direct = bench.open("a", OpenMode::Direct);
        assert_eq!(bench.read(&direct, 0, 4 * SECTOR), b"0123456789");
    });
}

#[test]
fn many_operations_are_in_flight_at_once() {
    check(|bench| {
        // More than a ring takes at once, and more than it may have in flight.
        const COUNT: usize = 700;
        let file = bench.open("a", OpenMode::Create);
        let offset = |i: usize| (i * 500) as u64;
        let done = bench.run((0..COUNT).map(|i| write(&file, offset(i), &pattern(i, 500), false)));
        assert!(done.iter().all(|completion| matches!(completion.result, Ok(500))));
        let done = bench.run((0..COUNT).map(|i| Op::Read {
            file: file.clone(),
            offset: offset(i),
            buffer: Buffer::with_capacity(1),
        }));
        for (i, completion) in done.into_iter().enumerate() {
            let Op::Read { buffer, .. } = completion.op else { panic!("{:?}", completion.op) };
            let len = SECTOR.min((COUNT - i) * 500);
            assert_eq!(completion.result.unwrap(), len);
            assert_eq!(buffer[..500], pattern(i, 500));
        }
    });
}

#[test]
fn transfers_larger_than_a_request_are_whole() {
    check(|bench| {
        let file = bench.open("a", OpenMode::Create);
        let bytes = pattern(3, 3 * REQUEST_LEN_MAX + 12_345);
        for durable in [false, true] {
            let offset = u64::from(durable);
            assert_eq!(bench.moved(write(&file, offset, &bytes, durable)), bytes.len());
            assert!(bench.read(&file, offset, bytes.len()) == bytes);
            let mut buffer = vec![0; bytes.len() + 5];
            assert_eq!(bench.io.read_at(&file, offset, &mut buffer).unwrap(), bytes.len());
            assert!(buffer[..bytes.len()] == bytes);
        }
    });
}

#[test]
fn direct_durable_writes_go_into_a_preallocated_file() {
    check(|bench| {
        const LEN: usize = 64 * SECTOR;
        let file = bench.open("log", OpenMode::Create);
        assert_eq!(bench.moved(Op::Allocate { file: file.clone(), len: LEN as u64 }), 0);
        assert_eq!(bench.io.file_len(&file).unwrap(), LEN as u64);
        let direct = bench.open("log", OpenMode::Direct);
        for i in [3, 0, 7] {
            let bytes = pattern(i, 2 * SECTOR);
            let offset = (2 * i * SECTOR) as u64;
            assert_eq!(bench.moved(write(&direct, offset, &bytes, true)), bytes.len());
        }
        assert_eq!(bench.io.counters().syncs.get(), 3);
        let found = bench.read(&file, 0, LEN);
        assert_eq!(found.len(), LEN);
        for (i, chunk) in found.chunks(2 * SECTOR).enumerate() {
            let expected = if [3, 0, 7].contains(&i) { pattern(i, 2 * SECTOR) } else { vec![0; 2 * SECTOR] };
            assert!(chunk == expected, "piece {i}");
        }
    });
}

#[test]
fn a_file_gets_another_name_and_is_shortened() {
    check(|bench| {
        let file = bench.open("old", OpenMode::Create);
        let bytes = pattern(1, 3 * SECTOR);
        assert_eq!(bench.moved(write(&file, 0, &bytes, false)), bytes.len());
        drop(file);
        let file = bench.io.take_over(&bench.dir, "old", "new").unwrap();
        assert!(bench.io.open(&bench.dir, "old", OpenMode::Read).is_err());
        let len = SECTOR as u64 + 5;
        assert_eq!(bench.moved(Op::Shorten { file: file.clone(), len }), 0);
        assert_eq!(bench.io.file_len(&file).unwrap(), len);
        assert!(bench.read(&file, 0, bytes.len()) == bytes[..SECTOR + 5]);
        bench.open("taken", OpenMode::Create);
        assert!(bench.io.take_over(&bench.dir, "new", "taken").is_err());
        bench.io.remove(&bench.dir, "new").unwrap();
        assert!(bench.io.open(&bench.dir, "new", OpenMode::Read).is_err());
    });
}

#[test]
fn durable_writes_find_out_the_faster_way_and_all_reach_the_file() {
    check(|bench| {
        let log = bench.open("log", OpenMode::Create);
        let unknown = bench.io.durable_way();
        for i in 0..80 {
            let (offset, bytes) = ((i * SECTOR) as u64, pattern(i, SECTOR));
            if i % 4 < 2 {
                assert_eq!(bench.moved(write(&log, offset, &bytes, true)), SECTOR);
                continue;
            }
            let mut buffer = Buffer::with_capacity(SECTOR);
            buffer.extend_from_slice(&bytes);
            let written = bench.io.write_through(&log, offset, Data::Owned(buffer));
            crate::exec::block_on(written).unwrap();
        }
        assert_ne!(bench.io.durable_way(), unknown);
        assert_eq!(bench.io.counters().syncs.get(), 80);
        let found = bench.read(&log, 0, 80 * SECTOR);
        assert!(found.chunks(SECTOR).enumerate().all(|(i, chunk)| chunk == pattern(i, SECTOR)));
    });
}

#[test]
fn mapped_bytes_are_written_from_where_they_are() {
    check(|bench| {
        let stage = bench.open("stage", OpenMode::Create);
        bench.moved(Op::Allocate { file: stage.clone(), len: 4 * SECTOR as u64 });
        let map = bench.io.map(&stage, 4 * SECTOR).unwrap();
        let bytes = pattern(5, 2 * SECTOR);
        // SAFETY: this test is the only user of the mapping.
        unsafe { map.write(SECTOR, &bytes) };
        let log = bench.open("log", OpenMode::Create);
        let data = Data::Mapped { map, offset: SECTOR, len: 2 * SECTOR };
        let op = Op::Write { file: log.clone(), offset: 0, data, reach: Reach::Durable };
        assert_eq!(bench.moved(op), 2 * SECTOR);
        assert!(bench.read(&log, 0, 4 * SECTOR) == bytes);
        // The store itself has reached the file behind the mapping as well.
        assert!(bench.read(&stage, SECTOR as u64, 2 * SECTOR) == bytes);
    });
}

#[test]
#[should_panic(expected = "outside the mapping")]
fn a_mapped_range_beyond_its_mapping_is_refused() {
    let io = probe::choose(IoBackend::Blocking).unwrap();
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("stage"), [0; SECTOR]).unwrap();
    let dir = io.open_dir(root.path()).unwrap().unwrap();
    let stage = io.open(&dir, "stage", OpenMode::Direct).unwrap();
    let map = io.map(&stage, SECTOR).unwrap();
    Data::Mapped { map, offset: 1, len: SECTOR }.pointer();
}

#[test]
fn errors_come_back_with_the_operation() {
    check(|bench| {
        let file = bench.open("a", OpenMode::Create);
        drop(file);
        let file = bench.open("a", OpenMode::Read);
        let completion = bench.run_one(write(&file, 0, b"refused", false));
        assert_eq!(completion.result.unwrap_err().raw_os_error(), Some(9));
        let Op::Write { data: Data::Owned(buffer), .. } = completion.op else { panic!() };
        assert_eq!(&buffer[..], b"refused");
        let remove = bench.remove("a/b");
        assert!(bench.run_one(remove).result.is_err());
        let error = bench.io.read_at(bench.dir.file(), 0, &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::IsADirectory);
        assert_eq!(bench.io.counters().writes.get(), 0);
    });
}

#[test]
fn a_turn_without_wait_returns_at_once_and_completes_in_time() {
    check(|bench| {
        let mut done = Vec::new();
        bench.queue.turn(Wait::No, &mut done).unwrap();
        assert!(done.is_empty());
        let file = bench.open("a", OpenMode::Create);
        bench.queue.submit(9, Op::Sync { file });
        let give_up = bench.io.now() + Duration::from_secs(10);
        while done.is_empty() {
            assert!(bench.io.now() < give_up);
            bench.queue.turn(Wait::No, &mut done).unwrap();
        }
        assert_eq!((done[0].token, bench.queue.in_flight()), (9, 0));
    });
}

#[test]
fn a_wait_ends_at_its_deadline() {
    check(|bench| {
        let mut done = Vec::new();
        for time in [Duration::ZERO, Duration::from_millis(30)] {
            let deadline = bench.io.now() + time;
            bench.queue.turn(Wait::Until(Some(deadline)), &mut done).unwrap();
            let now = bench.io.now();
            assert!(now >= deadline);
            assert!(now < deadline + Duration::from_secs(5));
        }
        assert!(done.is_empty());
    });
}

#[test]
fn an_unpark_ends_the_wait_it_meets_or_the_next() {
    check(|bench| {
        let mut done = Vec::new();
        let unparker = bench.queue.unparker();
        unparker.unpark();
        bench.queue.turn(Wait::Until(None), &mut done).unwrap();
        // Many times, since the read of the eventfd has to be armed again each time.
        for _ in 0..20 {
            let unparker = bench.queue.unparker();
            let other = thread::spawn(move || {
                thread::sleep(Duration::from_millis(2));
                unparker.unpark();
            });
            bench.queue.turn(Wait::Until(None), &mut done).unwrap();
            other.join().unwrap();
        }
        assert!(done.is_empty());
    });
}

#[test]
fn unparks_in_a_storm_lose_nothing() {
    check(|bench| {
        let sent = Arc::new(atomic::AtomicU64::new(0));
        let unparker = bench.queue.unparker();
        let counter = Arc::clone(&sent);
        let other = thread::spawn(move || {
            for _ in 0..20_000 {
                counter.fetch_add(1, atomic::Ordering::Release);
                unparker.unpark();
            }
        });
        // Each wait ends only by an unpark: one lost after the last increment would hang here.
        let mut done = Vec::new();
        while sent.load(atomic::Ordering::Acquire) < 20_000 {
            bench.queue.turn(Wait::Until(None), &mut done).unwrap();
        }
        other.join().unwrap();
    });
}

#[test]
fn a_dropped_queue_waits_for_what_is_in_flight() {
    check(|bench| {
        let file = bench.open("a", OpenMode::Create);
        let mut queue = bench.io.queue(1, &bench.lock.0).unwrap();
        for i in 0..8 {
            queue.submit(i, write(&file, i * SECTOR as u64, &pattern(0, SECTOR), true));
        }
        let mut done = Vec::new();
        queue.turn(Wait::No, &mut done).unwrap();
        drop(queue);
        assert_eq!(bench.io.file_len(&file).unwrap(), 8 * SECTOR as u64);
    });
}

#[test]
fn the_lock_is_free_once_handle_and_queues_are_gone() {
    check(|bench| {
        let lock = bench.io.lock(&bench.dir, "OTHER").unwrap();
        let queue = bench.io.queue(1, &lock.0).unwrap();
        drop(lock);
        assert!(
            matches!(bench.io.lock(&bench.dir, "OTHER"), Err(Error::Locked { .. })),
            "the queue holds it"
        );
        drop(queue);
        bench.io.lock(&bench.dir, "OTHER").unwrap();
    });
}

#[test]
fn threads_run_are_waited_for_and_may_wait_for_themselves() {
    check(|bench| {
        let ran = Arc::new(atomic::AtomicU64::new(0));
        let (counter, io) = (Arc::clone(&ran), Arc::clone(&bench.io));
        let file = bench.open("a", OpenMode::Create);
        bench.moved(write(&file, 0, b"abc", false));
        let body = move || {
            assert_eq!(thread::current().name(), Some("rabi-test"));
            let mut buffer = [0; 3];
            io.read_at(&file, 0, &mut buffer).unwrap();
            assert_eq!(&buffer, b"abc");
            counter.fetch_add(1, atomic::Ordering::Relaxed);
        };
        bench.io.start_thread("rabi-test".to_owned(), Box::new(body)).unwrap().join();
        assert_eq!(ran.load(atomic::Ordering::Relaxed), 1);

        let (send, receive) = std::sync::mpsc::channel::<Box<dyn Thread>>();
        let (ended, end) = std::sync::mpsc::channel();
        let body = move || {
            receive.recv().unwrap().join();
            ended.send(()).unwrap();
        };
        send.send(bench.io.start_thread("self".to_owned(), Box::new(body)).unwrap()).unwrap();
        end.recv_timeout(Duration::from_secs(10)).unwrap();
    });
}

#[test]
fn random_numbers_differ_and_space_is_known() {
    check(|bench| {
        assert_ne!(bench.io.random(), bench.io.random());
        assert!(bench.io.space(&bench.dir).unwrap().free_bytes > 0);
    });
}

#[test]
fn a_direct_read_gives_any_part_of_a_file_and_what_there_is_of_it_at_the_end() {
    check(|bench| {
        for file_len in [1, 4095, 4096, 4097, REQUEST_LEN_MAX + 1, 3_000_123] {
            let bytes: Vec<u8> = (0..file_len).map(|at| (at / 3 * 7 + at) as u8).collect();
            let path = bench.dir.path_of("file");
            std::fs::write(path, &bytes).unwrap();
            let file = bench.open("file", OpenMode::ReadDirect);
            let expected =
                |offset: usize, len: usize| &bytes[offset.min(file_len)..(offset + len).min(file_len)];
            let offsets = [0, 1, SECTOR - 1, SECTOR, 3 * SECTOR + 7, file_len - 1, file_len, file_len + 5000];
            let lens = [0, 1, SECTOR - 1, SECTOR + 1, 20_000, REQUEST_LEN_MAX + 10];
            let places: Vec<(usize, usize)> =
                offsets.iter().flat_map(|offset| lens.map(|len| (*offset, len))).collect();
            let mut buffers: Vec<Vec<u8>> = places.iter().map(|(_, len)| vec![9; *len]).collect();
            for ((offset, len), buffer) in places.iter().zip(&mut buffers) {
                let read = bench.io.read_at(&file, *offset as u64, buffer).unwrap();
                assert!(buffer[..read] == *expected(*offset, *len), "{len} from {offset} of {file_len}");
                buffer.fill(9);
            }
            let together = places.iter().zip(&mut buffers);
            let mut reads: Vec<ReadAt<'_>> = together
                .map(|((offset, _), buffer)| ReadAt {
                    file: &file,
                    offset: *offset as u64,
                    buffer,
                    result: Ok(0),
                })
                .collect();
            bench.io.read_many(&mut reads);
            let read: Vec<usize> = reads.into_iter().map(|read| read.result.unwrap()).collect();
            for (((offset, len), buffer), read) in places.iter().zip(&buffers).zip(read) {
                assert!(buffer[..read] == *expected(*offset, *len), "{len} from {offset} of {file_len}");
            }
        }
    });
}

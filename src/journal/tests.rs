//! What the journal survives, and what it refuses: torn tails, flipped bytes, full disks.

use std::fs::OpenOptions;

use carbon_actors::ports::{Put, Tree};
use carbon_actors::twins::MemoryStore;
use carbon_protocol::entry::{FORMAT, Stream};
use carbon_protocol::{AccountId, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use super::frame::HEADER;
use super::*;

const CONFIG: Config = Config {
    segment_bytes: 4096,
    group_bytes: 4096,
    queue_entries: 64,
    tail_entries: 4,
    reserve_bytes: 0,
};

fn append(version: u64) -> Append {
    let stream = Stream::Account(AccountId([(version % 5) as u8; 16]));
    let (epoch, at, events) = (1, Timestamp(5), Vec::new());
    let entry = Entry { format: FORMAT, stream, version, epoch, at, events };
    let put = Put { tree: Tree::Snapshots, key: stream.key(), value: Some(vec![1]) };
    let bytes = rmp_serde::to_vec(&entry).unwrap();
    Append { bytes, entry: Arc::new(entry), puts: vec![put] }
}

fn open_from(folder: &Path, verify_from: u64) -> Result<FileJournal, Failure> {
    FileJournal::open(folder, CONFIG, verify_from, Arc::new(MemoryStore::default()))
}

fn open(folder: &Path) -> Result<FileJournal, Failure> {
    open_from(folder, 0)
}

/// Appends a group whose versions are the sequences it is to get, and waits.
fn write(journal: &FileJournal, count: u64) -> Result<u64, Failure> {
    let next = *journal.durable().borrow() + 1;
    let group = (next..next + count).map(append).collect();
    journal.append(group).blocking_recv().unwrap()
}

/// Every entry there is, each asserted to be the one written at its sequence.
fn all(journal: &FileJournal) -> Vec<u64> {
    let (mut after, mut found) = (journal.first() - 1, Vec::new());
    loop {
        let read = journal.read(after, 3).unwrap();
        let Some(last) = read.last() else { return found };
        after = last.sequence;
        for committed in read {
            assert_eq!(committed.sequence, committed.entry.version);
            assert_eq!(*committed.entry, *append(committed.sequence).entry);
            found.push(committed.sequence);
        }
    }
}

/// A copy of the folder as a crash leaves it: files as they are, nothing said at the end.
fn crash(folder: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().unwrap() == "seg").collect();
    paths.sort();
    paths
}

/// Offsets of the frames of a segment, and where the last one ends.
fn frames(path: &Path) -> Vec<u64> {
    let mut scan = Scan::new(File::open(path).unwrap(), segment::START).unwrap();
    let mut offsets = vec![scan.offset];
    while let Step::Frame(_) = scan.step().unwrap() {
        offsets.push(scan.offset);
    }
    offsets
}

fn change(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

#[test]
fn it_goes_on_where_it_stopped_over_many_segments() {
    let folder = TempDir::new().unwrap();
    for round in 0..6 {
        let journal = open(folder.path()).unwrap();
        for group in 1..=20 {
            let first = write(&journal, group % 3 + 1).unwrap();
            assert_eq!(first + group % 3, *journal.durable().borrow());
        }
        let last = *journal.durable().borrow();
        assert_eq!(last, (round + 1) * 41);
        assert_eq!(all(&journal), (1..=last).collect::<Vec<_>>());
        journal.close();
        assert!(matches!(write(&journal, 1), Err(Failure::Stopping)));
    }
    assert!(segments(folder.path()).len() > 3);
    let verified = verify_all(folder.path()).unwrap();
    assert_eq!((verified.first, verified.last, verified.entries), (1, 246, 246));
}

#[test]
fn the_states_are_findable_when_the_append_is_answered() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(MemoryStore::default());
    let journal = FileJournal::open(folder.path(), CONFIG, 0, store.clone()).unwrap();
    write(&journal, 3).unwrap();
    assert_eq!(store.len(Tree::Snapshots), 3);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_writing_goes_on() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    for _ in 0..3 {
        write(&journal, 2).unwrap();
    }
    let path = segments(folder.path()).remove(0);
    let frames = frames(&path);
    let whole = std::fs::read(&path).unwrap();
    for kept in frames[2]..frames[3] {
        let copy = crash(folder.path());
        let zeros = vec![0; (frames[3] - kept) as usize];
        change(&segments(copy.path())[0], kept, &zeros);
        let torn = std::fs::read(&segments(copy.path())[0]).unwrap() != whole;
        let left = if torn { 4 } else { 6 };
        let journal = open(copy.path()).unwrap();
        assert_eq!(all(&journal).len(), left, "torn at {kept}");
        write(&journal, 1).unwrap();
        drop(journal);
        let journal = open(copy.path()).unwrap();
        assert_eq!(all(&journal).len(), left + 1, "torn at {kept}");
        drop(journal);
        // The store has seen the group: then it was durable, and its loss is no torn tail.
        if torn {
            let copy = crash(folder.path());
            change(&segments(copy.path())[0], kept, &zeros);
            assert!(open_from(copy.path(), 6).is_err(), "torn at {kept}");
        }
    }
}

#[test]
fn a_flipped_byte_is_cut_as_a_tail_or_refused_and_never_read() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    for group in [1, 3, 2] {
        write(&journal, group).unwrap();
    }
    let frames = frames(&segments(folder.path())[0]);
    let used = frames[3] + 8;
    let (mut cut, mut refused) = (0, 0);
    for closed in [false, true] {
        if closed {
            journal.close();
        }
        for offset in 0..used {
            let copy = crash(folder.path());
            let path = &segments(copy.path())[0];
            let byte = std::fs::read(path).unwrap()[offset as usize];
            change(path, offset, &[byte ^ 0x40]);
            match open(copy.path()) {
                Ok(journal) => {
                    let last = all(&journal).len();
                    let tail = if closed { offset >= frames[3] } else { offset >= frames[2] };
                    assert!(tail, "closed {closed}, flipped at {offset}");
                    assert_eq!(last, if offset >= frames[3] { 6 } else { 4 }, "at {offset}");
                    cut += 1;
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(".seg") && text.contains("offset"), "{text}");
                    assert!(offset < frames[3], "closed {closed}, flipped at {offset}");
                    refused += 1;
                }
            }
        }
    }
    assert!(cut > 100 && refused > 500, "{cut} cut, {refused} refused");
}

#[test]
fn a_reader_meets_damage_with_a_failure() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    for _ in 0..4 {
        write(&journal, 3).unwrap();
    }
    let path = segments(folder.path()).remove(0);
    let (from, to) = (frames(&path)[1], frames(&path)[2]);
    for offset in from..to {
        let byte = std::fs::read(&path).unwrap()[offset as usize];
        change(&path, offset, &[byte ^ 1]);
        assert_eq!(journal.read(0, 3).unwrap().len(), 3);
        assert!(journal.read(3, 3).is_err(), "flipped at {offset}");
        change(&path, offset, &[byte]);
    }
    assert_eq!(journal.read(3, 3).unwrap().len(), 3);
}

#[test]
fn a_full_disk_fails_the_group_and_the_next_one_goes_on() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    write(&journal, 2).unwrap();
    for room in [0, 1, 71, 72, 100] {
        *journal.shared.disk.room.lock() = Some(room);
        assert!(matches!(write(&journal, 3), Err(Failure::Full(_))), "room {room}");
        assert_eq!(*journal.durable().borrow(), 2);
        assert_eq!(all(&open(crash(folder.path()).path()).unwrap()), [1, 2]);
    }
    *journal.shared.disk.room.lock() = None;
    assert_eq!(write(&journal, 3).unwrap(), 3);
    drop(journal);
    assert_eq!(all(&open(folder.path()).unwrap()), [1, 2, 3, 4, 5]);
}

#[test]
fn too_much_waiting_is_busy_and_too_large_is_refused() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    let group = |count| (0..count).map(append).collect::<Vec<_>>();
    let refused = |group| journal.append(group).blocking_recv().unwrap().unwrap_err();
    assert!(matches!(refused(group(0)), Failure::Journal(_)));
    assert!(matches!(refused(group(65)), Failure::Journal(_)));
    let mut large = append(1);
    large.bytes = vec![0; 4097];
    assert!(matches!(refused(vec![large]), Failure::Journal(_)));
    // The writer is kept from taking anything while the queue is full.
    let mut queue = journal.shared.queue.lock();
    queue.entries = 60;
    drop(queue);
    assert!(matches!(refused(group(5)), Failure::Busy(_)));
    journal.shared.queue.lock().entries = 0;
    assert_eq!(write(&journal, 4).unwrap(), 1);
}

#[test]
fn it_is_open_once() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    assert!(open(folder.path()).err().unwrap().to_string().contains("open elsewhere"));
    assert!(verify_all(folder.path()).is_err());
    drop(journal);
    assert!(open(folder.path()).is_ok());
}

/// A closed journal of several segments.
fn long() -> (TempDir, u64) {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path()).unwrap();
    for _ in 0..60 {
        write(&journal, 3).unwrap();
    }
    assert!(segments(folder.path()).len() >= 4);
    (folder, 180)
}

#[test]
fn archived_segments_may_be_gone_but_none_in_the_middle() {
    let (folder, last) = long();
    let paths = segments(folder.path());
    std::fs::remove_file(&paths[0]).unwrap();
    let journal = open(folder.path()).unwrap();
    assert!(journal.first() > 1);
    assert_eq!(all(&journal), (journal.first()..=last).collect::<Vec<_>>());
    assert!(journal.read(0, 1).is_err());
    drop(journal);
    assert_eq!(verify_all(folder.path()).unwrap().last, last);
    std::fs::remove_file(&paths[2]).unwrap();
    assert!(open(folder.path()).err().unwrap().to_string().contains("missing"));
}

#[test]
fn a_journal_that_lost_its_end_to_the_stores_knowledge_is_refused() {
    let (folder, last) = long();
    assert!(open_from(folder.path(), last).is_ok());
    let gone = segments(folder.path()).pop().unwrap();
    std::fs::remove_file(gone).unwrap();
    assert!(open_from(folder.path(), 0).is_ok());
    assert!(open_from(folder.path(), last).is_err());
    let empty = TempDir::new().unwrap();
    assert!(open_from(empty.path(), 1).is_err());
}

#[test]
fn older_segments_are_checked_by_verification_and_when_they_are_read() {
    let (folder, last) = long();
    let path = segments(folder.path()).remove(0);
    let frames = frames(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    // Somebody changes an entry and mends the CRC: only the chain can tell.
    let (start, end) = (frames[1] as usize, frames[2] as usize);
    bytes[end - 1] ^= 1;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[start..start + 68]);
    crc.update(&bytes[start + HEADER..end]);
    bytes[start + 68..start + HEADER].copy_from_slice(&crc.finalize().to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    assert!(open_from(folder.path(), last).is_ok());
    let error = open_from(folder.path(), 0).err().unwrap().to_string();
    assert!(error.contains("chain"), "{error}");
    assert!(verify_all(folder.path()).is_err());
}

#[test]
fn what_a_crash_left_unfinished_is_removed() {
    let (folder, last) = long();
    let unfinished = folder.path().join("00000000000000009999.new");
    std::fs::write(&unfinished, b"half").unwrap();
    assert_eq!(*open(folder.path()).unwrap().durable().borrow(), last);
    assert!(!unfinished.exists());
}

#[test]
fn readers_beside_the_writer_see_durable_entries_only() {
    let folder = TempDir::new().unwrap();
    let journal = Arc::new(open(folder.path()).unwrap());
    let reader = journal.clone();
    let reading = std::thread::spawn(move || {
        let (mut after, mut reads) = (0, 0);
        while after < 600 {
            let read = reader.read(after, 7).unwrap();
            let durable = *reader.durable().borrow();
            for committed in read {
                assert_eq!(committed.sequence, after + 1);
                assert_eq!(committed.entry.version, committed.sequence);
                assert!(committed.sequence <= durable);
                after = committed.sequence;
            }
            reads += 1;
            std::thread::yield_now();
        }
        reads
    });
    for _ in 0..200 {
        write(&journal, 3).unwrap();
    }
    assert!(reading.join().unwrap() > 80);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..Default::default()
    })]

    /// Crash at any byte of the last segment, zeros or rubbish behind it: what opens is a prefix
    /// that holds every group that ended before, and it can be written on.
    #[test]
    fn after_a_crash_anywhere_a_prefix_is_left(
        rounds in prop::collection::vec(
            (prop::collection::vec(1_u64..6, 1..12), any::<u16>(), any::<bool>()),
            1..4,
        ),
    ) {
        let mut folder = TempDir::new().unwrap();
        let mut expected = 0;
        for (groups, place, rubbish) in rounds {
            let journal = open(folder.path()).unwrap();
            prop_assert_eq!(all(&journal), (1..=expected).collect::<Vec<_>>());
            for count in groups {
                write(&journal, count).unwrap();
            }
            let copy = crash(folder.path());
            drop(journal);
            let path = segments(copy.path()).pop().unwrap();
            let ends = frames(&path);
            let end = *ends.last().unwrap();
            let at = segment::START + u64::from(place) % (end - segment::START + 1);
            let start = path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
            expected = start - 1;
            let mut scan = Scan::new(File::open(&path).unwrap(), segment::START).unwrap();
            while let Step::Frame(header) = scan.step().unwrap() {
                if scan.offset <= at {
                    expected = header.next() - 1;
                }
            }
            let filler = if rubbish { 0xa5 } else { 0 };
            change(&path, at, &vec![filler; (end - at) as usize]);
            let journal = open(copy.path()).unwrap();
            let found = all(&journal);
            // A frame may end in the very bytes it was overwritten with.
            prop_assert!(found.len() as u64 >= expected, "{} of {expected}", found.len());
            prop_assert!(found.len() as u64 <= expected + 5);
            expected = found.len() as u64;
            drop(journal);
            folder = copy;
        }
    }

    /// A hole before valid frames is damage, not a tail.
    #[test]
    fn a_hole_before_later_groups_is_refused(groups in 2_usize..8, hole in any::<u16>()) {
        let folder = TempDir::new().unwrap();
        let journal = open(folder.path()).unwrap();
        for _ in 0..groups {
            write(&journal, 2).unwrap();
        }
        let copy = crash(folder.path());
        let path = segments(copy.path()).pop().unwrap();
        let ends = frames(&path);
        let holed = usize::from(hole) % (groups - 1);
        let length = (ends[holed + 1] - ends[holed]) as usize;
        change(&path, ends[holed], &vec![0; length]);
        let error = open(copy.path()).err().map(|error| error.to_string()).unwrap_or_default();
        prop_assert!(error.contains("known to be durable"), "{error}");
    }
}

/// What a run takes: entries of 500 bytes, encoded beforehand; frame, CRC, hash, write,
/// `fdatasync`, hand-over to a store in memory. `waiting` groups are in flight.
#[test]
#[ignore = "a measurement: run with --release -- --ignored --nocapture"]
fn appends_per_second() {
    let config = Config {
        segment_bytes: 64 << 20,
        group_bytes: 4 << 20,
        queue_entries: 100_000,
        tail_entries: 10_000,
        reserve_bytes: 0,
    };
    for (group, waiting, groups) in [
        (1, 1, 2000),
        (1, 64, 20_000),
        (16, 1, 2000),
        (16, 64, 20_000),
        (256, 1, 2000),
        (256, 8, 4000),
    ] {
        let folder = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let store = Arc::new(MemoryStore::default());
        let journal = FileJournal::open(folder.path(), config.clone(), 0, store).unwrap();
        let entry = append(1);
        let make = || -> Vec<Append> {
            let one = || Append { entry: entry.entry.clone(), bytes: vec![7; 500], puts: vec![] };
            (0..group).map(|_| one()).collect()
        };
        let started = std::time::Instant::now();
        let mut answers: VecDeque<oneshot::Receiver<Result<u64, Failure>>> = VecDeque::new();
        for _ in 0..groups {
            if answers.len() == waiting {
                let answer = answers.pop_front().unwrap();
                answer.blocking_recv().unwrap().unwrap();
            }
            answers.push_back(journal.append(make()));
        }
        for answer in answers {
            answer.blocking_recv().unwrap().unwrap();
        }
        let micros = started.elapsed().as_micros() as u64;
        let rate = group * groups * 1_000_000 / micros;
        println!(
            "journal: groups of {group:>3} × 500 bytes, {waiting:>2} in flight: \
             {rate:>7} entries/s, {} µs a group",
            micros / groups
        );
    }
}

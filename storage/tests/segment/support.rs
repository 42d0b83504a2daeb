//! Logs of test leaves, their twigs, and segments of them.

use alloy_primitives::{B256, keccak256};
use qmtree_kernels::Hasher;
use qmtree_proofs::{LeafPayload, MemoryLog, Profile, Scheme, TWIG_LEAVES, TwigId, TxNum};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{
    BlockEnd, Disk, Identity, NO_TAG, Segment, SegmentError, Tag, Twig, tag_of, write_segment,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Twigs in a test log.
pub(crate) const TWIGS: usize = 4;

/// A log and its twigs.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) memory: MemoryLog<Hasher>,
    pub(crate) twigs: Vec<Arc<Twig>>,
}

/// The test leaves of testdata/README.md.
fn payload(tx_num: u64) -> LeafPayload {
    let word = |name: &[u8]| keccak256([name, &tx_num.to_be_bytes()].concat());
    LeafPayload {
        pre_state_hash: word(b"pre"),
        state_change_hash: word(b"chg"),
        transition_hash: word(b"trn"),
    }
}

/// The tag of test leaf `t`: that of keccak256("tx" and `t` in 8 bytes). Only leaves of twig 2 have
/// one, and of those only the ones with an odd number.
pub(crate) fn tag(t: u64) -> Tag {
    if t.is_multiple_of(2) || t / TWIG_LEAVES != 2 {
        NO_TAG
    } else {
        tag_of(&keccak256([&b"tx"[..], &t.to_be_bytes()].concat()))
    }
}

/// The test log of a profile, made once.
pub(crate) fn log(profile: Profile) -> &'static Log {
    static LOGS: [OnceLock<Log>; 2] = [const { OnceLock::new() }; 2];
    LOGS[usize::from(profile.id()) - 1].get_or_init(|| {
        let hasher = Hasher::new(profile);
        let mut memory = MemoryLog::new(hasher);
        let leaves: Vec<_> = (0..TWIGS as u64 * TWIG_LEAVES).map(payload).collect();
        memory.append(&leaves);
        let twigs = (0..TWIGS as u64)
            .map(|id| Arc::new(twig(&memory, hasher, id)))
            .collect();
        Log { memory, twigs }
    })
}

fn twig(memory: &MemoryLog<Hasher>, hasher: Hasher, id: u64) -> Twig {
    let (from, to) = (id * TWIG_LEAVES, (id + 1) * TWIG_LEAVES);
    let payloads = memory.payloads(TxNum(from), TxNum(to)).unwrap().to_vec();
    let hash = |tx_num| memory.leaf_hash(TxNum(tx_num)).unwrap().0;
    let hashes: Vec<_> = (from..to).map(hash).collect();
    let previous = from.checked_sub(1).map_or([0; 32], hash);
    let tags = (from..to).map(tag).collect();
    Twig::build(&hasher, TwigId(id), previous, payloads, &hashes).with_tags(tags)
}

pub(crate) fn identity(profile: Profile) -> Identity {
    Identity {
        profile,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    }
}

/// Blocks of 100 leaves, and every seventh without any, that end in these twigs. Returns the
/// number of the first and the table. Block 5 is the chain's first.
pub(crate) fn blocks(twigs: std::ops::Range<u64>) -> (u64, Vec<BlockEnd>) {
    let (from, to) = (twigs.start * TWIG_LEAVES, twigs.end * TWIG_LEAVES);
    let all = (5..).scan(0, |leaf_count, number| {
        *leaf_count += if number % 7 == 0 { 0 } else { 100 };
        Some((number, *leaf_count))
    });
    let mine: Vec<_> = all
        .take_while(|(_, leaf_count)| *leaf_count <= to)
        .filter(|(_, leaf_count)| from == 0 || *leaf_count > from)
        .collect();
    let end = |(number, leaf_count): &(u64, u64)| BlockEnd {
        leaf_count: *leaf_count,
        root: if *leaf_count == 0 {
            B256::ZERO
        } else {
            keccak256([b"root".as_slice(), &number.to_be_bytes()].concat())
        },
        entry_count: *number - 5,
        state_root: if *number == 5 {
            B256::ZERO
        } else {
            keccak256(number.to_be_bytes())
        },
    };
    (
        mine.first().map_or(0, |(number, _)| *number),
        mine.iter().map(end).collect(),
    )
}

/// Writes twigs of the test log as a segment.
pub(crate) fn seal(
    disk: &dyn Disk,
    folder: &Path,
    profile: Profile,
    twigs: std::ops::Range<u64>,
) -> Result<PathBuf, SegmentError> {
    let (first_block, blocks) = blocks(twigs.clone());
    let twigs = &log(profile).twigs[twigs.start as usize..twigs.end as usize];
    write_segment(disk, folder, identity(profile), twigs, first_block, &blocks)
}

/// The bytes of a segment of the test log, and its name.
pub(crate) fn sealed(profile: Profile, twigs: std::ops::Range<u64>) -> (PathBuf, Vec<u8>) {
    let disk = SimDisk::new();
    let path = seal(&disk, Path::new("."), profile, twigs).unwrap();
    let bytes = disk.content(&path).unwrap();
    (path.file_name().unwrap().into(), bytes)
}

/// Opens bytes as a segment of this name.
pub(crate) fn open(name: &Path, bytes: &[u8], profile: Profile) -> Result<Segment, SegmentError> {
    let disk = SimDisk::new();
    disk.set_content(name, bytes.to_vec());
    Segment::open(&disk, name, identity(profile))
}

//! Files made by a second implementation of the format page: testdata/segment.

use crate::support::{identity, sealed};
use alloy_primitives::{hex, keccak256};
use qmtree_proofs::Profile;
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{Segment, prune_segment};
use std::collections::BTreeMap;
use std::path::Path;

/// The lines of a golden file.
fn golden(name: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/segment");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let lines = text.lines().map(|line| line.split_once(": ").unwrap());
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn compare(golden: &BTreeMap<String, String>, name: &Path, bytes: &[u8]) {
    assert_eq!(golden["name"], name.file_name().unwrap().to_str().unwrap());
    assert_eq!(golden["length"], bytes.len().to_string());
    let tail = bytes.len() - 32;
    let part = |part: &str, bytes: &[u8]| assert_eq!(golden[part], hex::encode(bytes), "{part}");
    part("header 0..136", &bytes[..136]);
    part("header 4092..4096", &bytes[4092..4096]);
    let mut footer = 4096;
    for twig in [1, 2] {
        if golden.contains_key(&format!("twig {twig} header")) {
            let header = &bytes[footer + 200_704..][..32];
            part(&format!("twig {twig} header"), header);
            footer += 208_896;
        }
    }
    if let Some(tags) = golden.get("tags") {
        assert_eq!(
            *tags,
            hex::encode(keccak256(&bytes[footer..footer + 32_768]))
        );
        footer += 32_768;
    }
    part("twig roots", &bytes[footer..footer + 64]);
    let seams = tail - 32 * u64::from_le_bytes(bytes[128..136].try_into().unwrap()) as usize;
    part("blocks", keccak256(&bytes[footer + 64..seams]).as_slice());
    part("seams", keccak256(&bytes[seams..tail]).as_slice());
    part("tail", &bytes[tail..]);
    part("file", keccak256(bytes).as_slice());
}

#[test]
fn segments_are_byte_for_byte_the_oracles() {
    for profile in Profile::ALL {
        let (name, bytes) = sealed(profile, 1..3);
        compare(&golden(&format!("{profile}.txt")), &name, &bytes);
    }
}

#[test]
fn pruned_segments_are_byte_for_byte_the_oracles() {
    for profile in Profile::ALL {
        let disk = SimDisk::new();
        let (name, bytes) = sealed(profile, 1..3);
        disk.set_content(&name, bytes);
        let whole = Segment::open(&disk, &name, identity(profile)).unwrap();
        let pruned = prune_segment(&disk, &whole).unwrap();
        let bytes = disk.content(pruned.path()).unwrap();
        compare(
            &golden(&format!("{profile}-pruned.txt")),
            pruned.path(),
            &bytes,
        );
    }
}

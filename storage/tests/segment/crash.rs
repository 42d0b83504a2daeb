//! Power cuts at every step of writing and pruning.

use crate::support::{identity, log, seal};
use qmtree_proofs::{Profile, TwigId};
use qmtree_storage::sim::{Fate, SimDisk};
use qmtree_storage::{
    Disk, Listing, Segment, SegmentError, create_folder, list_segments, prune_segment,
};
use std::path::Path;

const PROFILE: Profile = Profile::Blake3;
const FATES: [Fate; 3] = [Fate::Lost, Fate::Kept, Fate::Torn];

fn folder() -> &'static Path {
    Path::new("db/segments")
}

/// A disk with a segment of twig 0, synced.
fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::with_seed(seed);
    create_folder(&disk, folder()).unwrap();
    seal(&disk, folder(), PROFILE, 0..1).unwrap();
    disk
}

fn list(disk: &dyn Disk) -> Listing {
    list_segments(disk, folder(), identity(PROFILE)).unwrap()
}

/// Cuts the power at every step of `script`, in every way, and hands over the disk that is found.
fn at_every_step(
    script: impl Fn(&SimDisk) -> Result<(), SegmentError>,
    check: impl Fn(&SimDisk, &str),
) {
    let whole = disk(0);
    let before = whole.steps();
    script(&whole).unwrap();
    let steps = whole.steps();
    assert!(steps > before);
    for step in before..steps {
        for fate in FATES {
            let disk = disk(step);
            disk.crash_at(step, fate);
            assert!(script(&disk).is_err(), "step {step} {fate:?}");
            check(&disk.after_crash(), &format!("step {step} {fate:?}"));
        }
    }
    for fate in FATES {
        check(&whole.power_loss(fate), "afterwards");
    }
}

/// The writer's part of an open.
fn remove_orphans(disk: &SimDisk) {
    for orphan in list(disk).orphans {
        disk.remove(&orphan).unwrap();
    }
    assert!(list(disk).orphans.is_empty());
}

#[test]
fn a_segment_is_there_whole_or_not_at_all() {
    let write = |disk: &SimDisk| seal(disk, folder(), PROFILE, 1..3).map(drop);
    at_every_step(write, |disk, when| {
        let listing = list(disk);
        for segment in &listing.segments {
            segment
                .check()
                .unwrap_or_else(|error| panic!("{when}: {error}"));
        }
        assert!([TwigId(1), TwigId(3)].contains(&listing.end()), "{when}");
        assert!(
            when != "afterwards" || listing.end() == TwigId(3),
            "a success is durable"
        );
        remove_orphans(disk);
        if listing.end() == TwigId(1) {
            seal(disk, folder(), PROFILE, 1..3).unwrap();
        }
        assert_eq!(
            list(disk).end(),
            TwigId(3),
            "{when}: the next attempt works"
        );
    });
}

#[test]
fn a_crash_while_pruning_loses_no_roots() {
    let roots = [log(PROFILE).twigs[0].root()];
    let prune = |disk: &SimDisk| prune_segment(disk, &list(disk).segments[0]).map(drop);
    at_every_step(prune, |disk, when| {
        let listing = list(disk);
        let [segment] = &listing.segments[..] else {
            panic!("{when}: {listing:?}")
        };
        assert_eq!(segment.twig_roots(), roots, "{when}");
        segment
            .check()
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        assert!(
            when != "afterwards" || segment.is_pruned(),
            "a success is durable"
        );
        remove_orphans(disk);
        let segment: &Segment = &list(disk).segments[0];
        let pruned = prune_segment(disk, segment).unwrap();
        assert!(pruned.is_pruned(), "{when}: the next attempt works");
    });
}

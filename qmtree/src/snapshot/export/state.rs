//! Files of the state log: whole twigs or what is live of them, and the entries behind.

use super::super::output::Output;
use super::super::refusal::SnapshotRefusal;
use super::{Export, ExportOptions, StateExport, failed, file_names, gaps};
use crate::error::Error;
use qmtree_proofs::TWIG_LEAVES;
use qmtree_storage::Disk;
use qmtree_storage::snapshot::{
    LeafSink, ManifestEntry, SnapshotContent, SnapshotError, SnapshotName, pack_word,
    write_state_snapshot,
};
use std::ops::Range;
use std::path::Path;

const ENTRY_LEN: u64 = 128;

/// The files of the state log that an export is about.
#[derive(Debug)]
pub(super) struct StateNames {
    /// Whole twigs of the state log that end with a block all of whose leaves are in whole twigs.
    /// So the entries of all later blocks are behind them, with the leaves of these blocks.
    twigs: u64,
    what: StateExport,
    /// What is live once these twigs are full, if there are any.
    live: Option<SnapshotName>,
    tail: Option<SnapshotName>,
}

impl StateNames {
    /// True if a file of what is live or of the tail belongs to the head of the export.
    pub(super) fn keeps(&self, name: SnapshotName) -> bool {
        [self.live, self.tail].contains(&Some(name))
    }
}

impl Export {
    pub(super) fn state_names(&self, what: StateExport) -> Result<StateNames, Error> {
        let entries = self.head.entry_count;
        let is_empty = entries == 0 || what == StateExport::None;
        let twigs = match self.whole {
            whole if is_empty || whole == 0 => 0,
            whole => {
                let ended = self.boundary(whole * TWIG_LEAVES)?.entry_count;
                // There is always an entry behind.
                ended.min(entries - 1) / TWIG_LEAVES
            }
        };
        let name = |content, from, to| SnapshotName { content, from, to };
        let live = (twigs > 0).then(|| name(SnapshotContent::Live, 0, twigs));
        let from = twigs * TWIG_LEAVES;
        let tail = (!is_empty).then(|| name(SnapshotContent::StateTail, from, entries));
        Ok(StateNames {
            twigs,
            what,
            live,
            tail,
        })
    }

    /// The files of the state log that are not among those that stay.
    pub(super) fn missing_state(
        &self,
        kept: &[ManifestEntry],
        names: &StateNames,
        options: &ExportOptions,
    ) -> Result<Vec<SnapshotName>, Error> {
        let content = SnapshotContent::State;
        let mut missing = Vec::new();
        if names.what == StateExport::Full {
            for gap in gaps(kept, content, 0..names.twigs) {
                self.check_history(gap.start, gap.end)?;
                let files = file_names(gap, options.file_twigs);
                missing.extend(files.iter().map(|name| SnapshotName { content, ..*name }));
            }
        }
        missing.extend(names.live.filter(|_| names.what == StateExport::Live));
        missing.extend(names.tail);
        missing.retain(|name| kept.iter().all(|entry| entry.name != *name));
        Ok(missing)
    }

    /// Writes one of these.
    pub(super) fn write_state(
        &self,
        output: &Output<'_>,
        name: SnapshotName,
    ) -> Result<ManifestEntry, Error> {
        output.put(name, |disk| {
            let folder = output.folder;
            let target = Target { disk, folder };
            match name.content {
                SnapshotContent::State => self.write_state_twigs(&target, name),
                SnapshotContent::Live => self.write_live(&target, name),
                _ => self.write_state_tail(&target, name),
            }
        })
    }

    /// Twigs that are still to be written must have all their entries.
    fn check_history(&self, from: u64, end: u64) -> Result<(), Error> {
        let log = &self.state.state_log;
        match log.earliest() {
            Some(earliest) if from < end && from * TWIG_LEAVES < log.partial_entries() => {
                Err(SnapshotRefusal::StateHistory { earliest }.into())
            }
            _ => Ok(()),
        }
    }

    /// A file of whole twigs: entries, roots over them, values.
    fn write_state_twigs(
        &self,
        target: &Target<'_>,
        name: SnapshotName,
    ) -> Result<ManifestEntry, Error> {
        let log = &self.state.state_log;
        let twigs = name.from..name.to;
        let values: Vec<_> = twigs
            .clone()
            .map(|twig| packed(log.own_values(ids(twig))?))
            .collect::<Result<_, Error>>()?;
        let roots: Vec<_> = twigs
            .clone()
            .map(|twig| log.entries_root(twig))
            .collect::<Result<_, _>>()?;
        let mut lengths = vec![ENTRY_LEN * TWIG_LEAVES; values.len()];
        lengths.push(32 * values.len() as u64);
        lengths.extend(values.iter().map(|values| values.len() as u64));
        self.write(target, name, &roots, &lengths, |sink| {
            for twig in twigs {
                target.put(sink, &log.raw_entries(ids(twig))?)?;
            }
            target.put(sink, roots.as_flattened())?;
            values
                .iter()
                .try_for_each(|values| target.put(sink, values))
        })
    }

    /// The file of what is live once so many twigs are full. Values are packed twice, once for
    /// their lengths, so that only those of a twig are in memory.
    fn write_live(&self, target: &Target<'_>, name: SnapshotName) -> Result<ManifestEntry, Error> {
        let log = &self.state.state_log;
        let live = log.active_as_of(name.to * TWIG_LEAVES)?;
        let mut lengths: Vec<_> = live
            .iter()
            .map(qmtree_storage::TwigOpening::len_of)
            .collect();
        for (twig, live) in (0..).zip(&live) {
            lengths.push(packed(log.live_values(twig, live)?)?.len() as u64);
        }
        self.write(target, name, &[], &lengths, |sink| {
            for (twig, live) in (0..).zip(&live) {
                target.put(sink, &log.opening(twig, live)?)?;
            }
            for (twig, live) in (0..).zip(&live) {
                target.put(sink, &packed(log.live_values(twig, live)?)?)?;
            }
            Ok(())
        })
    }

    /// The file of the entries behind the whole twigs, up to the head's last.
    fn write_state_tail(
        &self,
        target: &Target<'_>,
        name: SnapshotName,
    ) -> Result<ManifestEntry, Error> {
        let log = &self.state.state_log;
        let twigs = name.from / TWIG_LEAVES..name.to.div_ceil(TWIG_LEAVES);
        let front = |twig: u64| twig * TWIG_LEAVES..((twig + 1) * TWIG_LEAVES).min(name.to);
        let values: Vec<_> = twigs
            .clone()
            .map(|twig| packed(log.own_values(front(twig))?))
            .collect::<Result<_, Error>>()?;
        let entries = |twig| {
            let ids: Range<u64> = front(twig);
            ENTRY_LEN * (ids.end - ids.start)
        };
        let mut lengths: Vec<_> = twigs.clone().map(entries).collect();
        lengths.extend(values.iter().map(|values| values.len() as u64));
        self.write(target, name, &[], &lengths, |sink| {
            for twig in twigs {
                target.put(sink, &log.raw_entries(front(twig))?)?;
            }
            values
                .iter()
                .try_for_each(|values| target.put(sink, values))
        })
    }

    fn write(
        &self,
        target: &Target<'_>,
        name: SnapshotName,
        roots: &[[u8; 32]],
        lengths: &[u64],
        words: impl FnOnce(&mut LeafSink<'_>) -> Result<(), Error>,
    ) -> Result<ManifestEntry, Error> {
        let Target { disk, folder } = *target;
        let rule = self.state.state_log.compaction();
        let log = (self.identity, rule);
        write_state_snapshot(disk, folder, log, name, roots, lengths, words)
    }
}

/// Where files are written.
#[derive(Clone, Copy)]
struct Target<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
}

impl Target<'_> {
    fn put(&self, sink: &mut LeafSink<'_>, word: &[u8]) -> Result<(), Error> {
        sink.word(&[word]).map_err(failed(self.folder))
    }
}

fn ids(twig: u64) -> Range<u64> {
    twig * TWIG_LEAVES..(twig + 1) * TWIG_LEAVES
}

/// A word of values; no bytes where there are none.
fn packed(values: Vec<u8>) -> Result<Vec<u8>, Error> {
    if values.is_empty() {
        return Ok(values);
    }
    pack_word(&values).map_err(|source| SnapshotError::Unpackable { source }.into())
}

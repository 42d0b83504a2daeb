//! Which files of the folder stay.

use super::super::refusal::SnapshotRefusal;
use super::super::set::SnapshotSet;
use super::Export;
use super::state::StateNames;
use crate::error::Error;
use qmtree_proofs::{TWIG_LEAVES, TWIG_LEVEL};
use qmtree_storage::snapshot::{
    Manifest, ManifestEntry, SnapshotContent, SnapshotFile, SnapshotName,
};

/// What a file of the folder is to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A part of it.
    Ours,
    /// Of blocks that were unwound, or of another split of it into blocks.
    Stale,
    /// Of another log, or of another history.
    Other {
        /// A twig that differs.
        twig: u64,
    },
}

impl Export {
    /// The lines of the files that stay: those that the last manifest lists, as long as they are of
    /// this log and head. Others are not believed.
    ///
    /// # Errors
    /// [`SnapshotRefusal::Elsewhere`] if the folder is another log's.
    pub(super) fn kept(
        &self,
        there: &SnapshotSet,
        listed: Option<&Manifest>,
        state: &StateNames,
    ) -> Result<Vec<ManifestEntry>, Error> {
        let of_head = |file: &SnapshotFile| file.header().head == self.head;
        let line = |file: &SnapshotFile| {
            let (name, len_bytes) = (file.header().name, file.len_bytes());
            let Some(listed) = listed else {
                // Roots are all that such a file has, and they were compared.
                return (name.content == SnapshotContent::Roots).then(|| ManifestEntry {
                    name,
                    len_bytes,
                    blake3: file.blake3(),
                });
            };
            let same = |entry: &&ManifestEntry| (entry.name, entry.len_bytes) == (name, len_bytes);
            listed.files.iter().find(same).copied()
        };
        // The tail comes last: what lies beside it is of its head.
        let is_tail = |file: &SnapshotFile| {
            file.header().name.content == SnapshotContent::Tail && of_head(file)
        };
        let mut tails = there.files().iter().filter(|file| is_tail(file));
        let same_head = tails.any(|file| line(file).is_some());
        let mut kept = Vec::new();
        for file in there.files() {
            let line = line(file);
            match self.kind(file) {
                Kind::Other { twig } if line.is_some() || listed.is_none() => {
                    return Err(SnapshotRefusal::Elsewhere { twig }.into());
                }
                Kind::Ours => {}
                _ => continue,
            }
            let name = file.header().name;
            let stays = match name.content {
                SnapshotContent::Tail => is_tail(file),
                SnapshotContent::StateTail | SnapshotContent::Live => {
                    same_head && state.keeps(name)
                }
                _ => true,
            };
            kept.extend(line.filter(|_| stays));
        }
        Ok(kept)
    }

    fn kind(&self, file: &SnapshotFile) -> Kind {
        let header = file.header();
        let (name, twigs) = (header.name, header.twigs());
        if header.identity != self.identity {
            return Kind::Other { twig: twigs.start };
        }
        if matches!(
            name.content,
            SnapshotContent::Tail | SnapshotContent::StateTail
        ) {
            return Kind::Ours;
        }
        let (log, head) = (&self.state.state_log, &self.state.head);
        let whole = match name.content.is_state() {
            true => log.entry_count() / TWIG_LEAVES,
            false => head.leaf_count.saturating_sub(1) / TWIG_LEAVES,
        };
        let ours = |twig| match name.content.is_state() {
            true => log.entries_root(twig).ok(),
            false => self.state.upper.node(TWIG_LEVEL, twig),
        };
        let roots = twigs.clone().zip(file.roots());
        let mut roots = roots.filter(|(twig, _)| *twig < whole);
        if let Some((twig, _)) = roots.find(|(twig, root)| ours(*twig) != Some(**root)) {
            return Kind::Other { twig };
        }
        if twigs.end > whole || !self.ends_alike(file) {
            return Kind::Stale;
        }
        Kind::Ours
    }

    /// True unless the blocks at the end of a file of whole twigs are others than those of this log,
    /// whose leaves may be the same.
    fn ends_alike(&self, file: &SnapshotFile) -> bool {
        let header = file.header();
        let listing = matches!(
            header.name.content,
            SnapshotContent::Execution | SnapshotContent::Tags
        );
        // A log that started from roots does not know its older blocks.
        let head = self.boundary(header.leaves().end).ok();
        !listing || head.is_none_or(|head| head == header.head)
    }

    /// Files of tags that the last manifest lists and that are gone.
    pub(super) fn lost_tags(
        &self,
        kept: &[ManifestEntry],
        listed: Option<&Manifest>,
    ) -> Vec<SnapshotName> {
        let listed = listed.map(|listed| &listed.files[..]).unwrap_or_default();
        let names = listed.iter().map(|entry| entry.name);
        let has = |name: SnapshotName| kept.iter().any(|entry| entry.name == name);
        let lost = names.filter(|name| {
            let leaves = SnapshotName {
                content: SnapshotContent::Execution,
                ..*name
            };
            // With leaves that are written anew their tags are too.
            name.content == SnapshotContent::Tags && !has(*name) && has(leaves)
        });
        lost.collect()
    }
}

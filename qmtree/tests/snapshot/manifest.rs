//! The manifest: hashes of all files, in a note that can be signed.

use crate::support::{DB, OUT, database, export};
use qmtree::Error;
use qmtree::proofs::Profile;
use qmtree::snapshot::{
    ExportOptions, Manifest, NoteSigner, NoteVerifier, SnapshotError, SnapshotFolder,
};
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use std::path::Path;
use std::sync::Arc;

fn signer() -> NoteSigner {
    NoteSigner::from_seed("node-1.example.org", &[7; 32]).unwrap()
}

#[test]
fn a_signed_manifest_vouches_for_every_file() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let db = database(&disk, DB, Profile::Blake3, 0, &[1500; 5]);
    let options = ExportOptions::default().with_signer(Arc::new(signer()));
    let exported = export(&db, &disk, &options);
    let folder = SnapshotFolder::on(Arc::clone(&disk), Path::new(OUT));
    let verifier = NoteVerifier::parse(&signer().verifier().to_string()).unwrap();
    let manifest = folder.check_manifest(Some(&verifier), &None).unwrap();
    assert_eq!(
        (manifest.head, &manifest.files),
        (db.head(), &exported.files)
    );
    let signed = folder.manifest().unwrap().unwrap();
    assert_eq!(signed.signers().collect::<Vec<_>>(), ["node-1.example.org"]);
    let other = NoteSigner::from_seed("node-1.example.org", &[8; 32])
        .unwrap()
        .verifier();
    assert!(matches!(
        folder.check_manifest(Some(&other), &None),
        Err(Error::Snapshot(SnapshotError::Unsigned { .. }))
    ));
    // Any bit of any file.
    for entry in &exported.files {
        let path = Path::new(OUT).join(entry.name.to_string());
        let len = entry.len_bytes as usize;
        for at in [400, len / 2, len - 1] {
            sim.flip(&path, at, 4);
            folder.check_manifest(Some(&verifier), &None).unwrap_err();
            sim.flip(&path, at, 4);
        }
    }
    // Any bit of the note.
    let note = sim.content(&exported.manifest).unwrap();
    for (at, bit) in (0..note.len()).map(|at| (at, at % 7)) {
        let mut changed = note.clone();
        changed[at] ^= 1 << bit;
        let parsed = Manifest::parse(Path::new("note"), &changed);
        if let Ok(parsed) = parsed {
            parsed.verify(&verifier).unwrap_err();
        }
    }
    for len in 0..note.len() {
        let cut = Manifest::parse(Path::new("note"), &note[..len]);
        assert!(
            cut.is_err() || cut.unwrap().verify(&verifier).is_err(),
            "{len} bytes"
        );
    }
}

#[test]
fn a_note_has_the_form_of_the_page() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let db = database(&disk, DB, Profile::Blake3, 0, &[9]);
    let exported = export(&db, &disk, &ExportOptions::default());
    assert_eq!(
        exported.manifest,
        Path::new("/out/v1.0-qmtree-manifest.1.note")
    );
    let note = String::from_utf8(sim.content(&exported.manifest).unwrap()).unwrap();
    let lines: Vec<_> = note.split('\n').collect();
    assert_eq!(lines[..2], ["qmtree/execution/7/blake3/state-root/1", "9"]);
    assert_eq!(lines[2].len(), 44);
    assert!(lines[3].starts_with("head 0000000000000007") && lines[3].len() == 5 + 196);
    assert!(lines[4].starts_with("v1.0-qmtree-tail.0-9.seg "));
    assert_eq!(lines[5..], ["", ""]);
    // Another export replaces it.
    let again = export(&db, &disk, &ExportOptions::default());
    assert_eq!(
        again.manifest,
        Path::new("/out/v1.0-qmtree-manifest.2.note")
    );
    assert!(!disk.exists(&exported.manifest));
}

#[test]
fn names_twice_paths_and_other_spellings_are_refused() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let db = database(&disk, DB, Profile::Blake3, 0, &[9]);
    let exported = export(&db, &disk, &ExportOptions::default());
    let note = String::from_utf8(sim.content(&exported.manifest).unwrap()).unwrap();
    let file = note.lines().nth(4).unwrap().to_owned();
    let refused = |text: &str| Manifest::parse(Path::new("note"), text.as_bytes()).unwrap_err();
    for (from, to) in [
        (&*file, &*format!("{file}\n{file}")),
        ("v1.0-qmtree-tail.0-9.seg", "../v1.0-qmtree-tail.0-9.seg"),
        ("v1.0-qmtree-tail.0-9.seg", "/etc/passwd"),
        ("v1.0-qmtree-tail.0-9.seg ", "v1.0-qmtree-tail.0-9.seg  "),
        ("\n9\n", "\n09\n"),
        ("\n9\n", "\n8\n"),
        ("qmtree/execution/7", "qmtree/execution/8"),
        ("\n\n", "\n"),
    ] {
        let changed = note.replace(from, to);
        assert_ne!(changed, note);
        refused(&changed);
    }
    assert_eq!(
        refused(&note.replace(&file, &format!("{file}\n{file}"))).to_string(),
        "note: line 6 of the manifest: a file is listed twice"
    );
    refused(&note.to_uppercase());
    refused(&format!("{note}no signature\n"));
}

//! One node exports its log to `.seg` files; another takes them from anybody, trusts the head alone,
//! and goes on.

use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
use qmtree::snapshot::{ExportOptions, ImportOptions, SnapshotFolder};
use qmtree::{At, Db, Identity, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let path = |name: &str| temporary.path().join(name);
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };
    let mut db = Db::create(path("db"), identity, Options::bulk_load())?;
    for block in 0..10 {
        db.append_block(block, &[LeafPayload::default(); 1000])?;
    }

    // Four whole twigs of 2048 leaves, and a tail with the rest.
    let exported = db.export_snapshot(path("files"), &ExportOptions::default())?;
    for file in &exported.files {
        println!("{} has {} bytes", file.name, file.len_bytes);
    }
    let files = SnapshotFolder::new(path("files")).paths()?;
    let trusted = db.head();

    // Proofs straight from the files.
    let read = Db::open_snapshot(path("files"), &trusted)?;
    read.view()
        .witness(TxNum(4242), At::Head)?
        .verify(&trusted, TxNum(4242))?;

    // A database of its own: every leaf is verified first.
    let mut copy = Db::import_snapshot(path("copy"), &files, &trusted, ImportOptions::default())?;
    let next = [LeafPayload::default(); 7];
    assert_eq!(copy.append_block(10, &next)?, db.append_block(10, &next)?);
    println!("both nodes are at block {}", copy.head().block_number);

    // Files that lead elsewhere make no database.
    let mut other = trusted;
    other.root.0[0] ^= 1;
    let refused = Db::import_snapshot(path("other"), &files, &other, ImportOptions::default());
    println!("{}", refused.expect_err("the root is another"));
    Ok(())
}

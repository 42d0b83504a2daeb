//! A reorganisation of the chain: drop the newest blocks, append others, while a reader goes on.

use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
use qmtree::{At, Db, Identity, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let identity = Identity {
        profile: Profile::Blake3,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };
    let mut db = Db::create(folder.path().join("db"), identity, Options::default())?;
    let leaf = |byte| LeafPayload::from_bytes(&[byte; 96]);
    for block in 0..5 {
        db.append_block(block, &[leaf(1); 10])?;
    }

    let before = db.view();
    db.unwind_to(2)?;
    for block in 3..6 {
        db.append_block(block, &[leaf(2); 8])?;
    }

    // The old view still answers from the old branch, the new one from the new branch.
    let after = db.view();
    assert_ne!(before.head_at(4)?.root, after.head_at(4)?.root);
    before
        .witness(TxNum(35), At::Head)?
        .verify(before.head(), TxNum(35))?;
    after
        .witness(TxNum(35), At::Head)?
        .verify(after.head(), TxNum(35))?;

    // What they share is provably the same: both extend the log of block 2.
    let shared = after.head_at(2)?;
    before
        .prove_consistency(2, At::Head)?
        .verify(&shared, before.head())?;
    after
        .prove_consistency(2, At::Head)?
        .verify(&shared, after.head())?;
    println!(
        "unwound to block 2 and followed the other branch to block {}",
        after.head().block_number
    );
    db.close()?;
    Ok(())
}

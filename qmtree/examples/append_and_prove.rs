//! Append blocks to a database, and prove a leaf under the newest head and under an older one.

use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
use qmtree::{At, Db, Identity, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };
    let mut db = Db::create(folder.path().join("db"), identity, Options::default())?;

    for block in 100..110 {
        // Three leaves a block; a real feeder puts the three hashes of each transaction here.
        let head = db.append_block(block, &[LeafPayload::default(); 3])?;
        println!(
            "block {block}: {} leaves, root {}",
            head.leaf_count, head.root
        );
    }

    // A view is pinned: it stays as it is, whatever the writer does next.
    let view = db.view();
    let tx_num = TxNum(7);
    let witness = view.witness(tx_num, At::Head)?;
    witness.verify(view.head(), tx_num)?;
    println!("leaf 7 under block 109: {} bytes", witness.to_bytes().len());

    let old_head = view.head_at(102)?;
    view.witness(tx_num, At::Block(102))?
        .verify(&old_head, tx_num)?;
    println!("leaf 7 under block 102: verified too");

    db.close()?;
    Ok(())
}

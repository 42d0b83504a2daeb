//! A verifier that has a head it trusts, bytes from someone else, and no database.

use qmtree::proofs::{Head, LeafPayload, MemoryLog, Profile, Scheme, TxNum, VerifyError, Witness};

/// All that a verifier does.
fn verify(trusted: &Head, tx_num: TxNum, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    Witness::from_bytes(bytes)?.verify(trusted, tx_num)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Somewhere else: a log, and a witness for leaf 42 of it.
    let mut log = MemoryLog::new(Profile::Keccak256);
    log.append(&[LeafPayload::default(); 100]);
    let leaf = log.leaf(TxNum(42)).ok_or("there are 100 leaves")?;
    let bytes = Witness::new(leaf, log.prover(100)?.inclusion(TxNum(42))?)?.to_bytes();
    let trusted = log.head(1, Scheme::StateRoot1, 9);

    verify(&trusted, TxNum(42), &bytes)?;
    println!("leaf 42 holds under head {}", trusted.hash());

    // The same bytes say nothing about another leaf, or under another head.
    assert!(verify(&trusted, TxNum(43), &bytes).is_err());
    log.append(&[LeafPayload::default()]);
    let newer = log.head(1, Scheme::StateRoot1, 10);
    let refused = Witness::from_bytes(&bytes)?.verify(&newer, TxNum(42));
    assert_eq!(
        refused,
        Err(VerifyError::LeafCount {
            found: 100,
            trusted: 101
        })
    );
    println!("refused elsewhere");
    Ok(())
}

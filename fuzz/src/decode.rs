//! Decoders: no panic, and one encoding for each value.

use qmtree_proofs::{
    ConsistencyProof, Head, InclusionProof, MultiProof, Proof, RangeProof, RangeWitness, Witness,
    erigon, state::StateProof,
};

macro_rules! reencodes {
    ($($name:ident: $type:ty),+ $(,)?) => {$(
        pub(crate) fn $name(data: &[u8]) {
            if let Ok(value) = <$type>::from_bytes(data) {
                assert_eq!(value.to_bytes()[..], *data, "two encodings of one value");
            }
        }
    )+};
}

reencodes! {
    head: Head,
    inclusion: InclusionProof,
    range: RangeProof,
    multi: MultiProof,
    consistency: ConsistencyProof,
    witness: Witness,
    range_witness: RangeWitness,
    state: StateProof,
    erigon_path: erigon::ProofPath,
    erigon_witness: erigon::Witness,
    erigon_range_witness: erigon::RangeWitness,
}

/// JSON has many texts for one value, so the value must survive instead of the text.
pub(crate) fn json(data: &[u8]) {
    if let Ok(proof) = serde_json::from_slice::<Proof>(data) {
        assert_eq!(Proof::from_bytes(&proof.to_bytes()).as_ref(), Ok(&proof));
        let text = serde_json::to_vec(&proof).expect("a proof has a JSON form");
        assert_eq!(serde_json::from_slice::<Proof>(&text).ok(), Some(proof));
    }
    if let Ok(head) = serde_json::from_slice::<Head>(data) {
        assert_eq!(Head::from_bytes(&head.to_bytes()), Ok(head));
    }
}

//! Calls on past states, and proofs of them that were tampered with.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/inside.rs"]
mod inside;

use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use inside::{Chain, devchain};
use qmtree::proofs::{Head, Profile, Scheme, TxNum};
use qmtree_execution_adapter::engine::{ChainGenesis, prove_call};
use qmtree_execution_adapter::state_log::keys;
use qmtree_execution_adapter::{
    CallError, CallOutcome, CallProof, CallRequest, ChainSpec, NoTracer, ReadValue, TraceMode,
    TraceOptions, Tracer, verify_call,
};

/// The first token of the development chain, and its first owner.
const TOKEN: Address = address!("a91cd341075bed3ffe16770d790a1350910575e4");
const OWNER: Address = address!("e01a125efbd1919db579fe47e8353ca7ccd74a90");
const STRANGER: Address = Address::repeat_byte(0x77);

struct Log {
    chain: Chain,
    genesis: ChainGenesis,
    /// Last transaction number of each block, from block 0 on.
    ends: Vec<TxNum>,
}

fn log(blocks: usize) -> Log {
    let (genesis, all) = devchain();
    let mut chain = Chain::genesis(&genesis);
    let mut ends = vec![TxNum(0)];
    for block in &all[..blocks] {
        ends.push(chain.run(block).last_tx_num);
    }
    Log {
        chain,
        genesis,
        ends,
    }
}

fn balance_of(owner: Address) -> CallRequest {
    let mut data = hex!("70a08231").to_vec();
    data.extend_from_slice(owner.into_word().as_slice());
    request(data)
}

fn transfer(to: Address, value: u64) -> CallRequest {
    let mut data = hex!("a9059cbb").to_vec();
    data.extend_from_slice(to.into_word().as_slice());
    data.extend_from_slice(&U256::from(value).to_be_bytes::<32>());
    request(data)
}

fn request(data: Vec<u8>) -> CallRequest {
    CallRequest {
        from: OWNER,
        to: TOKEN,
        data: data.into(),
        ..CallRequest::default()
    }
}

impl Log {
    fn head(&self) -> Head {
        self.chain.db.head()
    }

    fn prove(
        &self,
        at: TxNum,
        request: &CallRequest,
    ) -> Result<(CallProof, CallOutcome), CallError> {
        prove_call(
            &self.chain.db.view(),
            &self.genesis.chain,
            at,
            request,
            NoTracer,
        )
    }

    fn verify(&self, proof: &CallProof) -> Result<CallOutcome, CallError> {
        verify_call(&self.head(), &self.genesis.chain, proof, NoTracer)
    }
}

#[test]
fn a_balance_is_what_it_was_and_holds_offline() {
    let log = log(200);
    let mut balances = Vec::new();
    // Before the token was there, the callee is an account without code.
    for block in [10, 20, 60, 120, 200] {
        let (proof, outcome) = log.prove(log.ends[block], &balance_of(OWNER)).unwrap();
        assert_eq!((outcome.status, outcome.block_number), (1, block as u64));
        let sent = CallProof::from_bytes(&proof.to_bytes()).unwrap();
        assert_eq!(sent, proof);
        assert_eq!(log.verify(&sent).unwrap(), outcome);
        balances.push(outcome.output);
    }
    assert_eq!(balances[0].len(), 0);
    assert!(balances[1..].iter().all(|balance| balance.len() == 32));
    assert!(
        balances[1..].windows(2).all(|pair| pair[0] > pair[1]),
        "it is given away"
    );
    // In the middle of a block too: the state is that after the leaf, the block the leaf's.
    let middle = TxNum(log.ends[101].0 - 1);
    let (proof, outcome) = log.prove(middle, &balance_of(STRANGER)).unwrap();
    assert_eq!(outcome.block_number, 101);
    assert_eq!(outcome.output, Bytes::from(vec![0; 32]));
    log.verify(&proof).unwrap();
}

#[test]
fn a_call_commits_to_what_it_would_write_and_to_its_steps() {
    let log = log(100);
    let at = log.ends[100];
    let (quiet, _) = log.prove(at, &balance_of(OWNER)).unwrap();
    let (proof, outcome) = log.prove(at, &transfer(STRANGER, 5)).unwrap();
    assert_eq!(
        outcome.output,
        Bytes::from(U256::from(1).to_be_bytes::<32>())
    );
    assert_ne!(proof.leaf.state_change_hash, quiet.leaf.state_change_hash);
    log.verify(&proof).unwrap();
    // Nothing was written.
    assert_eq!(log.prove(at, &balance_of(OWNER)).unwrap().0, quiet);
    // More than there is: reverted, which is a result.
    let (proof, outcome) = log
        .prove(
            at,
            &CallRequest {
                from: STRANGER,
                ..transfer(OWNER, 5)
            },
        )
        .unwrap();
    assert_eq!(outcome.status, 0);
    log.verify(&proof).unwrap();

    for mode in [TraceMode::Full, TraceMode::Flat] {
        let tracer = || Tracer::threaded(TraceOptions::new(mode, Profile::Keccak256), 1).unwrap();
        let view = log.chain.db.view();
        let rules = &log.genesis.chain;
        let (proof, outcome) =
            prove_call(&view, rules, at, &transfer(STRANGER, 5), tracer()).unwrap();
        assert!(outcome.steps.count > 100);
        assert_eq!(
            verify_call(&log.head(), rules, &proof, tracer()).unwrap(),
            outcome
        );
        assert!(matches!(
            log.verify(&proof).unwrap_err(),
            CallError::OtherResult {
                what: "mode of trace"
            }
        ));
    }
}

#[test]
fn calls_that_cannot_be_are_refused() {
    let log = log(30);
    let at = log.ends[30];
    let invalid = |request: CallRequest| match log.prove(at, &request) {
        Err(CallError::Invalid { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let poor = CallRequest {
        from: STRANGER,
        value: U256::from(1),
        ..balance_of(OWNER)
    };
    assert!(invalid(poor).contains("funds"));
    assert!(
        !invalid(CallRequest {
            gas: 20_000,
            ..balance_of(OWNER)
        })
        .is_empty()
    );
    assert!(
        !invalid(CallRequest {
            gas: u64::MAX,
            ..balance_of(OWNER)
        })
        .is_empty()
    );
    let next = TxNum(log.head().leaf_count);
    assert!(matches!(
        log.prove(next, &balance_of(OWNER)),
        Err(CallError::State(_))
    ));
    let other = ChainSpec::from_chain_id(1).unwrap();
    let view = log.chain.db.view();
    let wrong = prove_call(&view, &other, at, &balance_of(OWNER), NoTracer);
    assert!(matches!(wrong, Err(CallError::OtherChain { rules: 1, .. })));
    // The genesis has a header, so a call can be made on it.
    log.prove(TxNum(0), &balance_of(OWNER)).unwrap();
}

#[test]
fn no_change_of_a_proof_holds() {
    let log = log(120);
    let at = log.ends[60];
    let (proof, outcome) = log.prove(at, &transfer(STRANGER, 5)).unwrap();
    assert!(outcome.status == 1 && proof.values.len() >= 5);
    let refused = |what: &str, change: &dyn Fn(&mut CallProof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        assert_ne!(changed, proof, "{what}");
        log.verify(&changed).expect_err(what)
    };

    // Another result.
    let error = refused("output", &|proof| proof.output = vec![0; 32].into());
    assert!(
        matches!(error, CallError::OtherResult { what: "output" }),
        "{error}"
    );
    for word in 0..3 {
        refused("leaf", &|proof| {
            let leaf = &mut proof.leaf;
            let words = [
                &mut leaf.pre_state_hash,
                &mut leaf.state_change_hash,
                &mut leaf.transition_hash,
            ];
            words[word].0[31] ^= 1;
        });
    }
    // Another call.
    refused("callee", &|proof| proof.request.to = STRANGER);
    refused("caller", &|proof| proof.request.from = STRANGER);
    refused("gas", &|proof| proof.request.gas -= 1);
    refused("wei", &|proof| proof.request.value = U256::from(1));
    refused("calldata", &|proof| {
        let mut data = proof.request.data.to_vec();
        data[67] = 6;
        proof.request.data = data.into();
    });
    // Another time: the values are not those of then, or the entries not those that show it.
    for tx_num in [
        0,
        at.0 - 5,
        at.0 + 5,
        log.head().leaf_count - 1,
        log.head().leaf_count,
    ] {
        refused("txNum", &|proof| proof.tx_num = TxNum(tx_num));
    }
    // A value dropped, changed, made absent, doubled, added.
    for place in 0..proof.values.len() {
        refused("dropped value", &|proof| drop(proof.values.remove(place)));
        let error = refused("changed value", &|proof| {
            let value = &mut proof.values[place].value;
            *value = Some(match value {
                Some(bytes) => {
                    let mut bytes = bytes.to_vec();
                    *bytes.last_mut().unwrap() ^= 1;
                    bytes.into()
                }
                None => vec![1; 32].into(),
            });
        });
        assert!(matches!(error, CallError::OtherValue { .. }), "{error}");
        if proof.values[place].value.is_some() {
            refused("absent value", &|proof| proof.values[place].value = None);
        }
        refused("doubled value", &|proof| {
            let read = proof.values[place].clone();
            proof.values.insert(place, read);
        });
        refused("other key", &|proof| proof.values[place].key.0[31] ^= 1);
    }
    // More than was read, well proven.
    let view = log.chain.db.view();
    let mut more = proof.clone();
    let stranger = keys::account(Address::repeat_byte(0x55));
    more.values.push(ReadValue {
        key: stranger,
        value: None,
    });
    more.values.sort_by_key(|read| read.key);
    let keys: Vec<B256> = more.values.iter().map(|read| read.key).collect();
    more.proof = view.prove_states(&keys, Some(at)).unwrap();
    let error = log.verify(&more).unwrap_err();
    assert!(matches!(error, CallError::Surplus { .. }), "{error}");
    // Entries that prove nothing of it.
    let mut surplus = proof.clone();
    surplus.proof = more.proof;
    let error = log.verify(&surplus).unwrap_err();
    assert!(matches!(error, CallError::Surplus { .. }), "{error}");
    // No proof of the values at all: that of another call.
    let (foreign, _) = log.prove(log.ends[119], &balance_of(OWNER)).unwrap();
    refused("other proof", &|proof| proof.proof = foreign.proof.clone());

    // Other heads.
    for block in [59, 119] {
        let head = log.chain.db.view().head_at(block).unwrap();
        let error = verify_call(&head, &log.genesis.chain, &proof, NoTracer).unwrap_err();
        assert!(matches!(error, CallError::Proof(_)), "{error}");
    }
    let mut head = log.head();
    head.state_root.0[0] ^= 1;
    verify_call(&head, &log.genesis.chain, &proof, NoTracer).unwrap_err();
    let mut head = log.head();
    head.chain_id += 1;
    let error = verify_call(&head, &log.genesis.chain, &proof, NoTracer).unwrap_err();
    assert!(error.is_unusable(), "{error}");
    head = log.head();
    head.scheme = Scheme::ReadSet1;
    let error = verify_call(&head, &log.genesis.chain, &proof, NoTracer).unwrap_err();
    assert!(error.is_unusable(), "{error}");
    log.verify(&proof).unwrap();
}

#[test]
fn bytes_that_are_no_proof_of_a_call_are_told_apart() {
    let log = log(40);
    let (proof, _) = log.prove(log.ends[30], &balance_of(OWNER)).unwrap();
    let bytes = proof.to_bytes();
    for len in (0..bytes.len()).step_by(7) {
        let error = CallProof::from_bytes(&bytes[..len]).unwrap_err();
        assert!(error.is_malformed(), "{len}: {error}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(CallProof::from_bytes(&longer).unwrap_err().is_malformed());
    // Whatever bit is flipped: other bytes, which are no proof, or one that does not hold.
    let mut decoded = 0;
    for bit in (0..8 * bytes.len()).step_by(11) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match CallProof::from_bytes(&flipped) {
            Ok(changed) => {
                decoded += 1;
                assert_eq!(changed.to_bytes(), flipped, "one form for each proof");
                assert!(log.verify(&changed).is_err(), "bit {bit}");
            }
            Err(error) => assert!(error.is_malformed(), "{error}"),
        }
    }
    assert!(decoded > 100);
}

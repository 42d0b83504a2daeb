//! The leaves of one block, all of which share what the block says.

use crate::block::EthBlock;
use crate::capture::Capture;
use crate::chain::ChainSpec;
use crate::leaf::{LeafRecord, Outcome};
use crate::outcome::RawOutcome;
use crate::transition::{TraceMode, TransitionContext, TransitionKind, TransitionOutcome};
use crate::verify::BlockOutcome;
use alloc::vec::Vec;
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Header;
use revm::primitives::hardfork::SpecId;

#[derive(Debug)]
pub(super) struct BlockLeaves<'a> {
    block: &'a EthBlock,
    hash: B256,
    mode: TraceMode,
    /// What all leaves of the block have in common; the rest is zero.
    context: TransitionContext,
}

impl<'a> BlockLeaves<'a> {
    pub(super) fn new(
        chain: &ChainSpec,
        block: &'a EthBlock,
        spec: SpecId,
        mode: TraceMode,
    ) -> Self {
        let hash = block.header.hash_slow();
        Self {
            block,
            hash,
            mode,
            context: TransitionContext {
                chain_id: chain.chain_id(),
                spec_id: spec as u8,
                block_number: block.header.number,
                subject: hash,
                input_hash: keccak256([]),
                ..TransitionContext::default()
            },
        }
    }

    pub(super) fn begin(&self, capture: Capture) -> LeafRecord {
        let outcome = TransitionOutcome {
            status: 1,
            output_hash: keccak256([]),
            logs_hash: keccak256([]),
            ..TransitionOutcome::default()
        };
        self.system(TransitionKind::BlockBegin, self.context, capture, outcome)
    }

    pub(super) fn transaction(
        &self,
        tx: &TxEnvelope,
        sender: Address,
        capture: Capture,
        outcome: RawOutcome,
    ) -> LeafRecord {
        LeafRecord {
            kind: TransitionKind::Transaction,
            mode: self.mode,
            context: TransitionContext {
                subject: *tx.tx_hash(),
                caller: sender,
                target: tx.to(),
                value: tx.value(),
                gas_limit: tx.gas_limit(),
                nonce: tx.nonce(),
                ..self.context
            },
            outcome: Outcome::Raw(outcome),
            capture,
        }
    }

    pub(super) fn end(&self, capture: Capture, block: &BlockOutcome) -> LeafRecord {
        let context = TransitionContext {
            subject: self.hash,
            input_hash: self.end_input_hash(block),
            ..self.context
        };
        // The header's root, which the outcome is checked against where receipts allow it.
        let outcome = TransitionOutcome {
            status: 1,
            gas_used: block.gas_used,
            output_hash: self.block.header.receipts_root,
            logs_hash: keccak256(block.bloom().as_slice()),
            ..TransitionOutcome::default()
        };
        self.system(TransitionKind::BlockEnd, context, capture, outcome)
    }

    fn system(
        &self,
        kind: TransitionKind,
        context: TransitionContext,
        capture: Capture,
        outcome: TransitionOutcome,
    ) -> LeafRecord {
        LeafRecord {
            kind,
            mode: self.mode,
            context,
            outcome: Outcome::Hashed(outcome),
            capture,
        }
    }

    /// Keccak-256 of RLP(\[withdrawals, requests\]).
    fn end_input_hash(&self, outcome: &BlockOutcome) -> B256 {
        let mut lists = Vec::new();
        let withdrawals = self.block.body.withdrawals.as_ref();
        let withdrawals = withdrawals.map(|list| list.as_slice()).unwrap_or_default();
        alloy_rlp::encode_list(withdrawals, &mut lists);
        let requests: Vec<Bytes> = outcome.requests.iter().cloned().collect();
        alloy_rlp::encode_list::<_, Bytes>(&requests, &mut lists);
        let mut bytes = Vec::with_capacity(lists.len() + 5);
        Header {
            list: true,
            payload_length: lists.len(),
        }
        .encode(&mut bytes);
        bytes.extend_from_slice(&lists);
        keccak256(&bytes)
    }
}

//! A witness of the state log as a value and as bytes: docs/FORMAT.md, section 13.2.

use crate::block::{EthBlock, decode_block};
use crate::chain::ChainSpec;
use crate::range::{
    Front, RangeInputError, Reader, is_of_kind, put_bytes, put_front, put_len, read_front,
};
use crate::transition::TraceMode;
use alloc::vec::Vec;
use alloy_primitives::Bytes;
use qmtree_proofs::state::StateExtract;
use qmtree_proofs::statement::{LogEdge, Program, WitnessKind};

/// Consecutive blocks, and all that it takes to execute them behind a head.
#[derive(Clone, Debug)]
pub struct StateWitness {
    /// The rules of the chain.
    pub chain: ChainSpec,
    /// The edge of the log before the first block, its head included. Its scheme is `state-root/1`.
    pub edge: LogEdge,
    /// Who makes a proof of it, and with which program.
    pub program: Program,
    /// How much of the execution the leaves commit to.
    pub mode: TraceMode,
    /// All that the blocks read and write, in the state log before the first of them.
    pub extract: StateExtract,
    /// The blocks, oldest first.
    pub blocks: Vec<StateBlock>,
}

/// A block of a witness.
#[derive(Clone, Debug)]
pub struct StateBlock {
    /// The block.
    pub block: EthBlock,
    /// False if its list of ommers was left out and is not to be looked at. Counts as a claim.
    pub ommers_known: bool,
}

impl StateWitness {
    /// Bytes of what is proven: the extract and the edge. Blocks and rules are beside it.
    #[must_use]
    pub fn proof_len(&self) -> usize {
        self.extract.to_bytes().len() + self.edge.to_bytes().len()
    }

    /// The witness as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_front(
            &mut out,
            WitnessKind::State,
            self.mode,
            &self.chain,
            &self.edge,
            &self.program,
        );
        put_bytes(&mut out, &self.extract.to_bytes());
        put_len(&mut out, self.blocks.len());
        for StateBlock {
            block,
            ommers_known,
        } in &self.blocks
        {
            out.push(u8::from(*ommers_known));
            put_bytes(&mut out, &alloy_rlp::encode(block));
        }
        out
    }

    /// True if the bytes begin like a witness of the state log, and not like one of another kind.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        is_of_kind(bytes, WitnessKind::State)
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes.
    ///
    /// Safe on untrusted bytes: memory is taken for what is there, a few times the
    /// input, some forty times where blocks are full of the shortest transactions.
    ///
    /// # Errors
    /// [`RangeInputError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, RangeInputError> {
        let mut reader = Reader::new(bytes);
        let Front {
            mode,
            chain,
            edge,
            program,
        } = read_front(&mut reader, WitnessKind::State)?;
        let extract = StateExtract::from_bytes(&reader.bytes()?);
        let extract = extract.map_err(RangeInputError::Extract)?;
        let blocks = reader.list(|reader| {
            let ommers_known = match reader.u8()? {
                0 => false,
                1 => true,
                found => {
                    let what = "mark of ommers";
                    return Err(RangeInputError::Choice { what, found });
                }
            };
            let block = decode_block(&reader.bytes()?).map_err(RangeInputError::Block)?;
            Ok(StateBlock {
                block,
                ommers_known,
            })
        })?;
        reader.finish()?;
        Ok(Self {
            chain,
            edge,
            program,
            mode,
            extract,
            blocks,
        })
    }
}

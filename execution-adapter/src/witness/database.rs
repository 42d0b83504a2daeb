//! A witness as the database that a block runs on.

use super::ancestors::Ancestors;
use super::error::WitnessError;
use super::execution_witness::ExecutionWitness;
use super::pool::{ItemPool, SharedCode};
use crate::mpt::{NodeSet, SparseState, keccak_many};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::KECCAK_EMPTY;
use once_cell::race::OnceBox;
use revm::database_interface::Database;
use revm::state::{AccountInfo, Bytecode};

/// What the maker of a witness claims without proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The state root before the block; looked at only where the parent's header is missing.
    pub pre_state_root: Option<B256>,
    /// Hashes of earlier blocks; looked at only where no header shows them.
    pub block_hashes: BTreeMap<u64, B256>,
}

/// The state root before a block, and where it is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreState {
    /// The parent's header, which the block names by its hash, has it.
    Proven(B256),
    /// The maker of the witness says so.
    Claimed(B256),
}

impl PreState {
    /// The state root.
    #[must_use]
    pub const fn root(self) -> B256 {
        match self {
            Self::Proven(root) | Self::Claimed(root) => root,
        }
    }
}

/// A witness as a database for revm: every value read is proven against the state root before the
/// block, and what is not in the witness is an error that names it.
#[derive(Clone, Debug)]
pub struct WitnessDb {
    pub(super) state: SparseState,
    codes: BTreeMap<B256, Code>,
    ancestors: Ancestors,
    claims: Claims,
    pre_state: PreState,
    /// Blocks whose claimed hash was handed out.
    claimed_hashes: BTreeSet<u64>,
    pub(super) failure: WitnessFailure,
}

/// The first thing that a [`WitnessDb`] was asked for and did not have. A copy taken before a block
/// runs shows it afterwards.
///
/// Needed because not every error comes back: alloy's block executor turns one that it meets outside
/// of transactions into a flaw of the block, without its cause.
#[derive(Clone, Debug, Default)]
pub struct WitnessFailure(Arc<OnceBox<WitnessError>>);

impl WitnessFailure {
    /// It, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<&WitnessError> {
        self.0.get()
    }

    /// Keeps the first error.
    pub(super) fn note<T>(&self, result: Result<T, WitnessError>) -> Result<T, WitnessError> {
        if let Err(error) = &result {
            // A later one is dropped.
            _ = self.0.set(Box::new(error.clone()));
        }
        result
    }
}

#[derive(Clone, Debug)]
struct Code {
    shared: SharedCode,
    used: bool,
}

impl WitnessDb {
    /// The state before `block`, as `witness` shows it. One hash per node, code and header.
    ///
    /// # Errors
    /// [`WitnessError::Header`], [`WitnessError::MissingParent`] and [`WitnessError::FalseClaim`].
    pub fn new(
        block: &Header,
        witness: &ExecutionWitness,
        claims: Claims,
    ) -> Result<Self, WitnessError> {
        let ancestors = Ancestors::verify(block, &witness.headers)?;
        let codes: Vec<&[u8]> = witness.codes.iter().map(|code| &code[..]).collect();
        let codes = keccak_many(&codes).into_iter();
        let codes = codes.zip(witness.codes.iter().map(SharedCode::new));
        let nodes = || NodeSet::new(&witness.state);
        Self::of(block, ancestors, claims, nodes, codes.collect())
    }

    /// The same for a block of a range: `before` are the blocks before it there, and what the items
    /// of the witness hash to is in `pool`, or goes there.
    pub(crate) fn in_range<'a>(
        block: &Header,
        witness: &'a ExecutionWitness,
        claims: Claims,
        before: &[(B256, &Header)],
        pool: &mut ItemPool<'a>,
    ) -> Result<Self, WitnessError> {
        let headers = pool.headers(&witness.headers)?;
        let line = headers.into_iter().chain(before.iter().copied());
        let ancestors = Ancestors::of(block, line)?;
        let codes = pool.codes(&witness.codes);
        let nodes = || pool.nodes(&witness.state);
        Self::of(block, ancestors, claims, nodes, codes)
    }

    fn of(
        block: &Header,
        ancestors: Ancestors,
        claims: Claims,
        nodes: impl FnOnce() -> NodeSet,
        codes: Vec<(B256, SharedCode)>,
    ) -> Result<Self, WitnessError> {
        let pre_state = pre_state(block, &ancestors, &claims)?;
        for (number, claimed) in &claims.block_hashes {
            agree(
                "the hash of an earlier block",
                *claimed,
                ancestors.hash(*number),
            )?;
        }
        let code = |(hash, shared)| {
            let used = false;
            (hash, Code { shared, used })
        };
        Ok(Self {
            state: SparseState::new(pre_state.root(), nodes()),
            codes: codes.into_iter().map(code).collect(),
            ancestors,
            claims,
            pre_state,
            claimed_hashes: BTreeSet::new(),
            failure: WitnessFailure::default(),
        })
    }

    /// The state root before the block, and where it is known from.
    #[must_use]
    pub const fn pre_state(&self) -> PreState {
        self.pre_state
    }

    /// The parent's header, if the witness has it.
    #[must_use]
    pub const fn parent(&self) -> Option<&Header> {
        self.ancestors.parent()
    }

    /// Blocks whose hash was asked for and is only claimed, with that hash.
    pub fn claimed_hashes(&self) -> impl Iterator<Item = (u64, B256)> {
        let claimed = |number: &u64| Some((*number, *self.claims.block_hashes.get(number)?));
        self.claimed_hashes.iter().filter_map(claimed)
    }

    /// Where the first thing will be seen that is asked for and not in the witness. A block that
    /// meets one is not executed, whatever its executor says.
    #[must_use]
    pub fn failure(&self) -> WitnessFailure {
        self.failure.clone()
    }

    /// Hashes of the trie nodes that nothing came to so far.
    pub fn unused_nodes(&self) -> impl Iterator<Item = B256> {
        self.state.nodes().unused()
    }

    /// Hashes of the codes that nothing asked for so far.
    pub fn unused_codes(&self) -> impl Iterator<Item = B256> {
        let unused = |(hash, code): (&B256, &Code)| (!code.used).then_some(*hash);
        self.codes.iter().filter_map(unused)
    }
}

/// The parent's state root; where its header is missing, the claimed one.
fn pre_state(
    block: &Header,
    ancestors: &Ancestors,
    claims: &Claims,
) -> Result<PreState, WitnessError> {
    match (ancestors.parent(), claims.pre_state_root) {
        (Some(parent), claimed) => {
            let proven = parent.state_root;
            let claimed = claimed.unwrap_or(proven);
            agree("the state root before the block", claimed, Some(proven))?;
            Ok(PreState::Proven(proven))
        }
        (None, Some(claimed)) => Ok(PreState::Claimed(claimed)),
        (None, None) => Err(WitnessError::MissingParent {
            parent_hash: block.parent_hash,
        }),
    }
}

/// A claim must not contradict what is proven.
fn agree(what: &'static str, claimed: B256, proven: Option<B256>) -> Result<(), WitnessError> {
    match proven {
        Some(proven) if proven != claimed => Err(WitnessError::FalseClaim {
            what,
            claimed,
            proven,
        }),
        _ => Ok(()),
    }
}

impl WitnessDb {
    fn read_account(&mut self, address: Address) -> Result<Option<AccountInfo>, WitnessError> {
        let account = self.state.account(address);
        let account = account.map_err(|source| WitnessError::Account {
            address,
            source: Box::new(source),
        })?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn read_code(&mut self, code_hash: B256) -> Result<Bytecode, WitnessError> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.codes.get_mut(&code_hash);
        let code = code.ok_or(WitnessError::MissingCode { code_hash })?;
        code.used = true;
        Ok(code.shared.bytecode())
    }

    fn read_storage(&mut self, address: Address, slot: U256) -> Result<U256, WitnessError> {
        let value = self.state.storage(address, slot);
        value.map_err(|source| WitnessError::Storage {
            address,
            slot,
            source: Box::new(source),
        })
    }

    fn read_block_hash(&mut self, number: u64) -> Result<B256, WitnessError> {
        if let Some(hash) = self.ancestors.hash(number) {
            return Ok(hash);
        }
        let claimed = self.claims.block_hashes.get(&number);
        let claimed = claimed.ok_or(WitnessError::MissingHeader { number })?;
        self.claimed_hashes.insert(number);
        Ok(*claimed)
    }
}

impl Database for WitnessDb {
    type Error = WitnessError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, WitnessError> {
        let account = self.read_account(address);
        self.failure.note(account)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, WitnessError> {
        let code = self.read_code(code_hash);
        self.failure.note(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, WitnessError> {
        let value = self.read_storage(address, slot);
        self.failure.note(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, WitnessError> {
        let hash = self.read_block_hash(number);
        self.failure.note(hash)
    }
}

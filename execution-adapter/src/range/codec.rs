//! The input of a range as bytes: docs/FORMAT.md, section 12.5.

use super::error::RangeInputError;
use super::input::{RangeBlock, RangeInput};
use crate::block::decode_block;
use crate::chain::ChainSpec;
use crate::transition::TraceMode;
use crate::witness::{Claims, ExecutionWitness, MAX_HEADERS};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use qmtree_proofs::statement::{LogEdge, Program, WitnessKind};

const MAGIC: [u8; 4] = *b"QMRI";
const VERSION: u8 = 2;

impl RangeInput {
    /// The input as bytes. Nodes, codes and headers that several blocks need are there once.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_front(
            &mut out,
            WitnessKind::Execution,
            self.mode,
            &self.chain,
            &self.edge,
            &self.program,
        );
        let mut pool = Pool::default();
        let mut blocks = Vec::new();
        for block in &self.blocks {
            put_block(&mut blocks, block, &mut pool);
        }
        put_len(&mut out, pool.items.len());
        for item in pool.items {
            put_bytes(&mut out, item);
        }
        put_len(&mut out, self.blocks.len());
        out.append(&mut blocks);
        out
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes.
    ///
    /// Safe on untrusted bytes: memory is taken for what is there, a few times the
    /// input, some forty times where blocks are full of the shortest transactions.
    /// Nodes, codes and headers stay where they are in `bytes`.
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
        } = read_front(&mut reader, WitnessKind::Execution)?;
        let pool = reader.list(Reader::bytes)?;
        if pool.iter().collect::<BTreeSet<_>>().len() != pool.len() {
            let what = "the same item twice, or items";
            return Err(RangeInputError::Order { what });
        }
        let mut used = 0;
        let blocks = reader.list(|reader| read_block(reader, &pool, &mut used))?;
        if used != pool.len() {
            let what = "an item that no block uses, or items";
            return Err(RangeInputError::Order { what });
        }
        reader.finish()?;
        Ok(Self {
            chain,
            edge,
            program,
            mode,
            blocks,
        })
    }
}

/// What inputs of both kinds begin with.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) mode: TraceMode,
    pub(crate) chain: ChainSpec,
    pub(crate) edge: LogEdge,
    pub(crate) program: Program,
}

/// True if the bytes begin like an input of this kind.
pub(crate) fn is_of_kind(bytes: &[u8], kind: WitnessKind) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(5) == Some(&kind.id())
}

pub(crate) fn put_front(
    out: &mut Vec<u8>,
    kind: WitnessKind,
    mode: TraceMode,
    chain: &ChainSpec,
    edge: &LogEdge,
    program: &Program,
) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind.id(), mode as u8]);
    put_bytes(out, &chain.to_bytes());
    put_bytes(out, &edge.to_bytes());
    out.extend_from_slice(&program.version.to_be_bytes());
    out.extend_from_slice(program.backend.as_slice());
    out.extend_from_slice(program.id.as_slice());
}

pub(crate) fn read_front(
    reader: &mut Reader<'_>,
    kind: WitnessKind,
) -> Result<Front, RangeInputError> {
    if reader.array()? != MAGIC {
        return Err(RangeInputError::Magic);
    }
    match reader.u8()? {
        VERSION => {}
        found => return Err(RangeInputError::Version { found }),
    }
    match reader.u8()? {
        found if found == kind.id() => {}
        found => return Err(RangeInputError::WitnessKind { found }),
    }
    Ok(Front {
        mode: read_mode(reader)?,
        chain: ChainSpec::from_bytes(&reader.bytes()?).map_err(RangeInputError::Rules)?,
        edge: LogEdge::from_bytes(&reader.bytes()?).map_err(RangeInputError::Edge)?,
        program: Program {
            version: reader.u32()?,
            backend: reader.digest()?,
            id: reader.digest()?,
        },
    })
}

fn read_mode(reader: &mut Reader<'_>) -> Result<TraceMode, RangeInputError> {
    let found = reader.u8()?;
    let what = "mode of a trace";
    TraceMode::from_id(found).ok_or(RangeInputError::Choice { what, found })
}

/// Byte strings that are kept once, in the order of their first use.
#[derive(Default)]
struct Pool<'a> {
    items: Vec<&'a [u8]>,
    places: BTreeMap<&'a [u8], usize>,
}

impl<'a> Pool<'a> {
    /// The places of a list's items, ascending.
    fn places(&mut self, items: &'a [Bytes]) -> Vec<usize> {
        let mut places: Vec<usize> = items.iter().map(|item| self.place(item)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn place(&mut self, item: &'a Bytes) -> usize {
        let next = self.items.len();
        let place = *self.places.entry(item).or_insert(next);
        if place == next {
            self.items.push(item);
        }
        place
    }
}

fn put_block<'a>(out: &mut Vec<u8>, block: &'a RangeBlock, pool: &mut Pool<'a>) {
    put_bytes(out, &alloy_rlp::encode(&block.block));
    match block.claims.pre_state_root {
        Some(root) => {
            out.push(1);
            out.extend_from_slice(root.as_slice());
        }
        None => out.push(0),
    }
    put_len(out, block.claims.block_hashes.len());
    for (number, hash) in &block.claims.block_hashes {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(hash.as_slice());
    }
    let witness = &block.witness;
    for list in [&witness.state, &witness.codes, &witness.headers] {
        let places = pool.places(list);
        put_len(out, places.len());
        for place in places {
            put_len(out, place);
        }
    }
}

fn read_block(
    reader: &mut Reader<'_>,
    pool: &[Bytes],
    used: &mut usize,
) -> Result<RangeBlock, RangeInputError> {
    let rlp = reader.bytes()?;
    let block = decode_block(&rlp).map_err(RangeInputError::Block)?;
    let pre_state_root = match reader.u8()? {
        0 => None,
        1 => Some(reader.digest()?),
        found => {
            let what = "mark of a claim";
            return Err(RangeInputError::Choice { what, found });
        }
    };
    let hashes = reader.list(|reader| Ok((reader.u64()?, reader.digest()?)))?;
    if !hashes.is_sorted_by(|(left, _), (right, _)| left < right) {
        let what = "claimed hashes";
        return Err(RangeInputError::Order { what });
    }
    let mut list = || read_places(reader, pool, used);
    let (state, codes, headers) = (list()?, list()?, list()?);
    if headers.len() > MAX_HEADERS {
        let found = headers.len();
        return Err(RangeInputError::Headers { found });
    }
    Ok(RangeBlock {
        block,
        witness: ExecutionWitness {
            state,
            codes,
            keys: Vec::new(),
            headers,
        },
        claims: Claims {
            pre_state_root,
            block_hashes: hashes.into_iter().collect(),
        },
    })
}

/// Items of the pool by their places: ascending, and new ones in the order of the pool.
fn read_places(
    reader: &mut Reader<'_>,
    pool: &[Bytes],
    used: &mut usize,
) -> Result<Vec<Bytes>, RangeInputError> {
    let misplaced = || RangeInputError::Order { what: "items" };
    let mut least = 0;
    reader.list(|reader| {
        let place = usize::try_from(reader.u32()?).map_err(|_| misplaced())?;
        if place < least || place > *used {
            return Err(misplaced());
        }
        let item = pool.get(place).ok_or_else(misplaced)?;
        least = place + 1;
        *used = least.max(*used);
        Ok(item.clone())
    })
}

/// Numbers of items and bytes have four bytes.
///
/// # Panics
/// If there are more than 2^32 - 1, which the limits of witness files keep far away.
pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).expect("a witness has less than 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Reads fields from the front of untrusted bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, rest: bytes }
    }

    /// Refuses bytes behind the last field.
    pub(crate) fn finish(&self) -> Result<(), RangeInputError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(RangeInputError::TrailingBytes { extra }),
        }
    }

    fn cut(&self) -> RangeInputError {
        RangeInputError::Truncated {
            offset: self.bytes.len() - self.rest.len(),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RangeInputError> {
        let (front, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(*front)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RangeInputError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RangeInputError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, RangeInputError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn digest(&mut self) -> Result<B256, RangeInputError> {
        self.array().map(B256::new)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, RangeInputError> {
        let len = usize::try_from(self.u32()?).map_err(|_| self.cut())?;
        let split = self.rest.split_at_checked(len);
        let (front, rest) = split.ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(self.bytes.slice_ref(front))
    }

    /// A list with its length before it. Every item takes bytes, so the input bounds the list.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, RangeInputError>,
    ) -> Result<Vec<T>, RangeInputError> {
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }
}

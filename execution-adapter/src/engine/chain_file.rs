//! Concatenated RLP blocks, as `geth export` writes them.

use crate::block::decode_block;
use crate::chain::ChainSpec;
use crate::engine::error::FileError;
use crate::engine::read::senders;
use crate::engine::run::PreparedBlock;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Nothing that Ethereum's nodes pass on is nearly as large.
const BLOCK_LIMIT_BYTES: u64 = 64 << 20;

/// The blocks of a file, one after the other. Memory for one block at a time.
pub struct ChainBlocks {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    chain: Arc<ChainSpec>,
    /// Blocks read so far.
    index: u64,
    /// Bytes of these blocks, unpacked.
    offset: u64,
    failed: bool,
}

impl fmt::Debug for ChainBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ChainBlocks");
        debug.field("path", &self.path).field("index", &self.index);
        debug.finish_non_exhaustive()
    }
}

impl ChainBlocks {
    pub(super) fn new(
        path: &Path,
        reader: impl Read + Send + 'static,
        chain: Arc<ChainSpec>,
    ) -> Self {
        Self {
            path: path.into(),
            reader: Box::new(reader),
            chain,
            index: 0,
            offset: 0,
            failed: false,
        }
    }

    fn read(&mut self) -> Result<Option<PreparedBlock>, FileError> {
        let Some(bytes) = self.read_item()? else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        self.offset += bytes.len() as u64;
        let block = decode_block(&bytes).map_err(|source| FileError::Block {
            path: self.path.clone(),
            index,
            source,
        })?;
        Ok(Some(PreparedBlock {
            chain: Arc::clone(&self.chain),
            senders: senders(&self.path, index, &block)?,
            block,
            hash: None,
            ommers_known: true,
            state: None,
        }))
    }

    /// The bytes of the next list, if there is one.
    fn read_item(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        let mut item = Vec::new();
        self.read_up_to(1, &mut item)?;
        let Some(first) = item.first().copied() else {
            return Ok(None);
        };
        // A list of up to 55 bytes, or the length of the length.
        let payload_len = match first {
            0xc0..=0xf7 => u64::from(first - 0xc0),
            0xf8.. => {
                self.read_exactly(u64::from(first - 0xf7), &mut item)?;
                let digits = item.get(1..).unwrap_or_default();
                digits
                    .iter()
                    .fold(0u64, |len, digit| (len << 8) | u64::from(*digit))
            }
            _ => 0,
        };
        if payload_len > BLOCK_LIMIT_BYTES {
            return Err(FileError::LargeBlock {
                path: self.path.clone(),
                index: self.index,
                offset: self.offset,
                limit_bytes: BLOCK_LIMIT_BYTES,
            });
        }
        self.read_exactly(payload_len, &mut item)?;
        Ok(Some(item))
    }

    fn read_exactly(&mut self, len: u64, item: &mut Vec<u8>) -> Result<(), FileError> {
        if self.read_up_to(len, item)? < len {
            return Err(self.truncated());
        }
        Ok(())
    }

    /// Returns how many bytes there were.
    fn read_up_to(&mut self, len: u64, item: &mut Vec<u8>) -> Result<u64, FileError> {
        match self.reader.by_ref().take(len).read_to_end(item) {
            Ok(got) => Ok(got as u64),
            // So says zstd of a packed file that is cut.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.truncated()),
            Err(source) => Err(FileError::Io {
                path: self.path.clone(),
                action: "read",
                source,
            }),
        }
    }

    fn truncated(&self) -> FileError {
        FileError::Truncated {
            path: self.path.clone(),
            index: self.index,
            offset: self.offset,
        }
    }
}

impl Iterator for ChainBlocks {
    type Item = Result<PreparedBlock, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

//! The contracts' code, from the sources in `testdata/devchain/contracts`.

use crate::assembler::assemble;
use crate::error::DevChainError;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use revm::bytecode::opcode::{CODECOPY, DUP1, PUSH1, PUSH2, RETURN};

macro_rules! source {
    ($name:literal) => {
        include_str!(concat!("../../testdata/devchain/contracts/", $name))
    };
}

/// The names of the contracts in assembly, with their sources.
const ASSEMBLY: [(&str, &str); 14] = [
    ("block", source!("block.asm")),
    ("blobs", source!("blobs.asm")),
    ("calls", source!("calls.asm")),
    ("churn", source!("churn.asm")),
    ("delegate", source!("delegate.asm")),
    ("deposit", source!("deposit.asm")),
    ("factory", source!("factory.asm")),
    ("logs", source!("logs.asm")),
    ("mcopy", source!("mcopy.asm")),
    ("newer", source!("newer.asm")),
    ("precompile", source!("precompile.asm")),
    ("revert", source!("revert.asm")),
    ("selfdestruct", source!("selfdestruct.asm")),
    ("transient", source!("transient.asm")),
];

/// The code of a contract in assembly, as it runs.
pub(crate) fn code(name: &str) -> Result<Bytes, DevChainError> {
    for (contract, source) in ASSEMBLY {
        if contract == name {
            return assemble(contract, source);
        }
    }
    Err(DevChainError::Assembly {
        contract: "",
        token: name.to_owned(),
    })
}

/// Code that creates a contract with the given code.
pub(crate) fn init_code(code: &[u8]) -> Bytes {
    const HEADER: u8 = 12;
    let len = u16::try_from(code.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut init = vec![
        PUSH2, len[0], len[1], DUP1, PUSH1, HEADER, PUSH1, 0, CODECOPY, PUSH1, 0, RETURN,
    ];
    init.extend_from_slice(code);
    init.into()
}

/// Creates the token, all of it for the sender.
pub(crate) fn token(supply: U256) -> Result<Bytes, DevChainError> {
    with_words("Token", source!("Token.hex"), &[B256::from(supply)])
}

/// Creates the market of two tokens.
pub(crate) fn pair(a: Address, b: Address) -> Result<Bytes, DevChainError> {
    with_words("Pair", source!("Pair.hex"), &[a.into_word(), b.into_word()])
}

fn with_words(contract: &'static str, text: &str, words: &[B256]) -> Result<Bytes, DevChainError> {
    let mut init = hex::decode(text.trim()).map_err(|_| DevChainError::Hex { contract })?;
    init.extend(words.iter().flatten());
    Ok(init.into())
}

/// A call of a function: its selector and words.
pub(crate) fn call(signature: &str, words: &[B256]) -> Bytes {
    let selector = alloy_primitives::keccak256(signature);
    let mut input: Vec<u8> = selector.iter().copied().take(4).collect();
    input.extend(words.iter().flatten());
    input.into()
}

/// A number as a word.
pub(crate) fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}

//! EVM assembly: instructions by name, `name:` for a jump target, `@name` to push it, `;` for
//! comments. A push is followed by its number, decimal or hex.

use crate::error::DevChainError;
use alloy_primitives::{Bytes, U256};
use revm::bytecode::opcode::{JUMPDEST, OpCode, PUSH1, PUSH2, PUSH32};
use std::collections::BTreeMap;

/// Assembles a contract.
///
/// # Errors
/// [`DevChainError::Assembly`] for a word that means nothing here.
pub(crate) fn assemble(contract: &'static str, text: &str) -> Result<Bytes, DevChainError> {
    let words: Vec<&str> = text
        .lines()
        .map(|line| line.split(';').next().unwrap_or_default())
        .flat_map(str::split_whitespace)
        .collect();
    let unknown = |token: &str| DevChainError::Assembly {
        contract,
        token: token.to_owned(),
    };
    let names: BTreeMap<&str, u8> = (0..=u8::MAX)
        .filter_map(|byte| Some((OpCode::new(byte)?.as_str(), byte)))
        .collect();
    let mut code = Vec::new();
    let (mut labels, mut uses) = (BTreeMap::new(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if let Some(label) = word.strip_suffix(':') {
            labels.insert(label, code.len());
            code.push(JUMPDEST);
        } else if let Some(label) = word.strip_prefix('@') {
            code.push(PUSH2);
            uses.push((code.len(), label));
            code.extend([0, 0]);
        } else {
            let opcode = *names.get(word).ok_or_else(|| unknown(word))?;
            code.push(opcode);
            if (PUSH1..=PUSH32).contains(&opcode) {
                let number = words.next().unwrap_or_default();
                let width = usize::from(opcode - PUSH1) + 1;
                code.extend(operand(number, width).ok_or_else(|| unknown(number))?);
            }
        }
    }
    for (at, label) in uses {
        let target = labels
            .get(label)
            .and_then(|target| u16::try_from(*target).ok());
        let target = target.ok_or_else(|| unknown(label))?;
        if let Some(operand) = code.get_mut(at..at + 2) {
            operand.copy_from_slice(&target.to_be_bytes());
        }
    }
    Ok(code.into())
}

/// A number in so many bytes.
fn operand(text: &str, width: usize) -> Option<Vec<u8>> {
    // Nothing at all would parse as zero.
    let number: U256 = Some(text).filter(|text| !text.is_empty())?.parse().ok()?;
    let bytes = number.to_be_bytes_vec();
    let (high, low) = bytes.split_at_checked(bytes.len().checked_sub(width)?)?;
    high.iter().all(|byte| *byte == 0).then(|| low.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn words_become_bytes() {
        let text = "start: PUSH1 0 PUSH2 0x102 ; a comment\n @start JUMP STOP";
        let code = assemble("test", text).unwrap();
        assert_eq!(code[..], hex!("5b60006101026100005600"));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in ["PUSH1", "PUSH1 256", "PUSH1 x", "@nowhere JUMP", "HALT"] {
            assemble("test", text).unwrap_err();
        }
    }
}

//! What the consensus layer is asked for: deposits, withdrawals, consolidations.

use alloy_primitives::{B256, Bytes, U256, keccak256};

/// The data of a DepositEvent: the ABI form of five byte strings, as mainnet's contract logs it.
pub(crate) fn deposit(number: u64) -> Bytes {
    let gwei = 32_000_000_000_u64;
    let fields: [Vec<u8>; 5] = [
        validator(number),
        keccak256(format!("credentials {number}")).to_vec(),
        gwei.to_le_bytes().to_vec(),
        [validator(number), validator(number + 1)].concat(),
        number.to_le_bytes().to_vec(),
    ];
    let mut data = Vec::new();
    let mut offset = 5 * 32;
    for field in &fields {
        data.extend(B256::from(U256::from(offset)));
        offset += 32 + field.len().next_multiple_of(32);
    }
    for field in fields {
        data.extend(B256::from(U256::from(field.len())));
        data.extend(field);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    data.into()
}

/// Asks to withdraw from a validator (EIP-7002).
pub(crate) fn withdrawal(number: u64) -> Bytes {
    let mut data = validator(number);
    data.extend(number.to_be_bytes());
    data.into()
}

/// Asks to move a validator's stake to another (EIP-7251).
pub(crate) fn consolidation(number: u64) -> Bytes {
    [validator(number), validator(number + 1)].concat().into()
}

/// 48 bytes in place of a public key.
fn validator(number: u64) -> Vec<u8> {
    let key = keccak256(format!("validator {number}"));
    key.iter().copied().cycle().take(48).collect()
}

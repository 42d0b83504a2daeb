//! Keys as arguments.

use alloy_primitives::hex::FromHex;
use alloy_primitives::{Address, B256};
use qmtree_execution_adapter::state_log::keys;

/// 32 bytes in hex, `account:ADDRESS`, `storage:ADDRESS:SLOT`, `code:HASH` or `header`.
pub(super) fn parse_key(text: &str) -> Result<B256, String> {
    match text.split_once(':') {
        None if text == "header" => Ok(keys::header()),
        None => bytes("key", text),
        Some(("code", hash)) => Ok(keys::code(bytes("hash of a code", hash)?)),
        Some(("account", address)) => Ok(keys::account(bytes("address", address)?)),
        Some(("storage", rest)) => {
            let Some((address, slot)) = rest.split_once(':') else {
                return Err("the slot is missing: storage:ADDRESS:SLOT".to_owned());
            };
            let address: Address = bytes("address", address)?;
            Ok(keys::storage(address, bytes("slot", slot)?))
        }
        Some((kind, _)) => Err(format!(
            "{kind} is no kind of key; account, storage, code and header are"
        )),
    }
}

/// So many bytes in hex, neither fewer nor more.
fn bytes<T: FromHex>(what: &str, text: &str) -> Result<T, String> {
    let expected = 2 * size_of::<T>();
    let digits = text.strip_prefix("0x").unwrap_or(text).len();
    T::from_hex(text).map_err(|_| {
        format!("{what}: 0x and {expected} hex digits are wanted, {digits} characters were given")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn keys_have_five_forms() {
        let plain = format!("0x{}", "ab".repeat(32));
        assert_eq!(parse_key(&plain), Ok(B256::repeat_byte(0xab)));
        let address = format!("0x{}", "11".repeat(20));
        let account = parse_key(&format!("account:{address}")).unwrap();
        assert_eq!(account, keccak256([&[0u8][..], &[0x11; 20]].concat()));
        let storage = parse_key(&format!("storage:{address}:{plain}")).unwrap();
        let expected = [&[1u8][..], &[0x11; 20], &[0xab; 32]].concat();
        assert_eq!(storage, keccak256(expected));
        let code = [&[2u8][..], &[0xab; 32]].concat();
        assert_eq!(parse_key(&format!("code:{plain}")), Ok(keccak256(code)));
        assert_eq!(parse_key("header"), Ok(keccak256([3])));
        for bad in [
            "",
            "0x12",
            "account:0x12",
            "storage:0x12",
            "code:0x12",
            "storage:1:2",
        ] {
            parse_key(bad).unwrap_err();
        }
        assert!(
            parse_key(&format!("storage:{address}"))
                .unwrap_err()
                .contains("slot")
        );
        let short = parse_key("account:0x12").unwrap_err();
        assert_eq!(
            short,
            "address: 0x and 40 hex digits are wanted, 2 characters were given"
        );
    }
}

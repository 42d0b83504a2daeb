#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use super::*;
use alloc::string::ToString;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;

const LONDON: u64 = 12_965_000;
const CANCUN: u64 = 1_710_338_135;
const OSAKA: u64 = 1_764_798_551;

fn mainnet() -> ChainSpec {
    ChainSpec::from_chain_id(1).unwrap()
}

/// A header long before London, and one that may follow it.
fn old() -> (Header, Header) {
    let parent = Header {
        number: 1_000_000,
        timestamp: 1_455_404_053,
        gas_limit: 3_141_592,
        ..Header::default()
    };
    let header = Header {
        number: 1_000_001,
        timestamp: parent.timestamp + 1,
        ..parent.clone()
    };
    (parent, header)
}

/// Headers of these times, with fees as they may be: blocks at their gas target, without blobs.
fn new(times: [u64; 2]) -> [Header; 2] {
    let mut number = 20_000_000;
    times.map(|timestamp| {
        number += 1;
        let blobs = (timestamp >= CANCUN).then_some(0);
        Header {
            number,
            timestamp,
            gas_limit: 30_000_000,
            gas_used: 15_000_000,
            base_fee_per_gas: Some(1_000_000_007),
            excess_blob_gas: blobs,
            blob_gas_used: blobs,
            ..Header::default()
        }
    })
}

/// The field that the second header is refused for.
fn refused(parent: &Header, header: &Header) -> Option<Field> {
    let checked = check_header(&mainnet(), header, parent);
    checked.err().map(|mismatch| mismatch.field)
}

#[test]
fn numbers_and_times_ascend() {
    let (parent, header) = old();
    assert_eq!(refused(&parent, &header), None);
    let with = |change: fn(&mut Header)| {
        let mut header = header.clone();
        change(&mut header);
        refused(&parent, &header)
    };
    assert_eq!(with(|header| header.number += 1), Some(Field::Number));
    assert_eq!(with(|header| header.number -= 1), Some(Field::Number));
    assert_eq!(with(|header| header.timestamp -= 1), Some(Field::Timestamp));
    assert_eq!(with(|header| header.timestamp = 0), Some(Field::Timestamp));
    let last = Header {
        timestamp: u64::MAX,
        ..parent.clone()
    };
    assert_eq!(refused(&last, &header), Some(Field::Timestamp));
}

#[test]
fn gas_limits_move_by_less_than_a_1024th() {
    let (parent, mut header) = old();
    let room = parent.gas_limit / 1024;
    for (limit, holds) in [
        (parent.gas_limit + room - 1, true),
        (parent.gas_limit + room, false),
        (parent.gas_limit - room + 1, true),
        (parent.gas_limit - room, false),
        (u64::MAX, false),
        (0, false),
    ] {
        header.gas_limit = limit;
        let expected = (!holds).then_some(Field::GasLimit);
        assert_eq!(refused(&parent, &header), expected, "{limit}");
    }
    let mut lowest = parent;
    (lowest.gas_limit, header.gas_limit) = (5000, 5000);
    assert_eq!(refused(&lowest, &header), None);
    header.gas_limit = 4999;
    assert_eq!(refused(&lowest, &header), Some(Field::GasLimit));
    let error = check_header(&mainnet(), &header, &lowest).unwrap_err();
    let text = "gasLimit is 4999, expected 5000 to 5003";
    assert_eq!(error.to_string(), text);
}

#[test]
fn london_doubles_the_gas_limit_and_begins_the_base_fee() {
    let (mut parent, mut header) = old();
    (parent.number, header.number) = (LONDON - 1, LONDON);
    header.gas_limit = 2 * parent.gas_limit;
    header.base_fee_per_gas = Some(1_000_000_000);
    assert_eq!(refused(&parent, &header), None);
    header.base_fee_per_gas = Some(999_999_999);
    assert_eq!(refused(&parent, &header), Some(Field::BaseFee));
    header.base_fee_per_gas = None;
    assert_eq!(refused(&parent, &header), Some(Field::BaseFee));
    header.gas_limit = parent.gas_limit;
    assert_eq!(refused(&parent, &header), Some(Field::GasLimit));

    let (parent, mut early) = old();
    early.base_fee_per_gas = Some(7);
    assert_eq!(refused(&parent, &early), Some(Field::BaseFee));
}

#[test]
fn base_fees_follow_the_gas_used() {
    let [mut parent, mut header] = new([CANCUN, CANCUN + 12]);
    assert_eq!(refused(&parent, &header), None);
    header.base_fee_per_gas = Some(1_000_000_008);
    assert_eq!(refused(&parent, &header), Some(Field::BaseFee));
    // A full block raises it by an eighth, an empty one lowers it by one.
    parent.gas_used = parent.gas_limit;
    header.base_fee_per_gas = Some(1_125_000_007);
    assert_eq!(refused(&parent, &header), None);
    parent.gas_used = 0;
    header.base_fee_per_gas = Some(875_000_007);
    assert_eq!(refused(&parent, &header), None);
}

#[test]
fn excess_blob_gas_follows_the_blobs() {
    let [parent, header] = new([CANCUN - 12, CANCUN]);
    assert_eq!(refused(&parent, &header), None);
    for excess in [None, Some(1)] {
        let header = Header {
            excess_blob_gas: excess,
            ..header.clone()
        };
        assert_eq!(refused(&parent, &header), Some(Field::ExcessBlobGas));
    }
    let [_, mut early] = new([CANCUN - 24, CANCUN - 12]);
    early.excess_blob_gas = Some(0);
    let [parent, _] = new([CANCUN - 24, CANCUN - 12]);
    assert_eq!(refused(&parent, &early), Some(Field::ExcessBlobGas));

    // Six blobs where three are the target.
    let [mut parent, mut header] = new([CANCUN, CANCUN + 12]);
    parent.blob_gas_used = Some(6 * DATA_GAS_PER_BLOB);
    assert_eq!(refused(&parent, &header), Some(Field::ExcessBlobGas));
    header.excess_blob_gas = Some(3 * DATA_GAS_PER_BLOB);
    assert_eq!(refused(&parent, &header), None);
}

#[test]
fn from_osaka_on_the_base_fee_bounds_the_fall_of_the_excess() {
    // EIP-7918: blobs are cheaper than their reserve price, so the target is not subtracted.
    let [mut parent, mut header] = new([OSAKA, OSAKA + 12]);
    let excess = 9 * DATA_GAS_PER_BLOB;
    parent.excess_blob_gas = Some(excess);
    header.excess_blob_gas = Some(excess - 6 * DATA_GAS_PER_BLOB);
    assert_eq!(refused(&parent, &header), Some(Field::ExcessBlobGas));
    header.excess_blob_gas = Some(excess);
    assert_eq!(refused(&parent, &header), None);
}

#[test]
fn headers_that_were_made_up_are_refused_without_a_panic() {
    let [mut parent, header] = new([OSAKA, OSAKA + 12]);
    let most = Some(u64::MAX);
    (parent.excess_blob_gas, parent.blob_gas_used) = (most, most);
    (parent.base_fee_per_gas, parent.gas_used) = (most, u64::MAX);
    assert_eq!(refused(&parent, &header), Some(Field::GasUsed));
    parent.gas_used = parent.gas_limit;
    assert_eq!(refused(&parent, &header), Some(Field::BaseFee));
    parent.base_fee_per_gas = header.base_fee_per_gas;
    parent.gas_used = 15_000_000;
    assert_eq!(refused(&parent, &header), Some(Field::ExcessBlobGas));
    (parent.number, parent.timestamp) = (u64::MAX, u64::MAX);
    assert_eq!(refused(&parent, &header), Some(Field::Number));
    parent = Header {
        gas_limit: u64::MAX,
        ..new([OSAKA, OSAKA]).into_iter().next().unwrap()
    };
    assert_eq!(refused(&parent, &header), Some(Field::GasLimit));
}

#[test]
fn a_parent_that_was_made_up_is_refused() {
    let [mut parent, header] = new([CANCUN + 12, CANCUN + 24]);
    assert_eq!(refused(&parent, &header), None);
    for used in [parent.gas_limit + 1, 1_400_000_000_000_000_000, u64::MAX] {
        parent.gas_used = used;
        assert_eq!(refused(&parent, &header), Some(Field::GasUsed), "{used}");
    }
}

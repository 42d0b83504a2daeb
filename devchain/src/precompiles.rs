//! Inputs of the precompiles.

use crate::actors::Actor;
use crate::error::DevChainError;
use crate::rules::Fork;
use alloy_primitives::{B256, U256, hex, keccak256};

/// The precompiles that a fork brings, each with an input. Under an older fork the same addresses
/// are empty accounts.
pub(crate) fn inputs(fork: Fork) -> Result<Vec<(u64, Vec<u8>)>, DevChainError> {
    let word = |number: u64| B256::from(U256::from(number)).to_vec();
    let zeros = |len: usize| vec![0; len];
    Ok(match fork {
        Fork::Frontier => vec![
            (1, ecrecover()?),
            (2, b"sha-256".to_vec()),
            (3, b"ripemd-160".to_vec()),
            (4, b"identity".to_vec()),
        ],
        Fork::Byzantium => vec![
            (5, modexp()),
            (6, [word(1), word(2), word(1), word(2)].concat()),
            (7, [word(1), word(2), word(5)].concat()),
            (8, Vec::new()),
        ],
        Fork::Istanbul => vec![(9, blake2f())],
        // The hash of no commitment: it fails before any curve is looked at.
        Fork::Cancun => vec![(10, zeros(192))],
        // The points at infinity, and the maps of zero.
        Fork::Prague => vec![
            (11, zeros(256)),
            (12, zeros(160)),
            (13, zeros(512)),
            (14, zeros(288)),
            (15, zeros(384)),
            (16, zeros(64)),
            (17, zeros(128)),
        ],
        Fork::Osaka => vec![(0x100, p256())],
        _ => Vec::new(),
    })
}

fn ecrecover() -> Result<Vec<u8>, DevChainError> {
    let hash = keccak256("qmtree dev chain");
    let signature = Actor::new(0)?.sign_hash(hash)?;
    let v = B256::from(U256::from(27 + u64::from(signature.v())));
    Ok([hash, v, signature.r().into(), signature.s().into()].concat())
}

/// 3 to the power of 2^255 - 19 less 1, modulo 2^255 - 19: one, as Fermat has it.
fn modexp() -> Vec<u8> {
    let modulus: U256 = (U256::from(1) << 255) - U256::from(19);
    let exponent: U256 = modulus - U256::from(1);
    let words = [1, 32, 32].map(U256::from);
    let mut input: Vec<u8> = words
        .iter()
        .flat_map(|len| len.to_be_bytes::<32>())
        .collect();
    input.push(3);
    input.extend(exponent.to_be_bytes::<32>());
    input.extend(modulus.to_be_bytes::<32>());
    input
}

/// Twelve rounds over a state of counted bytes.
fn blake2f() -> Vec<u8> {
    let mut input = 12_u32.to_be_bytes().to_vec();
    input.extend((0..208_u8).collect::<Vec<_>>());
    input.push(1);
    input
}

/// A signature that holds (RFC 6979 A.2.5: SHA-256 of "sample").
fn p256() -> Vec<u8> {
    hex!(
        "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    )
    .to_vec()
}

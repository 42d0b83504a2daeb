//! The public chains.

use super::{ChainSpec, HeaderRules};
use alloc::{borrow::Cow, vec::Vec};
use alloy_eips::{eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7840::BlobParams};
use alloy_hardforks::{
    EthereumChainHardforks, EthereumHardfork, EthereumHardforks as _, ForkCondition,
};
use alloy_primitives::{Address, address};

/// The forks that change blob parameters, and what to.
const BLOB_FORKS: [(EthereumHardfork, BlobParams); 5] = [
    (EthereumHardfork::Cancun, BlobParams::cancun()),
    (EthereumHardfork::Prague, BlobParams::prague()),
    (EthereumHardfork::Osaka, BlobParams::osaka()),
    (EthereumHardfork::Bpo1, BlobParams::bpo1()),
    (EthereumHardfork::Bpo2, BlobParams::bpo2()),
];

/// Forks of blob parameters that no public chain has scheduled yet.
const UNKNOWN_FORKS: [(EthereumHardfork, &str); 3] = [
    (EthereumHardfork::Bpo3, "bpo3"),
    (EthereumHardfork::Bpo4, "bpo4"),
    (EthereumHardfork::Bpo5, "bpo5"),
];

const SEPOLIA_DEPOSIT_CONTRACT: Address = address!("0x7f02c3e3c98b133055b8b348b2ac625669ed295d");
const HOLESKY_DEPOSIT_CONTRACT: Address = address!("0x4242424242424242424242424242424242424242");
/// Hoodi was started with the contract at mainnet's address.
const HOODI_DEPOSIT_CONTRACT: Address = MAINNET_DEPOSIT_CONTRACT_ADDRESS;

/// The name of a public chain.
pub(super) fn name(chain_id: u64) -> Option<&'static str> {
    match chain_id {
        1 => Some("mainnet"),
        11_155_111 => Some("sepolia"),
        17_000 => Some("holesky"),
        560_048 => Some("hoodi"),
        _ => None,
    }
}

pub(super) fn by_id(chain_id: u64) -> Option<ChainSpec> {
    let name = name(chain_id)?;
    let (forks, deposit_contract) = match chain_id {
        1 => {
            let forks = EthereumChainHardforks::mainnet();
            (forks, MAINNET_DEPOSIT_CONTRACT_ADDRESS)
        }
        11_155_111 => {
            let forks = EthereumChainHardforks::sepolia();
            (forks, SEPOLIA_DEPOSIT_CONTRACT)
        }
        17_000 => {
            let forks = EthereumChainHardforks::holesky();
            (forks, HOLESKY_DEPOSIT_CONTRACT)
        }
        560_048 => (EthereumChainHardforks::hoodi(), HOODI_DEPOSIT_CONTRACT),
        _ => return None,
    };
    let from = |fork| match forks.ethereum_fork_activation(fork) {
        ForkCondition::Timestamp(from) => Some(from),
        _ => None,
    };
    let blobs = BLOB_FORKS.into_iter();
    let blobs: Vec<_> = blobs
        .filter_map(|(fork, params)| Some((from(fork)?, params)))
        .collect();
    let mut unknown = UNKNOWN_FORKS.into_iter();
    let unknown_from = unknown.find_map(|(fork, name)| Some((from(fork)?, name)));
    Some(ChainSpec {
        chain_id,
        name: Cow::Borrowed(name),
        forks,
        deposit_contract: Some(deposit_contract),
        blobs,
        header_rules: HeaderRules {
            timestamps: true,
            fees: true,
        },
        unknown_from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::primitives::hardfork::SpecId;

    #[test]
    fn every_public_chain_has_its_contract_and_forks() {
        for (id, name) in [
            (1, "mainnet"),
            (11_155_111, "sepolia"),
            (17_000, "holesky"),
            (560_048, "hoodi"),
        ] {
            let chain = by_id(id).unwrap();
            assert_eq!((chain.chain_id(), chain.name()), (id, name));
            assert!(chain.deposit_contract.is_some());
            assert_eq!(chain.blobs.len(), BLOB_FORKS.len(), "{name}");
            assert!(chain.blobs.is_sorted_by_key(|(from, _)| *from), "{name}");
        }
        assert!(by_id(5).is_none());
    }

    #[test]
    fn mainnet_changes_rules_and_blobs_at_its_forks() {
        let chain = by_id(1).unwrap();
        assert_eq!(chain.spec_id(1_149_999, 0), Ok(SpecId::FRONTIER));
        assert_eq!(chain.spec_id(1_150_000, 0), Ok(SpecId::HOMESTEAD));
        assert_eq!(chain.spec_id(15_537_394, 1_663_224_179), Ok(SpecId::MERGE));
        assert_eq!(chain.spec_id(24_628_607, 1_773_000_000), Ok(SpecId::OSAKA));
        assert_eq!(chain.blob_params(1_710_338_134), None);
        assert_eq!(chain.blob_params(1_710_338_135), Some(BlobParams::cancun()));
        assert_eq!(chain.blob_params(1_773_000_000), Some(BlobParams::bpo2()));
    }
}

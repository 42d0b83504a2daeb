//! Rules from the configuration in geth's `genesis.json`.

use super::digest::is_possible;
use super::{ChainSpec, HeaderRules};
use alloc::{borrow::Cow, format, string::String, vec::Vec};
use alloy_eips::eip7840::BlobParams;
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumChainHardforks, EthereumHardfork, ForkCondition};
use alloy_primitives::U256;

/// A configuration that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedFork {
    /// The field of the configuration.
    pub field: Cow<'static, str>,
    /// What is wrong.
    pub reason: String,
}

impl ChainSpec {
    /// The rules of a chain of one's own.
    ///
    /// # Errors
    /// [`UnsupportedFork`] if it schedules a fork that this version cannot execute or does not know,
    /// or forks in an order that is not Ethereum's, or changes from proof of work to proof of stake at a difficulty without naming the block.
    pub fn from_genesis(config: &ChainConfig) -> Result<Self, UnsupportedFork> {
        if config.bogota_time.is_some() {
            return Err(UnsupportedFork {
                field: "bogotaTime".into(),
                reason: String::from("fork bogota is not supported by this version"),
            });
        }
        check_unknown(config)?;
        check_order(config)?;
        let mut forks = Vec::new();
        for (fork, block) in block_forks(config) {
            forks.extend(block.map(|block| (fork, ForkCondition::Block(block))));
        }
        for (fork, time) in time_forks(config) {
            forks.extend(time.map(|time| (fork, ForkCondition::Timestamp(time))));
        }
        forks.extend(paris(config)?.map(|condition| (EthereumHardfork::Paris, condition)));
        Ok(Self {
            chain_id: config.chain_id,
            name: Cow::Owned(format!("chain-{}", config.chain_id)),
            forks: EthereumChainHardforks::new(forks),
            deposit_contract: config.deposit_contract_address,
            blobs: blobs(config)?,
            header_rules: HeaderRules {
                // Proof of authority with a period of 0 lets blocks have one time.
                timestamps: config.clique.is_none() && config.parlia.is_none(),
                // A field that is not known may change what a block costs.
                fees: config.extra_fields.is_empty() && config.parlia.is_none(),
            },
            unknown_from: None,
        })
    }
}

/// Fields that end like those of forks, of clients that announce the merge to their peers with them. They
/// change no rule.
const NO_FORKS: [&str; 2] = ["mergeForkBlock", "preMergeForkBlock"];

/// A fork that is not known would be executed with the rules before it.
fn check_unknown(config: &ChainConfig) -> Result<(), UnsupportedFork> {
    let is_fork = |field: &str| field.ends_with("Time") || field.ends_with("Block");
    let mut fields = config.extra_fields.iter();
    // Null is how a fork is left out.
    let unknown = fields.find(|(field, value)| {
        is_fork(field) && !NO_FORKS.contains(&field.as_str()) && !value.is_null()
    });
    match unknown {
        Some((field, _)) => Err(UnsupportedFork {
            field: field.clone().into(),
            reason: String::from("not a fork that this version knows"),
        }),
        None => Ok(()),
    }
}

/// As geth demands of its genesis files, but that forks may be left out: a later one brings them along.
fn check_order(config: &ChainConfig) -> Result<(), UnsupportedFork> {
    in_order(&[
        ("homesteadBlock", config.homestead_block),
        ("daoForkBlock", config.dao_fork_block),
        ("eip150Block", config.eip150_block),
        ("eip155Block", config.eip155_block),
        ("eip158Block", config.eip158_block),
        ("byzantiumBlock", config.byzantium_block),
        ("constantinopleBlock", config.constantinople_block),
        ("petersburgBlock", config.petersburg_block),
        ("istanbulBlock", config.istanbul_block),
        ("muirGlacierBlock", config.muir_glacier_block),
        ("berlinBlock", config.berlin_block),
        ("londonBlock", config.london_block),
        ("arrowGlacierBlock", config.arrow_glacier_block),
        ("grayGlacierBlock", config.gray_glacier_block),
        ("mergeNetsplitBlock", config.merge_netsplit_block),
    ])?;
    in_order(&[
        ("shanghaiTime", config.shanghai_time),
        ("cancunTime", config.cancun_time),
        ("pragueTime", config.prague_time),
        ("osakaTime", config.osaka_time),
        ("bpo1Time", config.bpo1_time),
        ("bpo2Time", config.bpo2_time),
        ("bpo3Time", config.bpo3_time),
        ("bpo4Time", config.bpo4_time),
        ("bpo5Time", config.bpo5_time),
        ("amsterdamTime", config.amsterdam_time),
    ])
}

fn in_order(forks: &[(&'static str, Option<u64>)]) -> Result<(), UnsupportedFork> {
    let mut before: Option<(&str, u64)> = None;
    let scheduled = forks
        .iter()
        .filter_map(|(field, from)| Some((*field, (*from)?)));
    for (field, from) in scheduled {
        if let Some((earlier, start)) = before.filter(|(_, start)| *start > from) {
            return Err(UnsupportedFork {
                field: field.into(),
                reason: format!("{from}, but {earlier}, the fork before it, is {start}"),
            });
        }
        before = Some((field, from));
    }
    Ok(())
}

fn block_forks(config: &ChainConfig) -> [(EthereumHardfork, Option<u64>); 14] {
    use EthereumHardfork as Fork;
    [
        (Fork::Frontier, Some(0)),
        (Fork::Homestead, config.homestead_block),
        (
            Fork::Dao,
            config.dao_fork_block.filter(|_| config.dao_fork_support),
        ),
        (Fork::Tangerine, config.eip150_block),
        (
            Fork::SpuriousDragon,
            config.eip155_block.max(config.eip158_block),
        ),
        (Fork::Byzantium, config.byzantium_block),
        (Fork::Constantinople, config.constantinople_block),
        (
            Fork::Petersburg,
            config.petersburg_block.or(config.constantinople_block),
        ),
        (Fork::Istanbul, config.istanbul_block),
        (Fork::MuirGlacier, config.muir_glacier_block),
        (Fork::Berlin, config.berlin_block),
        (Fork::London, config.london_block),
        (Fork::ArrowGlacier, config.arrow_glacier_block),
        (Fork::GrayGlacier, config.gray_glacier_block),
    ]
}

fn time_forks(config: &ChainConfig) -> [(EthereumHardfork, Option<u64>); 10] {
    use EthereumHardfork as Fork;
    [
        (Fork::Shanghai, config.shanghai_time),
        (Fork::Cancun, config.cancun_time),
        (Fork::Prague, config.prague_time),
        (Fork::Osaka, config.osaka_time),
        (Fork::Bpo1, config.bpo1_time),
        (Fork::Bpo2, config.bpo2_time),
        (Fork::Bpo3, config.bpo3_time),
        (Fork::Bpo4, config.bpo4_time),
        (Fork::Bpo5, config.bpo5_time),
        (Fork::Amsterdam, config.amsterdam_time),
    ]
}

/// When proof of stake starts: at once, or at a block that is named.
fn paris(config: &ChainConfig) -> Result<Option<ForkCondition>, UnsupportedFork> {
    let Some(difficulty) = config.terminal_total_difficulty else {
        return Ok(None);
    };
    let block = match config.merge_netsplit_block {
        Some(block) => block,
        None if difficulty == U256::ZERO => 0,
        None => {
            return Err(UnsupportedFork {
                field: "terminalTotalDifficulty".into(),
                reason: format!(
                    "proof of stake from difficulty {difficulty} on; name the first such block \
                     with mergeNetsplitBlock"
                ),
            });
        }
    };
    Ok(Some(ForkCondition::TTD {
        activation_block_number: block,
        fork_block: Some(block),
        total_difficulty: difficulty,
    }))
}

/// The blob schedule; where it is silent, what mainnet has. The forks that mainnet does not have
/// must be in it.
fn blobs(config: &ChainConfig) -> Result<Vec<(u64, BlobParams)>, UnsupportedFork> {
    let schedule = config.blob_schedule_blob_params();
    let forks = [
        (config.cancun_time, Some(schedule.cancun)),
        (config.prague_time, Some(schedule.prague)),
        (config.osaka_time, Some(schedule.osaka)),
        (config.bpo1_time, Some(BlobParams::bpo1())),
        (config.bpo2_time, Some(BlobParams::bpo2())),
        (config.bpo3_time, None),
        (config.bpo4_time, None),
        (config.bpo5_time, None),
    ];
    let mut blobs = Vec::new();
    for (time, default) in forks {
        let Some(time) = time else { continue };
        let scheduled = schedule.scheduled.iter().find(|(from, _)| *from == time);
        let params = scheduled.map(|(_, params)| *params).or(default);
        let params = params.ok_or_else(|| UnsupportedFork {
            field: "blobSchedule".into(),
            reason: format!("no blob parameters for the fork at time {time}"),
        })?;
        if !is_possible(&params) {
            let reason =
                "baseFeeUpdateFraction is 0, max is 0 or beyond 32768, or target beyond max";
            return Err(UnsupportedFork {
                field: "blobSchedule".into(),
                reason: format!("{reason}, for the fork at time {time}"),
            });
        }
        blobs.push((time, params));
    }
    blobs.sort_by_key(|(from, _)| *from);
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::primitives::hardfork::SpecId;

    fn chain(json: &str) -> Result<ChainSpec, UnsupportedFork> {
        ChainSpec::from_genesis(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn forks_start_where_the_configuration_says() {
        let chain = chain(
            r#"{"chainId": 9, "homesteadBlock": 2, "eip155Block": 3, "eip158Block": 4,
                "terminalTotalDifficulty": 0, "shanghaiTime": 100, "cancunTime": 200}"#,
        )
        .unwrap();
        assert_eq!((chain.chain_id(), chain.name()), (9, "chain-9"));
        assert_eq!(chain.spec_id(1, 99), Ok(SpecId::MERGE));
        assert_eq!(chain.spec_id(1, 100), Ok(SpecId::SHANGHAI));
        assert_eq!(chain.spec_id(1, 200), Ok(SpecId::CANCUN));
        assert_eq!(chain.blob_params(199), None);
        assert_eq!(chain.blob_params(200), Some(BlobParams::cancun()));

        let work = self::chain(
            r#"{"chainId": 9, "homesteadBlock": 2, "eip155Block": 3, "eip158Block": 4}"#,
        );
        let work = work.unwrap();
        let specs = [1, 2, 3, 4].map(|number| work.spec_id(number, 0).unwrap());
        use SpecId as Spec;
        let (old, new) = (Spec::HOMESTEAD, Spec::SPURIOUS_DRAGON);
        assert_eq!(specs, [Spec::FRONTIER, old, old, new]);
    }

    #[test]
    fn rules_between_headers_that_a_chain_may_have_of_its_own_are_left_open() {
        for (more, timestamps, fees) in [
            ("", true, true),
            (r#", "ethash": {}"#, true, true),
            (r#", "clique": {"period": 0, "epoch": 30000}"#, false, true),
            (r#", "zeroBaseFee": true"#, true, false),
            (r#", "optimism": {"eip1559Elasticity": 6}"#, true, false),
        ] {
            let chain = chain(&format!(r#"{{"chainId": 9, "londonBlock": 0{more}}}"#)).unwrap();
            let rules = chain.header_rules();
            assert_eq!((rules.timestamps, rules.fees), (timestamps, fees), "{more}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (json, field) in [
            (r#"{"chainId": 9, "bogotaTime": 1}"#, "bogotaTime"),
            (
                r#"{"chainId": 9, "terminalTotalDifficulty": 5}"#,
                "terminalTotalDifficulty",
            ),
            (r#"{"chainId": 9, "bpo3Time": 1}"#, "blobSchedule"),
            (r#"{"chainId": 9, "fooTime": 0}"#, "fooTime"),
            (r#"{"chainId": 9, "fooBlock": "0x5"}"#, "fooBlock"),
            (
                r#"{"chainId": 9, "cancunTime": 1, "blobSchedule":
                    {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 0}}}"#,
                "blobSchedule",
            ),
            (
                r#"{"chainId": 9, "cancunTime": 1, "blobSchedule":
                    {"cancun": {"target": 0, "max": 0, "baseFeeUpdateFraction": 5}}}"#,
                "blobSchedule",
            ),
            (
                r#"{"chainId": 9, "cancunTime": 1, "blobSchedule":
                    {"cancun": {"target": 7, "max": 6, "baseFeeUpdateFraction": 5}}}"#,
                "blobSchedule",
            ),
        ] {
            assert_eq!(chain(json).unwrap_err().field, field, "{json}");
        }
    }

    #[test]
    fn forks_out_of_order_are_named_both() {
        for (json, earlier, field) in [
            (
                r#"{"chainId": 9, "homesteadBlock": 7, "eip150Block": 6}"#,
                "homesteadBlock, the fork before it, is 7",
                "eip150Block",
            ),
            (
                r#"{"chainId": 9, "eip155Block": 4, "eip158Block": 3}"#,
                "eip155Block",
                "eip158Block",
            ),
            // Also where one between them is left out.
            (
                r#"{"chainId": 9, "byzantiumBlock": 4, "londonBlock": 3}"#,
                "byzantiumBlock",
                "londonBlock",
            ),
            (
                r#"{"chainId": 9, "cancunTime": 4, "pragueTime": 3}"#,
                "cancunTime",
                "pragueTime",
            ),
        ] {
            let error = chain(json).unwrap_err();
            assert_eq!(error.field, field, "{json}");
            assert!(error.reason.contains(earlier), "{}", error.reason);
        }
    }

    #[test]
    fn fields_that_change_no_rule_are_let_through() {
        for field in [
            r#""terminalTotalDifficultyPassed": true"#,
            r#""ethash": {}"#,
            r#""clique": {"period": 5, "epoch": 30000}"#,
            r#""depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa""#,
            r#""daoForkBlock": 0, "daoForkSupport": true"#,
            r#""eip150Hash": "0x00""#,
            r#""muirGlacierBlock": 0, "arrowGlacierBlock": 0, "grayGlacierBlock": 0"#,
            r#""mergeNetsplitBlock": 0"#,
            r#""mergeForkBlock": 0"#,
            r#""preMergeForkBlock": 0"#,
            r#""enableVerkleAtGenesis": false"#,
            r#""verkleTime": null"#,
            r#""blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}}"#,
        ] {
            let json = format!(r#"{{"chainId": 9, "terminalTotalDifficulty": 0, {field}}}"#);
            assert!(chain(&json).is_ok(), "{field}: {:?}", chain(&json));
        }
    }
}

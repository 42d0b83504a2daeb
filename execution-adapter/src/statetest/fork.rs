//! Forks by the names that tests give them.

use super::unit::Config;
use alloy_eips::eip7840::BlobParams;
use revm::primitives::hardfork::SpecId;

/// The rules that a fork's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) spec: SpecId,
    /// Constantinople before Petersburg took EIP-1283 back, which `SpecId` does not tell apart.
    pub(super) eip1283: bool,
    pub(super) blobs: BlobParams,
}

impl Rules {
    /// `None` for forks whose rules are not final, were dropped, or begin in the middle of a test.
    pub(super) fn named(name: &str) -> Option<Self> {
        let spec = match name {
            "Frontier" => SpecId::FRONTIER,
            "Homestead" | "DAOFork" => SpecId::HOMESTEAD,
            "EIP150" | "TangerineWhistle" | "Tangerine Whistle" => SpecId::TANGERINE,
            "EIP158" | "SpuriousDragon" | "Spurious Dragon" => SpecId::SPURIOUS_DRAGON,
            "Byzantium" => SpecId::BYZANTIUM,
            "Constantinople" | "ConstantinopleFix" | "Petersburg" | "StPetersburg" => {
                SpecId::PETERSBURG
            }
            "Istanbul" | "MuirGlacier" => SpecId::ISTANBUL,
            "Berlin" => SpecId::BERLIN,
            "London" | "ArrowGlacier" | "GrayGlacier" => SpecId::LONDON,
            "Paris" | "Merge" => SpecId::MERGE,
            "Shanghai" => SpecId::SHANGHAI,
            "Cancun" => SpecId::CANCUN,
            "Prague" => SpecId::PRAGUE,
            "Osaka" | "BPO1" | "BPO2" => SpecId::OSAKA,
            _ => return None,
        };
        let blobs = match name {
            "BPO1" => BlobParams::bpo1(),
            "BPO2" => BlobParams::bpo2(),
            "Osaka" => BlobParams::osaka(),
            "Prague" => BlobParams::prague(),
            _ => BlobParams::cancun(),
        };
        Some(Self {
            spec,
            eip1283: name == "Constantinople",
            blobs,
        })
    }

    /// The same with the blob parameters that the test's file gives for the fork, if it does.
    pub(super) fn with_config(mut self, name: &str, config: &Config) -> Self {
        let Some(schedule) = config.blob_schedule.get(name) else {
            return self;
        };
        let blobs = &mut self.blobs;
        if let Some(target) = schedule.target.and_then(|n| n.u64()) {
            blobs.target_blob_count = target;
        }
        if let Some(fraction) = schedule.base_fee_update_fraction.and_then(|n| n.u128()) {
            blobs.update_fraction = fraction;
        }
        if let Some(max) = schedule.max.and_then(|n| n.u64()) {
            // From Osaka on a transaction has a limit of its own (EIP-7594).
            let osaka = self.spec.is_enabled_in(SpecId::OSAKA);
            let per_tx = if osaka { blobs.max_blobs_per_tx } else { max };
            blobs.max_blobs_per_tx = per_tx.min(max);
            blobs.max_blob_count = max;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_have_their_blob_limits() {
        let blobs = |name| Rules::named(name).unwrap().blobs.max_blobs_per_tx;
        assert_eq!(
            ["Cancun", "Prague", "Osaka", "BPO1"].map(blobs),
            [6, 9, 6, 6]
        );
    }

    #[test]
    fn a_file_may_set_the_blob_parameters_of_a_fork() {
        let config: Config = serde_json::from_str(
            r#"{"blobSchedule": {
                "Prague": {"target": "0x1", "max": "0x2", "baseFeeUpdateFraction": "0x3"},
                "Osaka": {"target": "0x1", "max": "0x20", "baseFeeUpdateFraction": "0x3"}
            }}"#,
        )
        .unwrap();
        let with = |name| Rules::named(name).unwrap().with_config(name, &config).blobs;
        let prague = with("Prague");
        assert_eq!(
            (
                prague.target_blob_count,
                prague.max_blob_count,
                prague.max_blobs_per_tx
            ),
            (1, 2, 2)
        );
        assert_eq!(prague.update_fraction, 3);
        assert_eq!(with("Osaka").max_blobs_per_tx, 6);
        assert_eq!(with("Cancun"), BlobParams::cancun());
    }

    #[test]
    fn forks_without_rules_have_none() {
        for name in [
            "",
            "Amsterdam",
            "Metropolis",
            "ParisToShanghaiAtTime15k",
            "Merge+3860",
        ] {
            assert_eq!(Rules::named(name), None, "{name}");
        }
    }
}

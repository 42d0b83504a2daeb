//! What happens in the sixteen blocks of each fork.
//!
//! | block | what it holds |
//! |---|---|
//! | 0 | transfers, to an account and to an empty one; what a contract sees of the block |
//! | 1 | new contracts: those that the fork can first run, one that ends at once, one that fails |
//! | 2 | token transfers and approvals, one of them beyond the balance |
//! | 3 | swaps on the market, one of them at a price that it does not give |
//! | 4 | storage written |
//! | 5 | the same storage changed and half of it cleared |
//! | 6 | self-destruction: of a contract with a balance, in the transaction that creates it, and of one that is gone |
//! | 7 | CREATE, CREATE2, and CREATE2 at the same address again |
//! | 8 | nested reverts, and a transaction that runs out of gas |
//! | 9 | the precompiles that the fork brings |
//! | 10 | logs with no topic to four |
//! | 11 | instructions of six forks, before and after they come |
//! | 12 | transactions of every type that the fork has |
//! | 13 | no transaction; before Paris with an ommer, since Shanghai with withdrawals |
//! | 14 | calls of three kinds; many blobs; since Prague deposits, and requests to the consensus layer |
//! | 15 | a busy block |
//!
//! The contracts in assembly are created in block 1, the tokens and their market in Homestead.

use crate::block::{Plan, ommer};
use crate::contracts::{call, code, init_code, pair, token, word};
use crate::error::DevChainError;
use crate::precompiles;
use crate::requests;
use crate::rules::{BLOCKS_PER_FORK, DEPOSIT_CONTRACT, Fork};
use crate::transactions::{Call, Type, Wallet};
use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::{eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use std::collections::BTreeMap;

/// Gas for a call, and for the creation of a contract.
const CALL_GAS: u64 = 300_000;
const CREATE_GAS: u64 = 2_000_000;

/// Plans blocks one after the other.
#[derive(Debug)]
pub(crate) struct Tour {
    wallet: Wallet,
    /// Contracts by name, once they were created.
    places: BTreeMap<&'static str, Address>,
    withdrawals: u64,
}

/// A block while it is planned.
struct Page<'a> {
    tour: &'a mut Tour,
    fork: Fork,
    header: &'a Header,
    plan: Plan,
}

impl Tour {
    pub(crate) fn new() -> Result<Self, DevChainError> {
        Ok(Self {
            wallet: Wallet::new()?,
            places: BTreeMap::new(),
            withdrawals: 0,
        })
    }

    /// What the block with this header is to hold; `parent` is the header before it.
    pub(crate) fn plan(&mut self, header: &Header, parent: &Header) -> Result<Plan, DevChainError> {
        let fork = Fork::of_block(header.number);
        let mut page = Page {
            tour: self,
            fork,
            header,
            plan: Plan::default(),
        };
        page.fill()?;
        let mut plan = page.plan;
        let step = header.number % BLOCKS_PER_FORK;
        if fork < Fork::Paris && step == 13 {
            plan.ommers.push(ommer(parent));
        }
        if fork >= Fork::Shanghai && step % 4 == 1 {
            plan.withdrawals = self.withdrawals(step);
        }
        Ok(plan)
    }

    fn withdrawals(&mut self, count: u64) -> Vec<Withdrawal> {
        let first = self.withdrawals;
        self.withdrawals += count;
        let withdrawal = |index| Withdrawal {
            index,
            validator_index: index % 5,
            // Every third goes to an account that is not there yet.
            address: match index % 3 {
                0 => Address::from_word(keccak256(format!("withdrawal {index}"))),
                _ => self.wallet.address(index),
            },
            amount: 1_000_000 + index,
        };
        (first..first + count).map(withdrawal).collect()
    }
}

impl Page<'_> {
    fn fill(&mut self) -> Result<(), DevChainError> {
        match self.header.number % BLOCKS_PER_FORK {
            0 => self.transfers(),
            1 => self.creations(),
            2 => self.tokens(),
            3 => self.swaps(),
            4 => self.churn(&[(0, 12, 7), (100, 8, 1)]),
            5 => self.churn(&[(0, 6, 0), (6, 6, 9), (100, 8, 0), (100, 4, 1)]),
            6 => self.self_destructions(),
            7 => self.factory(),
            8 => self.reverts(),
            9 => self.precompiles(),
            10 => self.call("logs", Bytes::from_static(b"sixteen bytes...")),
            11 => (1..=6).try_for_each(|kind| self.call("newer", word(kind).into())),
            12 => self.types(),
            14 => self.requests(),
            15 => self.busy(),
            _ => Ok(()),
        }
    }

    /// Block number plus this: who acts.
    fn actor(&self, offset: u64) -> u64 {
        self.header.number + offset
    }

    fn place(&self, name: &str) -> Address {
        // Before it was created the call goes to an empty account.
        let empty = || Address::from_word(keccak256(name));
        self.tour.places.get(name).copied().unwrap_or_else(empty)
    }

    fn sign(&mut self, actor: u64, tx_type: Type, call: Call) -> Result<(), DevChainError> {
        let base_fee = self.header.base_fee_per_gas;
        let tx = self
            .tour
            .wallet
            .sign(self.fork, base_fee, actor, tx_type, call)?;
        self.plan.transactions.push(tx);
        Ok(())
    }

    fn send(&mut self, to: TxKind, value: u64, data: Bytes, gas: u64) -> Result<(), DevChainError> {
        let actor = self.actor(self.plan.transactions.len() as u64);
        self.send_from(actor, to, value, data, gas)
    }

    fn send_from(
        &mut self,
        actor: u64,
        to: TxKind,
        value: u64,
        data: Bytes,
        gas: u64,
    ) -> Result<(), DevChainError> {
        let tx_type = self.tour.wallet.usual_type(self.fork);
        let call = Call {
            to,
            value,
            data,
            gas,
        };
        self.sign(actor, tx_type, call)
    }

    fn call(&mut self, contract: &str, data: Bytes) -> Result<(), DevChainError> {
        let to = TxKind::Call(self.place(contract));
        self.send(to, 0, data, CALL_GAS)
    }

    /// Creates a contract and remembers where.
    fn create(
        &mut self,
        name: &'static str,
        init: Bytes,
        value: u64,
    ) -> Result<Address, DevChainError> {
        let actor = self.actor(self.plan.transactions.len() as u64);
        self.create_from(actor, name, init, value)
    }

    fn create_from(
        &mut self,
        actor: u64,
        name: &'static str,
        init: Bytes,
        value: u64,
    ) -> Result<Address, DevChainError> {
        let address = self.tour.wallet.next_created(actor);
        self.send_from(actor, TxKind::Create, value, init, CREATE_GAS)?;
        self.tour.places.insert(name, address);
        Ok(address)
    }

    fn transfers(&mut self) -> Result<(), DevChainError> {
        let known = self.tour.wallet.address(self.actor(5));
        let fresh = Address::from_word(keccak256(format!("fresh {}", self.header.number)));
        for (to, value) in [
            (known, 1_000_000),
            (fresh, 1),
            (fresh, 0),
            (self.place("nobody"), 0),
        ] {
            self.send(TxKind::Call(to), value, Bytes::new(), 30_000)?;
        }
        self.call("block", Bytes::new())
    }

    fn creations(&mut self) -> Result<(), DevChainError> {
        const FIRST: [&str; 9] = [
            "block",
            "calls",
            "churn",
            "factory",
            "logs",
            "newer",
            "precompile",
            "revert",
            "selfdestruct",
        ];
        let names: &[&str] = match self.fork {
            Fork::Frontier => &FIRST,
            Fork::Cancun => &["blobs", "mcopy", "transient"],
            Fork::Prague => &["delegate"],
            _ => &[],
        };
        for name in names {
            self.create(name, init_code(&code(name)?), 0)?;
        }
        if self.fork == Fork::Homestead {
            self.market()?;
        }
        self.send(TxKind::Create, 3, Bytes::new(), 100_000)?;
        self.send(TxKind::Create, 0, Bytes::from_static(&[0xfe]), 100_000)
    }

    /// Two tokens of actor 0, their market, and what it starts with.
    fn market(&mut self) -> Result<(), DevChainError> {
        let supply = U256::from(10).pow(U256::from(27));
        let a = self.create_from(0, "token A", token(supply)?, 0)?;
        let b = self.create_from(0, "token B", token(supply)?, 0)?;
        let pair = self.create_from(0, "pair", pair(a, b)?, 0)?;
        let all = B256::from(U256::MAX);
        for token in [a, b] {
            let approve = call("approve(address,uint256)", &[pair.into_word(), all]);
            self.send_from(0, TxKind::Call(token), 0, approve, CALL_GAS)?;
        }
        let amounts = [word(5_000_000_000_000), word(20_000_000_000_000)];
        let add = call("addLiquidity(uint256,uint256)", &amounts);
        self.send_from(0, TxKind::Call(pair), 0, add, CALL_GAS)
    }

    fn tokens(&mut self) -> Result<(), DevChainError> {
        let receiver = self.tour.wallet.address(self.actor(1));
        let transfer = |value| call("transfer(address,uint256)", &[receiver.into_word(), value]);
        let token = TxKind::Call(self.place("token A"));
        self.send_from(0, token, 0, transfer(word(1_000_000)), CALL_GAS)?;
        // More than there is.
        self.send_from(0, token, 0, transfer(B256::from(U256::MAX)), CALL_GAS)?;
        let pair = self.place("pair").into_word();
        let approve = call("approve(address,uint256)", &[pair, word(5_000_000_000)]);
        let actor = self.actor(1);
        self.send_from(actor, token, 0, approve, CALL_GAS)
    }

    fn swaps(&mut self) -> Result<(), DevChainError> {
        let pair = TxKind::Call(self.place("pair"));
        let swap = |a_to_b: u64, amount: u64, least: u64| {
            call(
                "swap(bool,uint256,uint256)",
                &[word(a_to_b), word(amount), word(least)],
            )
        };
        self.send_from(0, pair, 0, swap(1, 1_000_000, 1), CALL_GAS)?;
        self.send_from(0, pair, 0, swap(0, 7_000_000, 1), CALL_GAS)?;
        // Nobody gives this price, and not everybody has tokens and has approved.
        self.send_from(0, pair, 0, swap(1, 1_000, 1_000_000_000), CALL_GAS)?;
        let actor = self.actor(0);
        self.send_from(actor, pair, 0, swap(1, 600_000, 1), CALL_GAS)
    }

    fn churn(&mut self, ranges: &[(u64, u64, u64)]) -> Result<(), DevChainError> {
        for (first, count, value) in ranges {
            // Each fork has slots of its own, and touches those of the one before it.
            let first = first + 6 * self.fork as u64;
            let data = [word(first), word(*count), word(*value)].concat();
            self.call("churn", data.into())?;
        }
        Ok(())
    }

    fn self_destructions(&mut self) -> Result<(), DevChainError> {
        let heir = Address::from_word(keccak256(format!("heir {}", self.header.number)));
        let created = self.create("short-lived", init_code(&code("selfdestruct")?), 9)?;
        self.send(TxKind::Call(created), 1, heir.into_word().into(), CALL_GAS)?;
        // Under most forks nobody is there any more.
        self.send(
            TxKind::Call(created),
            2,
            created.into_word().into(),
            CALL_GAS,
        )?;
        // Init code that destroys what it is about to create: ADDRESS SELFDESTRUCT.
        self.send(
            TxKind::Create,
            4,
            Bytes::from_static(&[0x30, 0xff]),
            CALL_GAS,
        )
    }

    fn factory(&mut self) -> Result<(), DevChainError> {
        let init = init_code(&[0x60, self.fork as u8, 0x50, 0x00]);
        for salt in [word(0), word(1), word(1), word(2)] {
            let data = [&salt[..], &init[..]].concat();
            self.call("factory", data.into())?;
        }
        Ok(())
    }

    fn reverts(&mut self) -> Result<(), DevChainError> {
        for depth in [0, 1, 2, 5] {
            self.call("revert", word(depth).into())?;
        }
        // It takes 12 times 20,000 to write so much.
        let data = [word(5_000), word(12), word(1)].concat();
        let churn = TxKind::Call(self.place("churn"));
        self.send(churn, 0, data.into(), 100_000)
    }

    fn precompiles(&mut self) -> Result<(), DevChainError> {
        for (address, input) in precompiles::inputs(self.fork)? {
            let data = [&word(address)[..], &input[..]].concat();
            let to = TxKind::Call(self.place("precompile"));
            self.send(to, 0, data.into(), 1_000_000)?;
        }
        // Straight to the one that copies.
        let identity = Address::with_last_byte(4);
        self.send(
            TxKind::Call(identity),
            0,
            Bytes::from_static(b"identity"),
            30_000,
        )
    }

    fn types(&mut self) -> Result<(), DevChainError> {
        let churn = self.place("churn");
        let to_churn = |slot: u64| Call {
            to: TxKind::Call(churn),
            value: 0,
            data: [word(slot), word(2), word(3)].concat().into(),
            gas: 200_000,
        };
        self.sign(self.actor(0), Type::Legacy, to_churn(0))?;
        if self.fork >= Fork::Berlin {
            self.sign(self.actor(1), Type::AccessList, to_churn(1))?;
        }
        if self.fork >= Fork::London {
            self.sign(self.actor(2), Type::DynamicFee, to_churn(2))?;
        }
        if self.fork >= Fork::Cancun {
            self.blobs()?;
        }
        if self.fork >= Fork::Prague {
            self.delegations()?;
        }
        Ok(())
    }

    fn blobs(&mut self) -> Result<(), DevChainError> {
        let to = |name: &str, page: &Self| Call {
            to: TxKind::Call(page.place(name)),
            value: 0,
            data: Bytes::from_static(b"some bytes to copy over themselves, forwards and back"),
            gas: 200_000,
        };
        let most = match self.fork {
            Fork::Cancun => 3,
            Fork::Prague => 4,
            _ => 6,
        };
        self.sign(self.actor(3), Type::Blobs(most), to("blobs", self))?;
        self.sign(self.actor(4), Type::Blobs(2), to("blobs", self))?;
        self.call("transient", Bytes::new())?;
        self.sign(self.actor(5), Type::DynamicFee, to("mcopy", self))
    }

    /// As many as a transaction may have, so that their price rises.
    fn many_blobs(&mut self) -> Result<(), DevChainError> {
        if self.fork < Fork::Cancun {
            return Ok(());
        }
        let call = Call {
            to: TxKind::Call(self.place("blobs")),
            value: 0,
            data: Bytes::new(),
            gas: 200_000,
        };
        self.sign(self.actor(6), Type::Blobs(6), call)
    }

    /// Actors 8 and 9 delegate, one by another's transaction and one by its own; then they take it back.
    fn delegations(&mut self) -> Result<(), DevChainError> {
        let target = self.place("delegate");
        let to = |address| Call {
            to: TxKind::Call(address),
            value: 1,
            data: Bytes::new(),
            gas: 200_000,
        };
        let (eight, nine) = (self.tour.wallet.address(8), self.tour.wallet.address(9));
        let list = vec![
            self.tour.wallet.authorize(8, target)?,
            self.tour.wallet.authorize_stale(8, target)?,
        ];
        self.sign(1, Type::Delegating(list), to(eight))?;
        self.sign(8, Type::DynamicFee, to(eight))?;
        // The sender's nonce goes up before its authorization is looked at.
        let sender_first = to(nine);
        let authorization = self.tour.wallet.authorize_after_next(9, target)?;
        self.sign(9, Type::Delegating(vec![authorization]), sender_first)?;
        self.tour.wallet.skip_nonce(9)?;
        if self.fork == Fork::Bpo1 {
            let list = vec![self.tour.wallet.authorize(8, Address::ZERO)?];
            self.sign(2, Type::Delegating(list), to(eight))?;
        }
        Ok(())
    }

    fn requests(&mut self) -> Result<(), DevChainError> {
        let churn = self.place("churn").into_word();
        let data = [churn, word(3)].concat();
        let calls = TxKind::Call(self.place("calls"));
        self.send(calls, 1, data.into(), 500_000)?;
        self.many_blobs()?;
        if self.fork < Fork::Prague {
            return Ok(());
        }
        let number = self.header.number;
        self.send(
            TxKind::Call(DEPOSIT_CONTRACT),
            0,
            requests::deposit(number),
            CALL_GAS,
        )?;
        // The fee is one wei while there are few.
        let exits = TxKind::Call(eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS);
        for index in number..number + 3 {
            self.send(exits, 1, requests::withdrawal(index), CALL_GAS)?;
        }
        let merges = TxKind::Call(eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS);
        self.send(merges, 1, requests::consolidation(number), CALL_GAS)
    }

    fn busy(&mut self) -> Result<(), DevChainError> {
        self.transfers()?;
        self.many_blobs()?;
        self.tokens()?;
        self.swaps()?;
        self.churn(&[(200, 10, 5), (0, 3, 2)])?;
        self.call("logs", Bytes::from_static(b"busy"))?;
        self.call("revert", word(3).into())
    }
}

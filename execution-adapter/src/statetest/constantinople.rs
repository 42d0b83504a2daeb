//! Net gas metering of EIP-1283, which held in Constantinople alone.
//!
//! Petersburg took it back, so revm has no rules for it. They are those of EIP-2200 (Istanbul) with
//! the older price of a read, 200, and without its limit on the gas left.

use revm::context_interface::cfg::GasParams;
use revm::context_interface::cfg::gas_params::GasId;
use revm::interpreter::instructions::host::sstore_with_gas_accounting;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{
    Host, InstructionContext, InstructionExecResult, InstructionResult, SStoreResult, StateLoad,
};
use revm::primitives::Address;

const READ: u64 = 200;
const SET: u64 = 20_000;
const RESET: u64 = 5_000;

/// Prices the writes of storage as EIP-1283 does.
pub(super) fn set_prices(params: &mut GasParams) {
    params.override_gas([
        (GasId::sstore_static(), READ),
        (GasId::sstore_set_without_load_cost(), SET - READ),
        (GasId::sstore_reset_without_cold_load_cost(), RESET - READ),
        (GasId::sstore_set_refund(), SET - READ),
        (GasId::sstore_reset_refund(), RESET - READ),
    ]);
}

/// The SSTORE of Constantinople: Istanbul's accounting at the prices of [`set_prices`].
pub(super) fn sstore<H: Host + ?Sized>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    sstore_with_gas_accounting(context, account_net)
}

fn account_net<H: Host + ?Sized>(
    context: &mut InstructionContext<'_, H, EthInterpreter>,
    _target: Address,
    load: &StateLoad<SStoreResult>,
) -> InstructionExecResult {
    let params = context.host.gas_params();
    let cost = params.sstore_dynamic_gas(true, &load.data, load.is_cold);
    let refund = params.sstore_refund(true, &load.data);
    if !context.interpreter.gas.record_regular_cost(cost) {
        return Err(InstructionResult::OutOfGas);
    }
    context.interpreter.gas.record_refund(refund);
    Ok(())
}

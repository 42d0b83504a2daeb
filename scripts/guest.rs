//! The guest of docs/PROVERS.md, compiled by `.ci/run no-std` for machines without an operating system.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use qmtree_execution_adapter::execute_program;

/// What a machine commits to, from all of its input.
pub fn guest(input: Vec<u8>) -> [u8; 32] {
    let public_inputs = execute_program(input).expect("the blocks hold");
    public_inputs.digest().0
}

//! Fuzz target `decode_opening`; its claim is in the crate's documentation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qmtree_fuzz::run("decode_opening", data));

//! Fuzz target `decode_range_input`; its claim is in the crate's documentation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qmtree_fuzz::run("decode_range_input", data));

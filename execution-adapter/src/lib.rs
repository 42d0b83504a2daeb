//! revm execution into leaves, witnesses for provers. Not written yet: nothing is exported.
#![forbid(unsafe_code)]

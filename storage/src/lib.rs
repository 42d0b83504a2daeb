//! Bytes on disk: journal, segments, snapshots, index. Not written yet: nothing is exported.
#![deny(unsafe_code)]

//! Tests of the runner on a file of our own.

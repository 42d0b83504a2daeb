//! Writing to the terminal, or to whoever reads instead of it.

use crate::error::CliError;
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

/// Prints a line. Nobody reading it (as in `qm ... | head -1`) is no failure: the exit code still
/// tells how it ended.
pub(crate) fn say(line: impl Display) -> Result<(), CliError> {
    let mut out = stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Io {
            path: "standard output".into(),
            action: "write",
            source: error,
        }),
        _ => Ok(()),
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    say(serde_json::to_string(value).expect("it has a JSON form"))
}

/// Prints an error, if there is anywhere to print it.
pub(crate) fn print_error(error: &str) {
    let _ = writeln!(stderr().lock(), "qm: {error}");
}

/// Prints what a reader of the result should know beside it.
pub(crate) fn print_note(note: &str) {
    let _ = writeln!(stderr().lock(), "qm: note: {note}");
}

//! `--log LEVEL`: what the engine does, on standard error.

use clap::ValueEnum;
use std::io::stderr;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Where the level comes from without `--log`.
const VARIABLE: &str = "QM_LOG";

/// How much is said.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    /// Nothing.
    Off,
    /// What stops a writer.
    Error,
    /// What failed.
    Warn,
    /// What happens now and then: opening, sealing, pruning, unwinding, checks.
    Info,
    /// Each block.
    Debug,
    /// Each proof and each sync.
    Trace,
}

impl Level {
    /// The level given, else the one of the environment, else none.
    ///
    /// # Errors
    /// What is wrong with the environment.
    pub(crate) fn choose(given: Option<Self>) -> Result<Self, String> {
        match (given, std::env::var_os(VARIABLE)) {
            (Some(level), _) => Ok(level),
            (None, None) => Ok(Self::Off),
            (None, Some(text)) => {
                let level = text
                    .to_str()
                    .and_then(|text| Self::from_str(text, true).ok());
                level.ok_or_else(|| {
                    format!("{VARIABLE}={text:?}: expected off, error, warn, info, debug or trace")
                })
            }
        }
    }

    /// Prints from now on: events as they come, spans when they end.
    pub(crate) fn start(self) {
        let level = match self {
            Self::Off => return,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        };
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(stderr)
            .init();
    }
}

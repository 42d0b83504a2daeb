//! A worker that runs, and is asked one thing at a time.

use super::config::{WorkerConfig, WorkerLimits};
use super::exchange::{Exchange, io_error};
use super::watch::{Members, end, has_ended};
use crate::backend::Control;
use crate::error::BackendError;
use crate::exec::shortened;
use crate::protocol::{MAX_REQUEST_LEN, Request, Response, VERSION};
use rustix::fs::OFlags;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Limits are set by a shell before it becomes the worker; what it runs comes as arguments, which it
/// does not look at. `-` stands for no limit.
const LAUNCHER: &str = r#"ulimit -c 0
[ "$1" = - ] || ulimit -v "$1" || exit 125
[ "$2" = - ] || ulimit -f "$2" || exit 125
shift 2
exec "$@""#;
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// Between the end of a worker's output and its own.
const GRACE: Duration = Duration::from_millis(50);
/// What is kept of standard error.
const LAST_WORDS_LEN: usize = 2048;

/// A worker that was started. Dropping it ends the worker and all of its group.
#[derive(Debug)]
pub(super) struct Session {
    child: Child,
    leader: Pid,
    stdin: Option<ChildStdin>,
    lines: Receiver<Event>,
    output: Arc<Output>,
    limits: WorkerLimits,
    folder: TempDir,
    usable: bool,
    waited: bool,
    watched: Instant,
}

/// What the reading threads know.
#[derive(Debug, Default)]
struct Output {
    stdout_bytes: AtomicU64,
    stderr_bytes: AtomicU64,
    stderr_overrun: AtomicBool,
    last_words: Mutex<VecDeque<u8>>,
}

#[derive(Debug)]
enum Event {
    Line(Vec<u8>),
    TooLong { limit_bytes: u64 },
}

impl Session {
    pub(super) fn start(config: &WorkerConfig) -> Result<Self, BackendError> {
        let folder = tempfile::Builder::new().prefix("qmtree-worker-").tempdir();
        let folder = folder.map_err(io_error(&std::env::temp_dir(), "make a folder in"))?;
        let limits = config.limits;
        let limit = |bytes: Option<u64>, unit: u64| {
            bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes / unit).to_string())
        };
        let spawned = Command::new("/bin/sh")
            .args(["-c", LAUNCHER, "qmtree-worker"])
            .arg(limit(limits.address_space_bytes, 1024))
            .arg(limit(limits.file_bytes, 512))
            .arg(&config.program)
            .args(&config.arguments)
            .env_clear()
            .envs(config.environment.iter().filter_map(|name| {
                let value = std::env::var_os(name)?;
                Some((name, value))
            }))
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|source| BackendError::Spawn {
            program: config.program.clone(),
            source,
        })?;
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let leader = leader.expect("a child has a number");
        let output = Arc::<Output>::default();
        let (send, lines) = sync_channel(4);
        // A worker that answers without reading could fill the pipe otherwise, and hold us there.
        if let Some(stdin) = &child.stdin {
            rustix::fs::fcntl_setfl(stdin, OFlags::NONBLOCK)
                .map_err(|error| io_error(&config.program, "write to")(error.into()))?;
        }
        // The threads are not joined: a process that left the group may hold the pipes open.
        if let Some(stdout) = child.stdout.take() {
            let output = Arc::clone(&output);
            std::thread::spawn(move || read_lines(stdout, limits, &output, &send));
        }
        if let Some(stderr) = child.stderr.take() {
            let output = Arc::clone(&output);
            std::thread::spawn(move || read_stderr(stderr, limits, &output));
        }
        Ok(Self {
            stdin: child.stdin.take(),
            child,
            leader,
            lines,
            output,
            limits,
            folder,
            usable: true,
            waited: false,
            watched: Instant::now(),
        })
    }

    /// Whether it can be asked again: it is alive, and did not break the protocol.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    pub(super) fn exchange(&self) -> Result<Exchange, BackendError> {
        Exchange::new(self.folder.path())
    }

    /// Sends a request and waits for its answer, within the limits.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        control: &Control,
    ) -> Result<Response, BackendError> {
        // Whatever goes wrong from here on, its next line may be anything.
        self.usable = false;
        self.output.stdout_bytes.store(0, Ordering::Relaxed);
        self.output.stderr_bytes.store(0, Ordering::Relaxed);
        let mut line = serde_json::to_vec(request).map_err(|error| BackendError::Protocol {
            reason: error.to_string(),
        })?;
        line.push(b'\n');
        if line.len() > MAX_REQUEST_LEN {
            return Err(BackendError::Protocol {
                reason: "the request is too long for a pipe".to_owned(),
            });
        }
        // It fits into the buffer of the pipe; if that is full, nobody reads.
        let stdin = self.stdin.as_mut();
        let sent = stdin.map(|stdin| stdin.write_all(&line).and_then(|()| stdin.flush()));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.exited());
        }
        let answer = self.wait(control)?;
        let response = read_answer(&answer, &request.id)?;
        // A refusal that keeps to the protocol leaves a worker that can be asked again.
        self.usable = true;
        match response.ok {
            true => Ok(response),
            false => Err(refusal(&response)),
        }
    }

    fn wait(&mut self, control: &Control) -> Result<Vec<u8>, BackendError> {
        loop {
            let left = control.left()?;
            match self.lines.recv_timeout(left.min(WATCH_EVERY / 2)) {
                Ok(Event::Line(line)) => return Ok(line),
                Ok(Event::TooLong { limit_bytes }) => {
                    let to = "standard output";
                    return Err(BackendError::OutputTooLong { to, limit_bytes });
                }
                Err(RecvTimeoutError::Timeout) if has_ended(self.leader) => {
                    // Others may hold its output open, so this is not always the end of that. Its
                    // last line may still be on its way.
                    return match self.lines.recv_timeout(4 * GRACE) {
                        Ok(Event::Line(line)) => Ok(line),
                        _ => Err(self.exited()),
                    };
                }
                Err(RecvTimeoutError::Timeout) => self.watch()?,
                Err(RecvTimeoutError::Disconnected) => return Err(self.exited()),
            }
        }
    }

    /// Looks at what the worker takes.
    fn watch(&mut self) -> Result<(), BackendError> {
        self.check_stderr()?;
        if self.watched.elapsed() < WATCH_EVERY {
            return Ok(());
        }
        self.watched = Instant::now();
        let members = Members::of(self.leader);
        let over = |what, found: u64, limit: Option<u64>| match limit {
            Some(limit) if found > limit => Err(BackendError::Resources { what, limit }),
            _ => Ok(()),
        };
        over("processes", members.count(), self.limits.processes)?;
        let limit = self.limits.memory_bytes;
        over("bytes of memory", members.memory_bytes, limit)
    }

    fn check_stderr(&self) -> Result<(), BackendError> {
        if self.output.stderr_overrun.load(Ordering::Relaxed) {
            return Err(BackendError::OutputTooLong {
                to: "standard error",
                limit_bytes: self.limits.output_bytes,
            });
        }
        Ok(())
    }

    /// How it ended, once its output is over.
    fn exited(&mut self) -> BackendError {
        std::thread::sleep(GRACE);
        end(self.leader);
        // One that writes too much is not read any more, and may end of that.
        if let Err(error) = self.check_stderr() {
            return error;
        }
        self.waited = true;
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let words = self.output.last_words.lock();
        let words = words.unwrap_or_else(PoisonError::into_inner);
        let words: Vec<u8> = words.iter().copied().collect();
        BackendError::Exited {
            status,
            stderr: printable(&String::from_utf8_lossy(&words)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its number may be somebody else's once it was waited for.
        if !self.waited {
            end(self.leader);
            let _ = self.child.wait();
        }
    }
}

/// Sends each line, until one is too long, there is too much of them, or nobody wants them.
fn read_lines(
    mut stdout: impl Read,
    limits: WorkerLimits,
    output: &Output,
    send: &SyncSender<Event>,
) {
    let (mut line, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    while let Ok(len @ 1..) = stdout.read(&mut chunk) {
        let mut rest = chunk.get(..len).unwrap_or_default();
        let before = output.stdout_bytes.fetch_add(len as u64, Ordering::Relaxed);
        if before + len as u64 > limits.output_bytes {
            let limit_bytes = limits.output_bytes;
            let _ = send.send(Event::TooLong { limit_bytes });
            return;
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (front, behind) = rest.split_at(end);
            line.extend_from_slice(front);
            rest = behind.get(1..).unwrap_or_default();
            if line.len() as u64 > limits.line_bytes {
                break;
            }
            if send.send(Event::Line(std::mem::take(&mut line))).is_err() {
                return;
            }
        }
        line.extend_from_slice(rest);
        if line.len() as u64 > limits.line_bytes {
            let limit_bytes = limits.line_bytes;
            let _ = send.send(Event::TooLong { limit_bytes });
            return;
        }
    }
}

/// Keeps the end of what is written, and says when it is too much.
fn read_stderr(mut stderr: impl Read, limits: WorkerLimits, output: &Output) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(len @ 1..) = stderr.read(&mut chunk) {
        let before = output.stderr_bytes.fetch_add(len as u64, Ordering::Relaxed);
        if before + len as u64 > limits.output_bytes {
            output.stderr_overrun.store(true, Ordering::Relaxed);
            return;
        }
        let words = output.last_words.lock();
        let mut words = words.unwrap_or_else(PoisonError::into_inner);
        words.extend(chunk.get(..len).unwrap_or_default());
        let extra = words.len().saturating_sub(LAST_WORDS_LEN);
        words.drain(..extra);
    }
}

fn read_answer(line: &[u8], id: &str) -> Result<Response, BackendError> {
    let nonsense = |reason: String| BackendError::Protocol { reason };
    let response: Response = serde_json::from_slice(line).map_err(|error| {
        let start = String::from_utf8_lossy(line.get(..80).unwrap_or(line));
        nonsense(format!("{error}; it begins with {:?}", printable(&start)))
    })?;
    if response.v != VERSION {
        return Err(nonsense(format!("version {}", response.v)));
    }
    if response.id != id {
        let found = printable(&shortened(&response.id));
        return Err(nonsense(format!("it has id {found:?}, not {id:?}")));
    }
    if response.ok == response.error.is_some() {
        return Err(nonsense("ok and error contradict each other".to_owned()));
    }
    Ok(response)
}

/// What a worker says that it could not do, by the codes of the protocol.
fn refusal(response: &Response) -> BackendError {
    let error = response.error.clone();
    let (code, message) = error.map_or_else(Default::default, |error| (error.code, error.message));
    let message = printable(&shortened(&message));
    match code.as_str() {
        "unsupported" => BackendError::Unsupported {
            backend: "of the worker".to_owned(),
            what: message,
        },
        "bad_input" => BackendError::BadInput { message },
        "guest_failed" => BackendError::GuestFailed { message },
        "invalid_proof" => BackendError::InvalidProof { reason: message },
        "timeout" | "resources" => BackendError::WorkerFailed {
            message: format!("{code}: {message}"),
        },
        _ => BackendError::WorkerFailed { message },
    }
}

/// Text of somebody else's, without what moves a terminal's cursor.
fn printable(text: &str) -> String {
    let shown = |char: char| if char.is_control() { ' ' } else { char };
    text.chars().map(shown).collect()
}

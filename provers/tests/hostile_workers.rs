//! Workers that hang, crash, flood and lie: each is an error with a type, and leaves nothing behind.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, keccak256};
use qmtree_provers::{
    BackendError, Control, Envelope, Executed, ProcessBackend, ProveRequest, ProverBackend,
    Statement, VerifierBackend, WorkerConfig, WorkerLimits,
};
use std::time::Duration;

const STATEMENT: B256 = B256::repeat_byte(0x5a);

/// A worker in one mode. The program's id tells its processes from those of other tests.
struct Hostile {
    backend: ProcessBackend,
    program_id: B256,
}

fn hostile(mode: &str, limits: WorkerLimits) -> Hostile {
    let program_id = keccak256(format!("{mode} {}", std::process::id()));
    let config = WorkerConfig {
        arguments: vec![mode.into(), program_id.to_string().into()],
        limits,
        ..WorkerConfig::new(env!("CARGO_BIN_EXE_qmtree-hostile-worker"))
    };
    let backend = ProcessBackend::new(config, "hostile", program_id).unwrap();
    Hostile {
        backend,
        program_id,
    }
}

impl Hostile {
    fn prove_within(&self, time: Duration) -> Result<Envelope, BackendError> {
        let request = ProveRequest {
            input: b"input",
            statement: STATEMENT,
            format: None,
        };
        self.backend.prove(&request, &Control::timeout(time))
    }

    fn prove(&self) -> Result<Envelope, BackendError> {
        self.prove_within(Duration::from_secs(60))
    }

    /// The error, once all processes of the worker are gone.
    fn fails(&self, time: Duration) -> BackendError {
        let error = self.prove_within(time).unwrap_err();
        self.assert_gone();
        error
    }

    /// Processes that have the id on their command line. Killed ones may take a moment to vanish.
    fn assert_gone(&self) {
        let id = self.program_id.to_string();
        let mut alive = Vec::new();
        for _ in 0..200 {
            alive = processes_with(&id);
            if alive.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("still there: {alive:?}");
    }
}

fn processes_with(argument: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(argument))
        .collect()
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

fn fails(mode: &str) -> BackendError {
    hostile(mode, WorkerLimits::default()).fails(minute())
}

#[test]
fn one_that_behaves_is_believed_as_far_as_it_goes() {
    let worker = hostile("behave", WorkerLimits::default());
    let envelope = worker.prove().unwrap();
    assert_eq!(envelope.proof(), b"proof");
    assert_eq!(envelope.statement().digest, STATEMENT);
    // It says it is cryptographic; nobody here can tell.
    let policy = qmtree_provers::Policy::default();
    let verifier = worker.backend.verifier();
    let expected = *envelope.statement();
    let control = Control::timeout(minute());
    let refused = qmtree_provers::verify(&policy, &[&verifier], &envelope, &expected, &control);
    assert!(matches!(refused, Err(BackendError::Policy { .. })));
    drop(verifier);
    let id = worker.program_id.to_string();
    assert!(!processes_with(&id).is_empty());
    let Hostile { backend, .. } = worker;
    drop(backend);
    for _ in 0..200 {
        if processes_with(&id).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("the worker outlives its backend");
}

#[test]
fn hanging_is_a_timeout() {
    for mode in ["hang", "spin", "half-and-hang"] {
        let worker = hostile(mode, WorkerLimits::default());
        ProverBackend::info(&worker.backend).unwrap();
        let error = worker.fails(Duration::from_millis(700));
        assert!(
            matches!(error, BackendError::Timeout { limit_ms: 700 }),
            "{mode}: {error}"
        );
    }
}

#[test]
fn one_that_does_not_say_who_it_is_is_not_waited_for() {
    let limits = WorkerLimits {
        info_timeout: Duration::from_millis(600),
        ..WorkerLimits::default()
    };
    let worker = hostile("mute-from-the-start", limits);
    let error = ProverBackend::info(&worker.backend).unwrap_err();
    assert!(
        matches!(error, BackendError::Timeout { limit_ms: 600 }),
        "{error}"
    );
    // Where the caller has a time, it is that.
    let error = worker.fails(Duration::from_millis(500));
    assert!(
        matches!(error, BackendError::Timeout { limit_ms: 500 }),
        "{error}"
    );
    let mut config = WorkerConfig::new("/bin/sleep");
    config.arguments = vec!["600".into()];
    config.limits = limits;
    let error = ProcessBackend::discover(&config).unwrap_err();
    assert!(
        matches!(error, BackendError::Timeout { limit_ms: 600 }),
        "{error}"
    );
}

#[test]
fn what_is_cancelled_ends() {
    let worker = hostile("hang", WorkerLimits::default());
    ProverBackend::info(&worker.backend).unwrap();
    let control = Control::timeout(minute());
    let other = control.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        other.cancel();
    });
    let request = ProveRequest {
        input: b"input",
        statement: STATEMENT,
        format: None,
    };
    let error = worker.backend.prove(&request, &control).unwrap_err();
    canceller.join().unwrap();
    assert!(matches!(error, BackendError::Cancelled), "{error}");
    worker.assert_gone();
}

#[test]
fn a_fork_bomb_is_counted_and_ended() {
    let limits = WorkerLimits {
        processes: Some(16),
        ..WorkerLimits::default()
    };
    let error = hostile("fork", limits).fails(minute());
    assert!(
        matches!(
            error,
            BackendError::Resources {
                what: "processes",
                limit: 16
            }
        ),
        "{error}"
    );
    // Within the limit the children end with the worker, in time or not.
    let error = hostile("fork", WorkerLimits::default()).fails(Duration::from_secs(2));
    assert!(matches!(error, BackendError::Timeout { .. }), "{error}");
}

#[test]
fn children_of_one_that_exits_end_too() {
    let error = fails("fork-and-exit");
    assert!(
        matches!(&error, BackendError::Exited { status, .. } if status.contains('3')),
        "{error}"
    );
}

#[test]
fn a_gib_of_output_is_cut_off() {
    let limits = WorkerLimits {
        output_bytes: 8 << 20,
        file_bytes: Some(8 << 20),
        proof_bytes: 1 << 20,
        ..WorkerLimits::default()
    };
    for (mode, to) in [
        ("flood", "standard output"),
        ("flood-stderr", "standard error"),
        ("flood-stderr-and-exit", "standard error"),
    ] {
        let error = hostile(mode, limits).fails(minute());
        assert!(
            matches!(&error, BackendError::OutputTooLong { to: found, .. } if *found == to),
            "{mode}: {error}"
        );
    }
    // The first line of a flood of lines is no answer already.
    let error = hostile("flood-lines", limits).fails(minute());
    assert!(matches!(error, BackendError::Protocol { .. }), "{error}");
    // A file that grows beyond the limit ends whoever writes it.
    let error = hostile("flood-file", limits).fails(Duration::from_secs(20));
    assert!(
        matches!(
            error,
            BackendError::Exited { .. } | BackendError::Timeout { .. }
        ),
        "{error}"
    );
}

#[test]
fn memory_is_bounded_per_process_and_for_all() {
    let limits = WorkerLimits {
        memory_bytes: Some(256 << 20),
        ..WorkerLimits::default()
    };
    let error = hostile("memory", limits).fails(minute());
    assert!(
        matches!(
            error,
            BackendError::Resources {
                what: "bytes of memory",
                ..
            }
        ),
        "{error}"
    );
    let limits = WorkerLimits {
        address_space_bytes: Some(256 << 20),
        ..WorkerLimits::default()
    };
    let error = hostile("memory", limits).fails(minute());
    assert!(
        matches!(&error, BackendError::Exited { stderr, .. } if stderr.contains("memory")),
        "{error}"
    );
}

#[test]
fn crashes_tell_how() {
    for (mode, how) in [
        ("exit", "7"),
        ("exit-well", "0"),
        ("abort", "6"),
        ("half", "0"),
    ] {
        let error = fails(mode);
        assert!(
            matches!(&error, BackendError::Exited { status, .. } if status.contains(how)),
            "{mode}: {error}"
        );
    }
    let error = fails("exit-at-once");
    assert!(
        matches!(&error, BackendError::Exited { stderr, .. } if stderr.contains("no GPU here")),
        "{error}"
    );
}

#[test]
fn nonsense_is_a_broken_protocol() {
    for mode in [
        "no-json",
        "binary",
        "deep",
        "other-id",
        "other-version",
        "ok-and-error",
        "neither",
        "pending",
        "long-values",
        "no-values",
        "wrong-form",
        "empty-proof",
        "no-base64",
        "absolute-path",
        "parent-path",
        "no-file",
        "link",
        "pipe",
        "folder",
    ] {
        let worker = hostile(mode, WorkerLimits::default());
        let error = worker.prove().unwrap_err();
        assert!(
            matches!(error, BackendError::Protocol { .. }),
            "{mode}: {error}"
        );
        assert!(!error.to_string().contains('\u{1b}'), "{mode}");
        let Hostile {
            program_id,
            backend,
        } = worker;
        drop(backend);
        let rest = Hostile {
            backend: hostile("behave", WorkerLimits::default()).backend,
            program_id,
        };
        rest.assert_gone();
    }
}

#[test]
fn proofs_of_something_else_are_not_taken() {
    for (mode, check) in [
        ("wrong-statement", 0),
        ("wrong-program", 1),
        ("wrong-backend", 2),
    ] {
        let worker = hostile(mode, WorkerLimits::default());
        let error = worker.prove().unwrap_err();
        let found = match error {
            BackendError::WrongStatement { .. } => 0,
            BackendError::WrongProgram { .. } => 1,
            BackendError::WrongBackend { .. } => 2,
            error => panic!("{mode}: {error}"),
        };
        assert_eq!(found, check, "{mode}");
    }
}

#[test]
fn a_worker_of_another_program_is_not_asked() {
    let worker = hostile("behave", WorkerLimits::default());
    let config = WorkerConfig {
        arguments: vec!["behave".into(), worker.program_id.to_string().into()],
        ..WorkerConfig::new(env!("CARGO_BIN_EXE_qmtree-hostile-worker"))
    };
    let info = ProcessBackend::discover(&config).unwrap();
    assert_eq!(
        (info.name.as_str(), info.program_id),
        ("hostile", worker.program_id)
    );
    let other = ProcessBackend::new(config.clone(), "hostile", B256::ZERO).unwrap();
    let asked = ProverBackend::info(&other);
    assert!(matches!(asked, Err(BackendError::WrongProgram { .. })));
    let other = ProcessBackend::new(config, "sp1", worker.program_id).unwrap();
    let asked = ProverBackend::info(&other);
    assert!(matches!(asked, Err(BackendError::WrongBackend { .. })));
}

#[test]
fn a_refusal_is_told_and_the_worker_stays() {
    let worker = hostile("refuse", WorkerLimits::default());
    for _ in 0..3 {
        let error = worker.prove().unwrap_err();
        assert!(
            matches!(&error, BackendError::GuestFailed { message } if message.starts_with("panicked")),
            "{error}"
        );
        assert!(!error.to_string().contains('\u{1b}'));
    }
    assert_eq!(processes_with(&worker.program_id.to_string()).len(), 1);
}

#[test]
fn one_that_failed_is_started_anew() {
    let worker = hostile("exit", WorkerLimits::default());
    for _ in 0..3 {
        let error = worker.fails(minute());
        assert!(matches!(error, BackendError::Exited { .. }), "{error}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next() {
    let worker = hostile("twice", WorkerLimits::default());
    worker.prove().unwrap();
    let error = worker.prove().unwrap_err();
    assert!(matches!(error, BackendError::Protocol { .. }), "{error}");
    // A new one.
    worker.prove().unwrap();
}

#[test]
fn one_that_answers_without_listening_holds_nobody() {
    let worker = hostile("deaf", WorkerLimits::default());
    let control = Control::timeout(minute());
    for _ in 0..200 {
        // Its answers are about nothing, so each request fails, or its pipe is full.
        let executed: Result<Executed, _> = worker.backend.execute(b"x", &control);
        executed.unwrap_err();
    }
}

#[test]
fn one_that_never_reads_is_a_timeout() {
    let worker = hostile("mute-from-the-start", WorkerLimits::default());
    let statement = Statement {
        program_id: worker.program_id,
        digest: STATEMENT,
    };
    let envelope = Envelope::new("hostile", "1", "core", statement, vec![1]).unwrap();
    let control = Control::timeout(Duration::from_millis(500));
    // Its first answer would be who it is, for which it has minutes; the caller may give up before.
    let verifier = worker.backend.verifier();
    let checked = verifier.check(&envelope, &statement, &control);
    assert!(matches!(checked, Err(BackendError::Timeout { .. })));
}

#[test]
fn programs_that_cannot_be_started_are_named() {
    for program in ["worker", "/no/such/worker", "/tmp"] {
        let config = WorkerConfig::new(program);
        let error = ProcessBackend::new(config, "sp1", B256::ZERO).unwrap_err();
        assert!(matches!(error, BackendError::Spawn { .. }));
        assert!(error.to_string().contains(program), "{error}");
    }
    // Not executable.
    let config =
        WorkerConfig::new(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let error = ProcessBackend::discover(&config).unwrap_err();
    assert!(matches!(error, BackendError::Exited { .. }), "{error}");
}

#[test]
fn a_worker_sees_only_the_environment_it_is_given() {
    let config = WorkerConfig {
        arguments: vec!["-c".into(), "env >&2; exit 5".into()],
        environment: vec!["PATH".to_owned()],
        ..WorkerConfig::new("/bin/sh")
    };
    let error = ProcessBackend::discover(&config).unwrap_err();
    let BackendError::Exited { stderr, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        stderr.contains("PATH=") && !stderr.contains("HOME="),
        "{stderr}"
    );
    assert!(!stderr.contains("CARGO"), "{stderr}");
}

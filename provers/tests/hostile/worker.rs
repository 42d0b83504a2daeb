//! A worker that does what workers must not do: `qmtree-hostile-worker MODE PROGRAM_ID`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only its end is of interest"
)]
#![forbid(unsafe_code)]

use serde_json::{Value, json};
use std::io::{Write as _, stderr, stdin, stdout};
use std::path::Path;
use std::process::{Command, exit};
use std::thread::sleep;
use std::time::Duration;

/// Base64 of 32 zero bytes, and of 32 times `1`.
const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (mode, program) = (arguments[1].as_str(), arguments[2].as_str());
    if mode == "sleep" {
        sleep(Duration::from_secs(600));
        return;
    }
    if mode == "mute-from-the-start" {
        drop(stdin());
        sleep(Duration::from_secs(600));
    }
    if mode == "exit-at-once" {
        eprintln!("no GPU here");
        exit(9);
    }
    if mode == "deaf" {
        // Answers without listening, as many times as it takes.
        for id in 1..10_000 {
            println!("{}", info(&id.to_string(), program));
        }
        sleep(Duration::from_secs(600));
    }
    let mut line = String::new();
    while stdin().read_line(&mut line).unwrap() > 0 {
        let request: Value = serde_json::from_str(&line).unwrap();
        let id = request["id"].as_str().unwrap().to_owned();
        if request["op"] == "info" {
            println!("{}", info(&id, program));
        } else {
            misbehave(mode, program, &id, &request);
        }
        line.clear();
    }
}

fn info(id: &str, program: &str) -> Value {
    json!({"v": 1, "id": id, "ok": true, "backend": "hostile", "backend_version": "1",
        "trust": "cryptographic", "program_vk": program, "can": ["execute", "prove", "verify"],
        "formats": ["core"]})
}

/// A proper answer to `prove`.
fn answer(program: &str, id: &str, request: &Value) -> Value {
    let statement = request["statement"].as_str().unwrap();
    json!({"v": 1, "id": id, "ok": true, "backend": "hostile", "backend_version": "1",
        "trust": "cryptographic", "program_vk": program, "format": "core",
        "public_values_b64": base64(statement), "proof_b64": "cHJvb2Y="})
}

fn misbehave(mode: &str, program: &str, id: &str, request: &Value) {
    let mut answer = answer(program, id, request);
    let folder = Path::new(request["dir"].as_str().unwrap());
    match mode {
        "hang" => sleep(Duration::from_secs(600)),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "fork" => {
            // A bomb with a short fuse: 64 processes, each of which does nothing.
            let own = std::env::current_exe().unwrap();
            for _ in 0..64 {
                let child = Command::new(&own).args(["sleep", program]).spawn();
                std::mem::forget(child.unwrap());
            }
            sleep(Duration::from_secs(600));
        }
        "fork-and-exit" => {
            let own = std::env::current_exe().unwrap();
            let child = Command::new(&own).args(["sleep", program]).spawn();
            std::mem::forget(child.unwrap());
            exit(3);
        }
        "flood" => flood(&mut stdout(), b"x"),
        "flood-lines" => flood(&mut stdout(), b"{}\n"),
        "flood-stderr" => {
            flood(&mut stderr(), b"x");
            sleep(Duration::from_secs(600));
        }
        "flood-stderr-and-exit" => {
            flood(&mut stderr(), b"x");
            exit(120);
        }
        "flood-file" => {
            let mut file = std::fs::File::create(folder.join("proof.bin")).unwrap();
            flood(&mut file, b"x");
            sleep(Duration::from_secs(600));
        }
        "memory" => {
            let mut taken = Vec::new();
            loop {
                taken.push(vec![1u8; 16 << 20]);
                sleep(Duration::from_millis(5));
            }
        }
        "exit" => exit(7),
        "exit-well" => exit(0),
        "abort" => std::process::abort(),
        "half" => {
            print!("{{\"v\":1,\"id\":\"{id}\",\"ok\":tr");
            stdout().flush().unwrap();
            exit(0);
        }
        "half-and-hang" => {
            print!("{{\"v\":1,\"id\":\"{id}\",\"ok\":tr");
            stdout().flush().unwrap();
            sleep(Duration::from_secs(600));
        }
        "no-json" => println!("Segmentation fault \u{1b}[2J"),
        "binary" => {
            stdout().write_all(&[0xff, 0xfe, 0, b'\n']).unwrap();
            stdout().flush().unwrap();
        }
        "deep" => println!("{}", "[".repeat(900_000)),
        "other-id" => put(&mut answer, "id", json!("999")),
        "other-version" => put(&mut answer, "v", json!(2)),
        "ok-and-error" => put(&mut answer, "error", json!({"code": "internal"})),
        "neither" => println!("{}", json!({"v": 1, "id": id, "ok": false})),
        "pending" => println!(
            "{}",
            json!({"v": 1, "id": id, "ok": true, "pending": true, "ticket": "7"})
        ),
        "wrong-statement" => put(&mut answer, "public_values_b64", json!(ZEROS)),
        "long-values" => put(&mut answer, "public_values_b64", json!("AAAA".repeat(40))),
        "no-values" => put(&mut answer, "public_values_b64", Value::Null),
        "wrong-program" => {
            let other = format!("0x{}", "11".repeat(32));
            put(&mut answer, "program_vk", json!(other));
        }
        "wrong-backend" => put(&mut answer, "backend", json!("sp1")),
        "wrong-form" => put(&mut answer, "format", json!("a form\n")),
        "empty-proof" => put(&mut answer, "proof_b64", json!("")),
        "no-base64" => put(&mut answer, "proof_b64", json!("***")),
        "absolute-path" => by_path(&mut answer, "/etc/passwd"),
        "parent-path" => by_path(&mut answer, "../../secret"),
        "no-file" => by_path(&mut answer, "nothing.bin"),
        "link" => {
            std::os::unix::fs::symlink("/etc/passwd", folder.join("proof.bin")).unwrap();
            by_path(&mut answer, "proof.bin");
        }
        "pipe" => {
            let path = folder.join("proof.bin");
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            by_path(&mut answer, "proof.bin");
        }
        "folder" => {
            std::fs::create_dir(folder.join("proof.bin")).unwrap();
            by_path(&mut answer, "proof.bin");
        }
        "refuse" => println!(
            "{}",
            json!({"v": 1, "id": id, "ok": false,
                "error": {"code": "guest_failed", "message": "panicked at guest.rs:1\u{1b}[31m"}})
        ),
        "twice" => {
            println!("{answer}");
            println!("{answer}");
        }
        _ => println!("{answer}"),
    }
}

fn put(answer: &mut Value, field: &str, value: Value) {
    answer[field] = value;
    println!("{answer}");
}

fn by_path(answer: &mut Value, path: &str) {
    answer.as_object_mut().unwrap().remove("proof_b64");
    put(answer, "proof_path", json!(path));
}

/// One GiB, unless somebody stops it.
fn flood(out: &mut dyn std::io::Write, piece: &[u8]) {
    let chunk = piece.repeat((1 << 20) / piece.len());
    for _ in 0..1024 {
        if out.write_all(&chunk).is_err() {
            return;
        }
    }
    let _ = out.flush();
}

/// Base64 of 32 bytes in hex.
fn base64(hex: &str) -> String {
    use base64::Engine as _;
    let bytes: Vec<u8> = (2..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

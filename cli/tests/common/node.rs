//! A node of stored answers on this machine, with faults when they are called for.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with one answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends without one.
    Drop,
    /// It comes after the asker has given up.
    Late,
    /// Its second half is missing.
    Half,
    /// A page comes instead, with this status.
    Page(u16),
    /// It is one to another question.
    OtherId,
    /// This is the result instead.
    Result(Value),
    /// This is the error instead.
    Refused(i64, &'static str),
}

/// Question to result: method and first parameter.
pub type Answers = BTreeMap<(String, String), Value>;

#[derive(Debug)]
pub struct Node {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    answers: Answers,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    /// Methods asked for, in order, and the headers that came with the last.
    asked: Vec<String>,
    headers: Vec<String>,
}

impl Node {
    /// Starts to answer. The thread ends with the test.
    pub fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            answers,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        Self { url, state }
    }

    /// The next answers to a method go wrong, in this order.
    pub fn fail(&self, method: &'static str, faults: &[Fault]) -> &Self {
        let mut state = self.state.lock().unwrap();
        state
            .faults
            .entry(method)
            .or_default()
            .extend(faults.iter().cloned());
        drop(state);
        self
    }

    /// How often a method was asked for.
    pub fn asked(&self, method: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| *asked == method).count()
    }

    /// The headers of the last question.
    pub fn headers(&self) -> Vec<String> {
        self.state.lock().unwrap().headers.clone()
    }

    /// Every fault that was ordered has happened.
    pub fn assert_no_fault_left(&self) {
        let state = self.state.lock().unwrap();
        assert!(
            state.faults.values().all(VecDeque::is_empty),
            "{:?}",
            state.faults
        );
    }
}

/// Answers on one connection until it ends.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some((headers, body)) = read_request(&mut reader) {
        let question: Value = serde_json::from_slice(&body).unwrap();
        let method = question["method"].as_str().unwrap().to_owned();
        let (fault, result) = {
            let mut state = state.lock().unwrap();
            state.asked.push(method.clone());
            state.headers = headers;
            let fault = state
                .faults
                .get_mut(method.as_str())
                .and_then(VecDeque::pop_front);
            let parameter = question["params"][0].as_str().unwrap_or_default();
            let key = (method, parameter.to_owned());
            (fault, state.answers.get(&key).cloned())
        };
        if answer(stream, &question["id"], fault, result).is_none() {
            return;
        }
    }
}

/// Sends one answer; none if the connection is to end.
fn answer(
    mut stream: &TcpStream,
    id: &Value,
    fault: Option<Fault>,
    result: Option<Value>,
) -> Option<()> {
    let result = result.unwrap_or(Value::Null);
    let good = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    let (mut status, mut body, mut sent) = (200, good.to_string(), usize::MAX);
    match fault {
        None => {}
        Some(Fault::Drop) => return None,
        Some(Fault::Late) => {
            std::thread::sleep(Duration::from_secs(3));
            return None;
        }
        Some(Fault::Half) => sent = body.len() / 2,
        Some(Fault::Page(code)) => (status, body) = (code, "<html>not now</html>".into()),
        Some(Fault::OtherId) => body = json!({ "id": 0, "result": result }).to_string(),
        Some(Fault::Result(result)) => body = json!({ "id": id, "result": result }).to_string(),
        Some(Fault::Refused(code, message)) => {
            body = json!({ "id": id, "error": { "code": code, "message": message } }).to_string();
        }
    }
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let part = body.as_bytes().get(..sent);
    stream
        .write_all(part.unwrap_or(body.as_bytes()))
        .ok()
        .filter(|()| part.is_none())
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<(Vec<String>, Vec<u8>)> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => headers.push(line.to_ascii_lowercase()),
        }
    }
    let length = headers
        .iter()
        .find_map(|header| header.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}

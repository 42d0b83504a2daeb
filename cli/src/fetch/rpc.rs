//! JSON-RPC over HTTP: one question, one answer, and again if that went wrong.

use super::error::{AnswerError, FetchError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Duration;
use ureq::http::Uri;

/// As much as a file of a block may have, so that whatever is fetched can be read.
const LIMIT_BYTES: u64 = 512 << 20;
/// Before the first new try; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Most characters kept of what a node says.
const LONGEST_MESSAGE: usize = 200;

/// A node, asked one thing at a time.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    /// The URL without what may be secret.
    server: String,
    headers: Vec<(String, String)>,
    retries: u32,
    last_id: Cell<u64>,
}

/// `NAME: VALUE`.
pub(super) fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is NAME: VALUE")?;
    let (name, value) = (name.trim(), value.trim());
    // Both go into a request as they are, so both must be what a header can be.
    ureq::http::HeaderName::try_from(name).map_err(|error| error.to_string())?;
    ureq::http::HeaderValue::try_from(value).map_err(|error| error.to_string())?;
    Ok((name.into(), value.into()))
}

impl Client {
    /// No connection is made before the first question.
    pub(super) fn new(
        url: &str,
        headers: &[(String, String)],
        timeout: Duration,
        retries: u32,
    ) -> Result<Self, FetchError> {
        let server = server(url)?;
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            url: url.into(),
            server,
            headers: headers.to_vec(),
            retries,
            last_id: Cell::new(0),
        })
    }

    /// How often a question is asked.
    pub(super) fn tries(&self) -> u32 {
        self.retries + 1
    }

    /// Waits before try number `tried`, counted from 1.
    pub(super) fn pause(&self, tried: u32) {
        let factor = 1 << tried.saturating_sub(1).min(16);
        std::thread::sleep((FIRST_PAUSE * factor).min(LONGEST_PAUSE));
    }

    /// The answer to a question; `None` is JSON's null.
    ///
    /// # Errors
    /// [`FetchError::Transport`] if no try gave an answer, [`FetchError::Answer`] at once if the
    /// answer is one that will not change.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
    ) -> Result<Option<T>, FetchError> {
        let mut tried = 0;
        loop {
            let error = match self.ask(method, params) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tried += 1;
            let server = self.server.clone();
            if !error.is_passing() {
                return Err(FetchError::Answer {
                    server,
                    method,
                    source: error,
                });
            }
            if tried == self.tries() {
                return Err(FetchError::Transport {
                    server,
                    method,
                    tries: tried,
                    source: error,
                });
            }
            self.pause(tried);
        }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &Value,
    ) -> Result<Option<T>, AnswerError> {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let question = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = request.send(question.to_string()).map_err(Box::new)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LIMIT_BYTES);
        let body = body.read_to_vec().map_err(Box::new)?;
        match read_answer(&body, id) {
            // Some nodes send a good answer of JSON-RPC with a bad status; most send a page.
            Err(AnswerError::Json(_) | AnswerError::Empty) if !(200..300).contains(&status) => {
                Err(AnswerError::Status(status))
            }
            answer => answer,
        }
    }
}

/// The result of an answer to question `expected`.
fn read_answer<T: DeserializeOwned>(body: &[u8], expected: u64) -> Result<Option<T>, AnswerError> {
    #[derive(Deserialize)]
    struct Refusal {
        code: i64,
        #[serde(default)]
        message: String,
    }
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Answer<T> {
        id: Option<u64>,
        /// The outer option is whether there is one, the inner whether it is null.
        #[serde(default, deserialize_with = "present")]
        result: Option<Option<T>>,
        error: Option<Refusal>,
    }
    let answer: Answer<T> = serde_json::from_slice(body)?;
    if let Some(Refusal { code, message }) = answer.error {
        let message = message.chars().take(LONGEST_MESSAGE).collect();
        return Err(AnswerError::Refused { code, message });
    }
    let result = answer.result.ok_or(AnswerError::Empty)?;
    if answer.id != Some(expected) {
        return Err(AnswerError::Id {
            expected,
            found: answer.id,
        });
    }
    Ok(result)
}

/// Keeps a null apart from nothing.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Scheme, host and port of a URL.
fn server(url: &str) -> Result<String, FetchError> {
    let no_url = || FetchError::Url(url.chars().take(LONGEST_MESSAGE).collect());
    let uri: Uri = url.parse().map_err(|_| no_url())?;
    let (scheme, host) = uri.scheme_str().zip(uri.host()).ok_or_else(no_url)?;
    match scheme {
        "http" => {}
        "https" if cfg!(feature = "https") => {}
        "https" => return Err(FetchError::NoTls),
        _ => return Err(no_url()),
    }
    let port = uri.port_u16().map(|port| format!(":{port}"));
    Ok(format!("{scheme}://{host}{}", port.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_its_secrets() {
        let named = server("http://user:password@localhost:8545/v3/key").expect("a URL");
        assert_eq!(named, "http://localhost:8545");
        for url in ["", "localhost:8545", "ftp://localhost", "http://", "/path"] {
            assert!(matches!(server(url), Err(FetchError::Url(_))), "{url}");
        }
    }

    #[test]
    fn an_answer_is_a_result_or_an_error_to_this_question() {
        let read = |text: &str| read_answer::<u64>(text.as_bytes(), 7);
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":7,"result":5}"#).expect("a result"),
            Some(5)
        );
        assert_eq!(read(r#"{"id":7,"result":null}"#).expect("a result"), None);
        assert!(matches!(read(r#"{"id":7}"#), Err(AnswerError::Empty)));
        assert!(matches!(
            read(r#"{"id":6,"result":5}"#),
            Err(AnswerError::Id { found: Some(6), .. })
        ));
        let refused = read(r#"{"id":7,"error":{"code":-32601,"message":"no"}}"#);
        assert!(matches!(
            refused,
            Err(AnswerError::Refused { code: -32601, .. })
        ));
        assert!(matches!(
            read(r#"{"id":7,"result":"#),
            Err(AnswerError::Json(_))
        ));
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        assert!(parse_header("authorization: Bearer token").is_ok());
        for text in ["nothing", "a b: c", "name: value\r\nhost: other", ": value"] {
            assert!(parse_header(text).is_err(), "{text}");
        }
    }
}

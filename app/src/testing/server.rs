//! A server of the OpenAI chat API on loopback that does as a test tells it, faults included.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How often a server that says nothing looks whether its client is still there.
const LOOK_UP: Duration = Duration::from_millis(10);
/// The most looks: nothing here waits for ever.
const MOST_LOOKS: usize = 3000;

/// How the server meets a request for a completion.
#[derive(Clone, Debug)]
pub enum Meets {
    /// Streams these words, then why it ended.
    Words(Vec<&'static str>, &'static str),
    /// The same, each token with its log-probability.
    Likely(Vec<(&'static str, f32)>),
    /// Answers all at once.
    Whole(&'static str),
    /// Streams these words and breaks off.
    Cut(Vec<&'static str>),
    /// Streams these words, then nothing, and keeps the connection open.
    Stuck(Vec<&'static str>),
    /// Streams words for as long as anyone reads.
    Endless,
    /// This status, header lines and body.
    Status(u16, &'static str, &'static str),
    /// Status 200 with this type and body.
    Body(&'static str, &'static str),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

#[derive(Default)]
struct State {
    meets: Mutex<VecDeque<Meets>>,
    asked: Mutex<Vec<Asked>>,
    /// Connections that the client closed while the server had something to say.
    hung_up: AtomicUsize,
    is_over: AtomicBool,
}

/// The server, until it is dropped.
pub struct ChatServer {
    address: SocketAddr,
    state: Arc<State>,
}

impl ChatServer {
    /// Meets requests so, in order; then with a cup of tea.
    pub fn new(meets: impl IntoIterator<Item = Meets>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State { meets: Mutex::new(meets.into_iter().collect()), ..State::default() });
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&of_thread);
                // Whoever hangs up misses the rest.
                thread::spawn(move || stream.map(|stream| serve(&state, stream)));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Requests for completions so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().expect("no panic").clone()
    }

    /// Waits until a client has hung up on an answer.
    pub fn was_hung_up_on(&self) -> bool {
        (0..MOST_LOOKS).any(|_| {
            thread::sleep(LOOK_UP);
            self.state.hung_up.load(Ordering::SeqCst) > 0
        })
    }
}

impl Drop for ChatServer {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(state: &State, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if path.ends_with("/models") {
        return whole(
            stream,
            200,
            "",
            "application/json",
            &json!({"data": [{"id": "tea"}, {"id": "coffee"}]}).to_string(),
        );
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    state.asked.lock().expect("no panic").push(Asked { path, authorization, body });
    let meets = state.meets.lock().expect("no panic").pop_front();
    let sent = answer(stream, meets.unwrap_or(Meets::Words(vec!["A", " cup", " of", " tea."], "stop")));
    if sent.is_err() {
        state.hung_up.fetch_add(1, Ordering::SeqCst);
    }
    sent
}

fn answer(mut stream: TcpStream, meets: Meets) -> std::io::Result<()> {
    match meets {
        Meets::Words(words, finish) => {
            begin(&mut stream)?;
            words.iter().try_for_each(|word| event(&mut stream, &delta(word)))?;
            let end = json!({"choices": [{"delta": {}, "finish_reason": finish}]});
            event(&mut stream, &end)?;
            event(
                &mut stream,
                &json!({"choices": [], "usage": {"prompt_tokens": 82, "completion_tokens": words.len()}}),
            )?;
            stream.write_all(b"data: [DONE]\n\n")
        }
        Meets::Likely(tokens) => {
            begin(&mut stream)?;
            for (token, logprob) in tokens {
                let others = [("Yes", -0.5_f32), (" yes", -2.0), ("No", -3.0)];
                let others: Vec<_> = others.iter().map(|(token, p)| json!({"token": token, "logprob": p})).collect();
                let mut chunk = delta(token);
                chunk["choices"][0]["logprobs"] =
                    json!({"content": [{"token": token, "logprob": logprob, "top_logprobs": others}]});
                event(&mut stream, &chunk)?;
            }
            stream.write_all(b"data: [DONE]\n\n")
        }
        Meets::Whole(text) => {
            let body = json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]});
            whole(stream, 200, "", "application/json", &body.to_string())
        }
        Meets::Cut(words) => {
            begin(&mut stream)?;
            words.iter().try_for_each(|word| event(&mut stream, &delta(word)))
        }
        Meets::Stuck(words) => {
            begin(&mut stream)?;
            words.iter().try_for_each(|word| event(&mut stream, &delta(word)))?;
            wait_for_end(stream)
        }
        Meets::Endless => {
            begin(&mut stream)?;
            let words = ["and", " so", " it", " goes", " on", "; "];
            (0_u64..).try_for_each(|n| event(&mut stream, &delta(&format!("{}{n}", words[n as usize % words.len()]))))
        }
        Meets::Status(status, headers, body) => whole(stream, status, headers, "application/json", body),
        Meets::Body(kind, body) => whole(stream, 200, "", kind, body),
    }
}

/// Returns an error once the client has closed the connection.
fn wait_for_end(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LOOK_UP))?;
    for _ in 0..MOST_LOOKS {
        match stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            _ => return Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
    }
    Ok(())
}

fn delta(word: &str) -> Value {
    json!({"choices": [{"delta": {"content": word}}]})
}

fn begin(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n")
}

fn event(stream: &mut TcpStream, chunk: &Value) -> std::io::Result<()> {
    stream.write_all(format!("data: {chunk}\n\n").as_bytes())
}

fn whole(mut stream: TcpStream, status: u16, headers: &str, kind: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes())
}

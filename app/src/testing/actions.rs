//! What actions are told, and servers that they tell it to, for their tests.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use jiff::ZonedDateTime;

use crate::actions::occurrence::{Kind, Occurrence, RuleTold};
use crate::actions::spec::{ActionSpec, Context};
use crate::actions::table::ActionTable;

/// A moment.
pub fn at() -> ZonedDateTime {
    "2025-03-01T12:30:05.250+01:00[Europe/Berlin]".parse().expect("a time")
}

/// A rule that began to hold.
pub fn began(rule: &str, source: &str) -> Occurrence {
    let rule = RuleTold {
        name: rule.to_owned(),
        says: "there is a parcel on the mat".to_owned(),
        start: "2025-03-01T12:30:03.000+01:00".to_owned(),
        end: None,
        probability: 0.92,
        peak: 0.95,
    };
    Occurrence { rule: Some(rule), ..Occurrence::new(Kind::Begin, source, &at()) }
}

/// A caption that changed.
pub fn caption(source: &str, text: &str) -> Occurrence {
    Occurrence { text: Some(text.to_owned()), ..Occurrence::new(Kind::Caption, source, &at()) }
}

/// How long a server that is told to be silent keeps its client waiting, at most.
const MOST_SILENCE: Duration = Duration::from_mins(1);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A web server on loopback that takes note of what it is sent.
pub struct WebServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
}

impl WebServer {
    /// In the place of an answer: none.
    pub const SILENT: (u16, &str) = (0, "");

    /// Answers with these statuses and header lines, in order; then with 200.
    pub fn new(answers: impl IntoIterator<Item = (u16, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, is_over) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (ours, over) = (Arc::clone(&asked), Arc::clone(&is_over));
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let answer = answers.pop_front().unwrap_or((200, ""));
                // Whoever hangs up misses the answer.
                let _ = stream.and_then(|stream| serve(stream, answer, &ours));
            }
        });
        Self { address, asked, is_over }
    }

    pub fn url(&self) -> String {
        format!("http://{}/secret", self.address)
    }

    /// What it was sent so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, (status, lines): (u16, &str), asked: &Mutex<Vec<Request>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;
    asked.lock().expect("no panic").push(request);
    if status == WebServer::SILENT.0 {
        // Until the client has had enough.
        stream.set_read_timeout(Some(MOST_SILENCE))?;
        return stream.read(&mut [0]).map(drop);
    }
    write!(stream, "HTTP/1.1 {status} X\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A webhook that is told of rules that name it.
pub fn webhook_spec(name: &str) -> ActionSpec {
    hook_at(name, "http://127.0.0.1:9/secret")
}

/// The same at a server.
pub fn hook(name: &str, server: &WebServer) -> ActionSpec {
    hook_at(name, &server.url())
}

fn hook_at(name: &str, address: &str) -> ActionSpec {
    let table = ActionTable { webhook: Some(address.to_owned()), ..ActionTable::default() };
    let context = Context { path: &|path| path.to_owned(), variable: &|_| None };
    ActionSpec::read(name, table, context).expect("an action")
}

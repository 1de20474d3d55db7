//! A small web server of the tests' own on loopback: a hub that stores large files elsewhere, as
//! the real one does, with faults on demand. Also the server of a picture.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub const ID: &str = "someone/tiny";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a request meets instead of an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The connection stays open after so many bytes, and nothing comes any more.
    Silent(usize),
    /// Other bytes.
    Wrong,
    /// An answer that is complete, and too short.
    Short,
    /// Bytes, for as long as somebody listens.
    Endless,
    /// This status, with these headers.
    Status(u16, &'static str),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

#[derive(Default)]
struct State {
    files: Vec<(String, Vec<u8>)>,
    asked: Mutex<Vec<Asked>>,
    /// What the next requests meet whose path holds a text.
    faults: Mutex<VecDeque<(&'static str, Fault)>>,
    /// Where large files are.
    elsewhere: Mutex<Option<SocketAddr>>,
    is_over: AtomicBool,
}

/// A server, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<State>,
}

/// A hub, and the store that its large files are in.
pub struct Hub {
    pub front: Server,
    pub store: Server,
}

impl Hub {
    /// With the checkpoint in `folder`.
    pub fn of(folder: &Path) -> Self {
        let read = || {
            let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
            entries.map(|path| (name(&path), std::fs::read(&path).expect("read"))).collect::<Vec<_>>()
        };
        let (front, store) = (Server::of(read()), Server::of(read()));
        *front.state.elsewhere.lock().expect("no panic") = Some(store.address);
        Self { front, store }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.front.address)
    }
}

impl Server {
    /// Gives these files.
    pub fn of(files: Vec<(String, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State { files, ..State::default() });
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

    /// The next request whose path holds `part` meets this.
    pub fn will(&self, part: &'static str, fault: Fault) {
        self.state.faults.lock().expect("no panic").push_back((part, fault));
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().expect("no panic").clone()
    }

    /// How often files were asked for by GET whose path holds `part`, and from where.
    pub fn ranges(&self, part: &str) -> Vec<Option<String>> {
        let asked = self.asked().into_iter().filter(|asked| asked.method == "GET" && asked.path.contains(part));
        asked.map(|asked| asked.range).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which then lets the port go.
        let _ = TcpStream::connect(self.address);
    }
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { method, path, range: None, authorization: None };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.trim().to_owned()),
            "authorization" => asked.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(asked)
}

fn serve(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let Some(asked) = read_request(&stream) else { return Ok(()) };
    state.asked.lock().expect("no panic").push(asked.clone());
    let fault = {
        let mut faults = state.faults.lock().expect("no panic");
        // Only what has a body can be cut.
        let place = faults.iter().position(|(part, fault)| {
            asked.path.contains(part) && (asked.method == "GET" || matches!(fault, Fault::Status(..)))
        });
        place.and_then(|place| faults.remove(place)).map(|(_, fault)| fault)
    };
    if let Some(Fault::Status(status, headers)) = fault {
        return write!(stream, "HTTP/1.1 {status} No\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if matches!(fault, Some(Fault::Endless)) {
        write!(stream, "HTTP/1.1 200 Yes\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[0; 1 << 12])?;
        }
    }
    if asked.path.starts_with("/api/models/") {
        let names: Vec<_> = state.files.iter().map(|(name, _)| serde_json::json!({ "rfilename": name })).collect();
        let text = serde_json::json!({ "id": ID, "sha": COMMIT, "siblings": names }).to_string();
        return answer(&mut stream, &asked, 200, "Content-Type: application/json\r\n", text.as_bytes(), fault.as_ref());
    }
    let wanted = asked.path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let Some((name, content)) = state.files.iter().find(|(name, _)| name == wanted) else {
        return write!(stream, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let (is_large, elsewhere) = (name.ends_with(".safetensors"), *state.elsewhere.lock().expect("no panic"));
    if let Some(elsewhere) = elsewhere.filter(|_| is_large) {
        let hash = hexadecimal(&Sha256::digest(content));
        let linked = format!("X-Linked-Size: {}\r\nX-Linked-ETag: \"{hash}\"\r\n", content.len());
        let place = format!("Location: http://{elsewhere}/store/{name}\r\nX-Repo-Commit: {COMMIT}\r\n");
        return answer(&mut stream, &asked, 302, &format!("{linked}{place}"), b"", None);
    }
    // As git hashes a file.
    let hash = hexadecimal(&Sha1::digest([format!("blob {}\0", content.len()).as_bytes(), content].concat()));
    let headers = format!("ETag: \"{hash}\"\r\nX-Repo-Commit: {COMMIT}\r\n");
    answer(&mut stream, &asked, 200, &headers, content, fault.as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text");
        text
    })
}

fn answer(
    stream: &mut TcpStream,
    asked: &Asked,
    status: u16,
    headers: &str,
    content: &[u8],
    fault: Option<&Fault>,
) -> std::io::Result<()> {
    let from = asked.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
    let body = &content[from.unwrap_or(0).min(content.len())..];
    let mut body = body.to_vec();
    let (status, range) = match from {
        Some(from) if status == 200 => {
            (206, format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len()))
        }
        _ => (status, String::new()),
    };
    match fault {
        Some(Fault::Wrong) => body.iter_mut().for_each(|byte| *byte ^= 0x55),
        Some(Fault::Short) => body.truncate(body.len() / 2),
        _ => {}
    }
    write!(
        stream,
        "HTTP/1.1 {status} Yes\r\n{headers}{range}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    match fault {
        Some(Fault::Cut(after)) => stream.write_all(&body[..*after]),
        Some(Fault::Silent(after)) => {
            stream.write_all(&body[..*after])?;
            stream.flush()?;
            thread::sleep(Duration::from_mins(5));
            Ok(())
        }
        _ => stream.write_all(&body),
    }
}

//! A web server on the loopback address that takes note of what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A web server that takes note of what it was sent, until the test ends.
pub struct Server {
    pub address: SocketAddr,
    status: Arc<AtomicU16>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Answers everything with a status, which may be changed.
    pub fn new(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (status, bodies) = (Arc::new(AtomicU16::new(status)), Arc::<Mutex<Vec<Value>>>::default());
        let (now, ours) = (Arc::clone(&status), Arc::clone(&bodies));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let status = now.load(Ordering::SeqCst);
                // One that was killed in the middle of it has sent nothing.
                if let Ok(body) = stream.and_then(|stream| serve(stream, status))
                    && status == 200
                {
                    ours.lock().unwrap().push(body);
                }
            }
        });
        Self { address, status, bodies }
    }

    /// Answers with this status from now on.
    #[allow(dead_code, reason = "not every test changes it")]
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What it was sent and took.
    pub fn told(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, status: u16) -> std::io::Result<Value> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(serde_json::from_slice(&body)?)
}

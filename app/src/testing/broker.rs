//! A broker of MQTT 3.1.1 on loopback, as small as a test needs it: it takes note of what is
//! published, confirms it, and publishes the will of a connection that breaks.

use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

impl Message {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

#[derive(Default)]
struct State {
    published: Mutex<Vec<Message>>,
    /// Rings when something was published.
    more: Condvar,
    logins: Mutex<Vec<(String, String)>>,
    connections: Mutex<Vec<TcpStream>>,
    /// What a greeting is answered with: zero is welcome.
    code: AtomicU8,
    /// Nothing is confirmed.
    is_deaf: AtomicBool,
    is_over: AtomicBool,
}

/// The broker, until it is dropped.
pub struct Broker {
    address: SocketAddr,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

impl Broker {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let ours = Arc::clone(&state);
        let listening = thread::spawn(move || {
            for stream in listener.incoming() {
                if ours.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let state = Arc::clone(&ours);
                if let Ok(other) = stream.try_clone() {
                    state.connections.lock().expect("no panic").push(other);
                }
                // A connection that breaks is what some tests are about.
                thread::spawn(move || serve(&state, stream));
            }
        });
        Self { address, state, listening: Some(listening) }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers greetings with this code from now on.
    pub fn refuse(&self, code: u8) {
        self.state.code.store(code, Ordering::SeqCst);
    }

    /// Confirms nothing from now on, or everything again.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.state.is_deaf.store(is_deaf, Ordering::SeqCst);
    }

    /// Breaks all connections.
    pub fn hang_up(&self) {
        for connection in self.state.connections.lock().expect("no panic").drain(..) {
            // It may be gone already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Who greeted, with which password.
    pub fn logins(&self) -> Vec<(String, String)> {
        self.state.logins.lock().expect("no panic").clone()
    }

    /// What was published, once `enough` finds that it is.
    pub fn published(&self, enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let published = self.state.published.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.state.more.wait_timeout_while(published, PATIENCE, |published| !enough(published));
        let (published, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "only this came: {published:?}");
        published.clone()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.hang_up();
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        // Nobody listens there once it is dropped.
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

impl State {
    fn publish(&self, message: Message) {
        self.published.lock().expect("no panic").push(message);
        self.more.notify_all();
    }
}

fn serve(state: &State, mut stream: TcpStream) -> io::Result<()> {
    let mut will = None;
    let ended = follow(state, &mut stream, &mut will);
    if let Some(will) = will {
        state.publish(will);
    }
    ended
}

fn follow(state: &State, stream: &mut TcpStream, will: &mut Option<Message>) -> io::Result<()> {
    loop {
        let (head, body) = packet(stream)?;
        let mut body = body.as_slice();
        match head >> 4 {
            1 => {
                // Protocol name, its level, flags, keep-alive, client id.
                field(&mut body)?;
                let flags = take(&mut body, 4)?[1];
                field(&mut body)?;
                if flags & 0x04 != 0 {
                    let topic = field(&mut body)?;
                    let payload = field(&mut body)?;
                    let topic = String::from_utf8_lossy(&topic).into_owned();
                    *will = Some(Message { topic, payload, retain: flags & 0x20 != 0 });
                }
                let mut text = |is_there: bool| -> io::Result<String> {
                    let text = if is_there { field(&mut body)? } else { Vec::new() };
                    Ok(String::from_utf8_lossy(&text).into_owned())
                };
                let login = (text(flags & 0x80 != 0)?, text(flags & 0x40 != 0)?);
                state.logins.lock().expect("no panic").push(login);
                let code = state.code.load(Ordering::SeqCst);
                stream.write_all(&[0x20, 2, 0, code])?;
                if code != 0 {
                    *will = None;
                    return Ok(());
                }
            }
            3 => {
                let topic = String::from_utf8_lossy(&field(&mut body)?).into_owned();
                let id = if head & 0x06 == 0 { None } else { Some(take(&mut body, 2)?.to_vec()) };
                if state.is_deaf.load(Ordering::SeqCst) {
                    continue;
                }
                state.publish(Message { topic, payload: body.to_vec(), retain: head & 1 != 0 });
                if let Some(id) = id {
                    stream.write_all(&[0x40, 2, id[0], id[1]])?;
                }
            }
            12 => stream.write_all(&[0xd0, 0])?,
            14 => {
                *will = None;
                return Ok(());
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The first byte of a packet, and what follows its length.
fn packet(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let head = byte[0];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

fn take<'a>(body: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, rest) = body.split_at_checked(count).ok_or(io::ErrorKind::UnexpectedEof)?;
    *body = rest;
    Ok(taken)
}

/// Bytes with their number before them.
fn field(body: &mut &[u8]) -> io::Result<Vec<u8>> {
    let length = take(body, 2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    Ok(take(body, length)?.to_vec())
}

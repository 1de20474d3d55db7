//! A camera on loopback that sends JPEGs over HTTP, as cheap network cameras do, and misbehaves as
//! it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

/// Time between two pictures.
const PERIOD: Duration = Duration::from_millis(40);

/// A server of one stream, until it is dropped.
pub(crate) struct Camera {
    address: SocketAddr,
    told: Arc<Told>,
}

/// What the server is to do, and what it saw.
#[derive(Default)]
struct Told {
    frozen: AtomicBool,
    closed: AtomicBool,
    large: AtomicBool,

    /// `user:password` that it lets in; anybody when empty.
    login: String,
    /// What it answers in place of a stream.
    page: Option<&'static str>,
}

impl Camera {
    /// A camera that anybody may see.
    pub(crate) fn open() -> Self {
        Self::start(Told::default())
    }

    /// A camera for this `user:password`.
    pub(crate) fn with_login(login: &str) -> Self {
        Self::start(Told { login: login.to_owned(), ..Told::default() })
    }

    /// Not a camera: a server that answers with this, of this type.
    pub(crate) fn page(answer: &'static str) -> Self {
        Self::start(Told { page: Some(answer), ..Told::default() })
    }

    fn start(told: Told) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its number");
        let told = Arc::new(told);
        let seen = Arc::clone(&told);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if seen.closed.load(Ordering::SeqCst) {
                    return;
                }
                let told = Arc::clone(&seen);
                thread::spawn(move || serve(stream, &told));
            }
        });
        Self { address, told }
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Sends nothing more, without ending.
    pub(crate) fn freeze(&self) {
        self.told.frozen.store(true, Ordering::SeqCst);
    }

    /// Sends pictures of another shape from now on.
    pub(crate) fn grow(&self) {
        self.told.large.store(true, Ordering::SeqCst);
    }

    /// Ends the streams that run, and takes no more.
    pub(crate) fn close(&self) {
        self.told.closed.store(true, Ordering::SeqCst);
        // The listener looks at the flag when somebody comes.
        while TcpStream::connect(self.address).is_ok() {}
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.close();
    }
}

/// A red picture, or a green one twice as wide.
fn jpeg(large: bool) -> Vec<u8> {
    let (width, colour) = if large { (320, [0, 220, 0]) } else { (160, [220, 0, 0]) };
    let mut bytes = Vec::new();
    let picture = RgbImage::from_pixel(width, 120, Rgb(colour));
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).expect("encoded");
    bytes
}

/// Answers one request; writing fails when nobody reads any more.
fn serve(mut stream: TcpStream, told: &Told) {
    let mut header = String::new();
    let mut lines = BufReader::new(stream.try_clone().expect("a second handle"));
    while lines.read_line(&mut header).is_ok_and(|length| length > 2) {}

    let wanted = format!("Basic {}", STANDARD.encode(&told.login));
    if !told.login.is_empty() && !header.contains(&wanted) {
        let _ = stream
            .write_all(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"camera\"\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    if let Some(page) = told.page {
        let _ =
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{page}", content(page).len());
        return;
    }
    let begin = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=picture\r\n\r\n";
    let mut written = stream.write_all(begin);
    while written.is_ok() && !told.closed.load(Ordering::SeqCst) {
        if !told.frozen.load(Ordering::SeqCst) {
            let jpeg = jpeg(told.large.load(Ordering::SeqCst));
            let head = format!("--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
            written = stream.write_all(&[head.as_bytes(), &jpeg, b"\r\n"].concat());
        }
        thread::sleep(PERIOD);
    }
}

/// What stands behind a page's own header.
fn content(page: &str) -> &str {
    page.split_once("\r\n\r\n").map_or("", |(_, content)| content)
}

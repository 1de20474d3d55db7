//! TLS for an ffmpeg that verifies no certificate, as it does for RTSP: what it sends to a port on
//! loopback goes on to the camera, encrypted, once the camera's certificate was verified. Knows no
//! protocol above TLS.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsConnector;

use crate::base::thread::Thread;

/// The most connections at a time: ffprobe's and ffmpeg's, and one that is being closed.
const CONNECTIONS: usize = 4;
/// How long the camera may take to answer, and then to agree on a key.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end waits for the thread, which waits for nothing.
const END: Duration = Duration::from_secs(1);

/// Why there is no connection to the camera, in the words that ffmpeg has for it.
pub(super) type Trouble = &'static str;

/// See the module. Ends when it is dropped.
pub(super) struct Relay {
    port: u16,
    trouble: Arc<Mutex<Option<Trouble>>>,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Thread,
}

/// Where connections lead, and whom to trust there.
struct Camera {
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Relay {
    /// Listens on loopback for connections to this host. Certificates in the PEM file `authority`
    /// are trusted besides the system's: whoever shows one of them, or one that they signed.
    ///
    /// # Errors
    /// When the file can't be read, or the system has no port or thread left.
    pub(super) fn start(host: &str, port: u16, authority: Option<&Path>) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = trusting(authority)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listens_at = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let trouble = Arc::default();
        let connector = TlsConnector::from(Arc::new(config));
        let camera = Camera { host: host.to_owned(), port, name, connector, trouble: Arc::clone(&trouble) };
        let (stop, stopped) = oneshot::channel();
        let thread = Thread::start("stream encryption", move || {
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => drop(tokio::spawn(accept(listener, Arc::new(camera)))),
                    Err(error) => tracing::warn!(%error, "no relay for an encrypted stream"),
                }
                // Only ever dropped.
                let _ = stopped.await;
            });
        })?;
        Ok(Self { port: listens_at, trouble, stop: Some(stop), thread })
    }

    /// The port on loopback.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Why the last connection did not come about, if it did not.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop = None;
        self.thread.join_until(Instant::now() + END);
    }
}

async fn accept(listener: TcpListener, camera: Arc<Camera>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((plain, _)) = listener.accept().await else { return };
        let camera = Arc::clone(&camera);
        tokio::spawn(async move {
            camera.relay(plain).await;
            drop(place);
        });
    }
}

impl Camera {
    /// Carries what both sides send, until one of them ends.
    async fn relay(&self, mut plain: TcpStream) {
        let connected = self.connect().await;
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = connected.as_ref().err().copied();
        if let Ok(mut encrypted) = connected {
            // Whoever breaks off finds out by itself.
            let _ = copy_bidirectional(&mut plain, &mut encrypted).await;
        }
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Trouble> {
        let late = |_| "timed out";
        let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect((self.host.as_str(), self.port)));
        let stream = connecting.await.map_err(late)?.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => "refused",
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "No route",
            _ => "resolve",
        })?;
        let agreeing = tokio::time::timeout(PATIENCE, self.connector.connect(self.name.clone(), stream));
        agreeing.await.map_err(late)?.map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            tracing::debug!(%error, "no encrypted connection");
            match cause {
                Some(rustls::Error::InvalidCertificate(_)) => "certificate",
                _ => "Invalid data",
            }
        })
    }
}

/// Trusts what the system trusts, and the certificates of this file.
fn trusting(authority: Option<&Path>) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let known = match authority {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?,
        None => Vec::new(),
    };
    let others = Verifier::new_with_extra_roots(known.clone(), Arc::clone(&provider)).map_err(io::Error::other)?;
    let verifier = Trusted { known, others, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Cameras sign their certificates themselves, often as those of an authority and for another name
/// than theirs in this network. Such a one is trusted where it is the very one that the user named.
#[derive(Debug)]
struct Trusted {
    known: Vec<CertificateDer<'static>>,
    others: Verifier,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.known.iter().any(|known| known == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        self.others.verify_server_cert(shown, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::Shutdown;
    use std::path::PathBuf;
    use std::thread;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
    }

    /// A server on loopback with a certificate of its own that sends back one word in capitals.
    fn camera() -> u16 {
        let certificates = CertificateDer::pem_file_iter(fixture("cert.pem")).expect("a file");
        let key = PrivateKeyDer::from_pem_file(fixture("key.pem")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(certificates.map(|one| one.expect("a certificate")).collect(), key)
            .expect("it fits");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let config = Arc::new(config);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = StreamOwned::new(connection, stream.expect("accepted"));
                let mut word = [0; 5];
                if stream.read_exact(&mut word).is_ok() {
                    let _ = stream.write_all(&word.to_ascii_uppercase()).and_then(|()| stream.flush());
                }
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        port
    }

    /// What comes back for a word.
    fn answer(relay: &Relay) -> String {
        let mut plain = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).expect("it listens");
        // Where there is no connection behind it, this may fail as the reading does.
        let _ = plain.write_all(b"hello").and_then(|()| plain.shutdown(Shutdown::Write));
        let mut text = Vec::new();
        let _ = plain.read_to_end(&mut text);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn a_camera_that_shows_the_certificate_that_was_named_is_trusted() {
        let relay = Relay::start("127.0.0.1", camera(), Some(&fixture("cert.pem"))).expect("started");
        assert_eq!((answer(&relay), relay.trouble()), ("HELLO".to_owned(), None));
    }

    #[test]
    fn another_certificate_another_protocol_and_nobody_are_told_apart() {
        let relay = Relay::start("127.0.0.1", camera(), None).expect("started");
        assert_eq!((answer(&relay), relay.trouble()), (String::new(), Some("certificate")));
        let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = silent.local_addr().expect("bound").port();
        let speaking = thread::spawn(move || {
            let (mut stream, _) = silent.accept().expect("accepted");
            let _ = stream.write_all(b"220 a server for mail\r\n");
            let _ = stream.read(&mut [0; 512]);
        });
        let relay = Relay::start("127.0.0.1", port, None).expect("started");
        assert_eq!((answer(&relay), relay.trouble()), (String::new(), Some("Invalid data")));
        speaking.join().expect("done");
        // Nothing listens there any more.
        let relay = Relay::start("127.0.0.1", port, None).expect("started");
        assert_eq!((answer(&relay), relay.trouble()), (String::new(), Some("refused")));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(Relay::start("127.0.0.1", 1, Some(Path::new("/nowhere/cert.pem"))).is_err());
    }
}

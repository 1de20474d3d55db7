//! Pictures on the web: the fetcher with a policy that lets loopback pass, and the program, which
//! lets it not.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use sightline::capture::web::{Fetcher, MOST_BYTES};
use vlm::Cancel;

use super::loopback::{Fault, Server};

/// An address of this machine that the policy of these tests hides.
const HIDDEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn png() -> Vec<u8> {
    let mut content = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(5, 4, image::Rgb([1, 2, 3]));
    picture.write_to(&mut content, image::ImageFormat::Png).expect("written");
    content.into_inner()
}

fn server() -> Server {
    Server::of(vec![("a.png".to_owned(), png()), ("large".to_owned(), vec![0; MOST_BYTES as usize + 1])])
}

/// One address of this machine stands for all that may be asked, another for all that may not.
fn here(address: IpAddr) -> bool {
    address.is_loopback() && address != HIDDEN
}

fn fetch(address: &str) -> Result<Vec<u8>, String> {
    Fetcher::with_policy(here).fetch(address, &Cancel::default()).map_err(|error| error.to_string())
}

#[test]
fn a_picture_comes_by_its_name_and_through_redirects() {
    let server = server();
    let address = format!("http://localhost:{}/a.png", server.address.port());
    assert_eq!(fetch(&address), Ok(png()));
    server.will("moved", Fault::Status(302, "Location: /again\r\n"));
    server.will("again", Fault::Status(307, "Location: a.png\r\n"));
    assert_eq!(fetch(&format!("http://{}/moved", server.address)), Ok(png()));
}

#[test]
fn every_hop_is_looked_at() {
    let server = server();
    for (place, part) in [
        ("Location: file:///etc/passwd\r\n", "`file:` address"),
        ("Location: ftp://127.0.0.1/a\r\n", "`ftp:` address"),
        ("Location: http://127.0.0.2/latest\r\n", "127.0.0.2, on this machine or its own network"),
        ("Location: http://[\r\n", "can't be read"),
    ] {
        server.will("moved", Fault::Status(302, place));
        let refused = fetch(&format!("http://{}/moved", server.address)).expect_err(place);
        assert!(refused.contains(part), "{place}: {refused}");
    }
    for _ in 0..9 {
        server.will("round", Fault::Status(302, "Location: /round\r\n"));
    }
    let refused = fetch(&format!("http://{}/round", server.address)).expect_err("a circle");
    assert!(refused.contains("without end"), "{refused}");
}

#[test]
fn what_is_missing_too_large_or_cut_is_told_apart() {
    let server = server();
    let refused = |path: &str| fetch(&format!("http://{}/{path}", server.address)).expect_err(path);
    assert!(refused("none.png").contains("HTTP 404"), "{}", refused("none.png"));
    assert!(refused("large").contains("larger than 32 MB"), "{}", refused("large"));
    server.will("a.png", Fault::Cut(10));
    assert!(refused("a.png").contains("can't be reached"));
    server.will("endless", Fault::Endless);
    assert!(refused("endless").contains("has no end"));
}

#[test]
fn the_program_itself_asks_nobody_on_this_machine() {
    let server = server();
    let address = format!("http://{}/a.png", server.address);
    let told = Command::new(env!("CARGO_BIN_EXE_sightline")).args(["describe", &address, "--model", "demo"]).output();
    let told = told.expect("the program runs");
    let err = String::from_utf8_lossy(&told.stderr);
    assert!(err.contains(&address) && err.contains("public addresses only"), "{err}");
    assert_eq!((told.status.code(), told.stdout.len()), (Some(1), 0));
    assert!(server.asked().is_empty());
}

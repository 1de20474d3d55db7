//! `cargo +nightly fuzz run camera`: see the function of this name.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sightline_fuzz::camera(data));

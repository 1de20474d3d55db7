//! `cargo +nightly fuzz run rules`: see the function of this name.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sightline_fuzz::rules(data));

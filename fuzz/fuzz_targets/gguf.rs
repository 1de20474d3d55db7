//! `cargo +nightly fuzz run gguf`: see the function of this name.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sightline_fuzz::gguf(data));

//! See `carbon::http::fuzzing::seals`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::seals(data));

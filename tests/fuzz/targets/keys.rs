//! See `carbon::http::fuzzing::keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::keys(data));

//! See `carbon::http::fuzzing::headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::headers(data));

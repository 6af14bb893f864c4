//! See `carbon::http::fuzzing::queries`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::queries(data));

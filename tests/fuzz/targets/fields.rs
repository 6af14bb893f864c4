//! See `carbon::http::fuzzing::fields`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::fields(data));

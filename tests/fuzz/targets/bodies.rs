//! See `carbon::http::fuzzing::bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::bodies(data));

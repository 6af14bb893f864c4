//! See `carbon::http::fuzzing::dictionaries`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::http::fuzzing::dictionaries(data));

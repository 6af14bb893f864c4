//! See `carbon::journal::fuzzing::entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::journal::fuzzing::entry(data));

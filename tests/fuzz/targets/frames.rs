//! See `carbon::journal::fuzzing::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::journal::fuzzing::frames(data));

//! See `carbon_actors::fuzzing::snapshots`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon_actors::fuzzing::snapshots(data));

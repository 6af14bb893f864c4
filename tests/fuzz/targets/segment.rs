//! See `carbon::journal::fuzzing::segment`; the folder lies in memory where there is such a place.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    place.join(format!("carbon-fuzz-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| carbon::journal::fuzzing::segment(&FOLDER, data));

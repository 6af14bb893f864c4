//! The actix system that arbiters belong to: over a tokio runtime with a thread per core for
//! everything that is not an actor, or on one thread alone under a virtual clock.

use std::cell::Cell;
use std::time::Duration;

use crate::ports::Failure;

thread_local! {
    /// Whether this thread is all that its system has.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a future to its end inside a system of its own.
pub fn run<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Built above, where its error can be told: the factory may not fail.
    let system = actix::System::with_tokio_rt(move || runtime);
    Ok(system.block_on(future))
}

/// As [`run`], on the calling thread alone: actors, followers and what else would block take turns
/// on it in an order that depends on nothing outside, and time jumps to the next timer whenever all
/// of them wait. Whatever has not ended when the future does is dropped as if the process died.
pub fn run_alone<F: Future>(future: F) -> std::io::Result<F::Output> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build()?;
    let before = ALONE.replace(true);
    let system = actix::System::with_tokio_rt(move || runtime);
    let output = system.block_on(future);
    drop(system);
    ALONE.set(before);
    Ok(output)
}

/// Whether this thread is all that its system has: then nothing may start another one.
pub(crate) fn is_alone() -> bool {
    ALONE.get()
}

/// Does work that blocks: on a thread that may, or, where there is no other thread, at once.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    if is_alone() {
        return Ok(work());
    }
    // It fails where the work panicked, and where the runtime ends first.
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Stopping)
}

/// Passes time: on a thread of one's own without a timer, which may end before it does.
pub(crate) async fn pause(time: Duration) {
    match is_alone() {
        true => tokio::time::sleep(time).await,
        false => std::thread::sleep(time),
    }
}

/// To be awaited by those whom a `watch` has woken: it wakes in an order that tokio draws. Where
/// one thread is all there is, they go on one after the other, by a number of their own, or a seed
/// would not tell the same story twice.
pub(crate) async fn in_turn(number: u64) {
    if is_alone() {
        tokio::time::sleep(Duration::from_millis(number)).await;
    }
}

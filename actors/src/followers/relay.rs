//! The relay: entries of the journal as bulletins for subscribers, in order, at least once, under
//! ids that are the same on every try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::bulletins::{Bulletins, View};
use super::tail::{Tail, Turn};
use crate::ports::{Bulletin, Committed, Failure, Journal, Store, Subscribers};
use crate::system;

/// Entries published together.
const READ: usize = 256;
/// The first pause after a failure; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10);

/// What the relay needs.
pub struct Relay {
    /// What is told.
    pub journal: Arc<dyn Journal>,
    /// Where CCIDs are looked up.
    pub store: Arc<dyn Store>,
    /// Where names are looked up.
    pub view: View,
    /// To whom.
    pub subscribers: Arc<dyn Subscribers>,
    /// Everything at or before it was published; the keeper makes it durable.
    pub position: Arc<AtomicU64>,
}

impl Relay {
    /// Publishes everything behind `from` until `stop` turns true. What was handed over and not
    /// yet counted in the position is published again after a start.
    pub async fn run(self, from: u64, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            // It also ends where nobody is left who could say stop.
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.follow(from) => {}
        }
    }

    async fn follow(self, from: u64) {
        self.position.store(from, Ordering::Release);
        let mut tail = Tail::new(self.journal.clone(), from, Turn::Relay);
        let mut bulletins = Bulletins::new(self.store.clone(), self.view.clone());
        while let Some(entries) = tail.more(READ).await {
            bulletins = self.publish(bulletins, Arc::new(entries)).await;
            self.position.store(tail.position(), Ordering::Release);
        }
    }

    /// Publishes entries, however often it must be tried.
    async fn publish(&self, mut bulletins: Bulletins, entries: Arc<Vec<Committed>>) -> Bulletins {
        let mut pause = PAUSE;
        loop {
            let theirs = entries.clone();
            let rendering = system::blocking(move || {
                let rendered = render(&mut bulletins, &theirs);
                (rendered, bulletins)
            });
            let published = match rendering.await {
                Ok((rendered, back)) => {
                    bulletins = back;
                    match rendered {
                        Ok(rendered) if rendered.is_empty() => return bulletins,
                        Ok(rendered) => self.subscribers.publish(rendered).await,
                        Err(failure) => Err(failure),
                    }
                }
                Err(failure) => {
                    bulletins = Bulletins::new(self.store.clone(), self.view.clone());
                    Err(failure)
                }
            };
            match published {
                Ok(()) => return bulletins,
                Err(failure) => {
                    tracing::warn!(%failure, "subscribers were not told; trying again");
                    pause = slept(pause).await;
                }
            }
        }
    }
}

fn render(bulletins: &mut Bulletins, entries: &[Committed]) -> Result<Vec<Bulletin>, Failure> {
    let mut rendered = Vec::new();
    for committed in entries {
        rendered.extend(bulletins.of(committed)?);
    }
    Ok(rendered)
}

/// Sleeps, and tells the next pause.
async fn slept(pause: Duration) -> Duration {
    tokio::time::sleep(pause).await;
    pause.saturating_mul(2).min(LONGEST)
}

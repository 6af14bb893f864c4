//! Events for subscribers: to whoever listens inside the process, and to a NATS server as
//! CloudEvents 1.0 in binary mode.

use std::sync::Arc;

use async_nats::{Client, HeaderMap};
use carbon_actors::ports::{Bulletin, Failure, Subscribers};
use futures::future::BoxFuture;
use tokio::sync::broadcast;

/// Bulletins that a slow listener inside the process may lag behind before it misses some.
const BROADCAST: usize = 4096;

/// In-process subscribers.
pub struct Broadcast(broadcast::Sender<Bulletin>);

impl Default for Broadcast {
    fn default() -> Self {
        Self(broadcast::Sender::new(BROADCAST))
    }
}

impl Broadcast {
    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Bulletin> {
        self.0.subscribe()
    }
}

impl Subscribers for Broadcast {
    fn publish(&self, bulletins: Vec<Bulletin>) -> BoxFuture<'static, Result<(), Failure>> {
        for bulletin in bulletins {
            // It fails when nobody listens, which is nobody's fault.
            let _ = self.0.send(bulletin);
        }
        Box::pin(async { Ok(()) })
    }
}

/// Publishes to a NATS server, and to the subscribers of the process.
pub struct NatsSubscribers {
    client: Client,
    inside: Arc<Broadcast>,
}

impl NatsSubscribers {
    /// Publishes on this connection.
    pub fn new(client: Client, inside: Arc<Broadcast>) -> Self {
        Self { client, inside }
    }
}

impl Subscribers for NatsSubscribers {
    fn publish(&self, bulletins: Vec<Bulletin>) -> BoxFuture<'static, Result<(), Failure>> {
        let (client, inside) = (self.client.clone(), self.inside.clone());
        Box::pin(async move {
            let broken = |error: &dyn std::fmt::Display| Failure::Bus(error.to_string());
            for bulletin in bulletins.clone() {
                let headers = headers(&bulletin);
                client
                    .publish_with_headers(bulletin.subject, headers, bulletin.data.into())
                    .await
                    .map_err(|error| broken(&error))?;
            }
            client.flush().await.map_err(|error| broken(&error))?;
            inside.publish(bulletins).await
        })
    }
}

fn headers(bulletin: &Bulletin) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", bulletin.id.as_str());
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", bulletin.id.as_str());
    headers.insert("ce-type", bulletin.kind.as_str());
    headers.insert("ce-source", "/carbon");
    headers.insert("ce-time", bulletin.at.to_string().as_str());
    headers.insert("content-type", "application/json");
    headers
}

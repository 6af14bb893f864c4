//! The bus over NATS: a group of parcels is one request on its lane's subject, rmp-serde inside.

use std::sync::Arc;

use anyhow::Context as _;
use async_nats::{Client, Message};
use carbon_actors::lanes::Lanes;
use carbon_actors::ports::{Bus, Delivery, Failure, Parcel};
use futures::StreamExt as _;
use futures::future::BoxFuture;

/// Largest request; servers take a megabyte unless told otherwise.
const REQUEST_BYTES: usize = 900 * 1024;

/// A bus that crosses a NATS server.
pub struct NatsBus {
    client: Client,
    prefix: String,
}

impl NatsBus {
    /// Serves every lane's subject from here and sends to them. `house` tells apart platforms that
    /// share a server.
    pub async fn start(client: Client, lanes: &Arc<Lanes>, house: &str) -> anyhow::Result<Self> {
        let prefix = format!("carbon.bus.{house}");
        for lane in 0..lanes.count() {
            let subject = format!("{prefix}.{lane}");
            let mut requests =
                client.subscribe(subject.clone()).await.context("subscribing to the bus")?;
            let (client, lanes) = (client.clone(), lanes.clone());
            tokio::spawn(async move {
                while let Some(request) = requests.next().await {
                    tokio::spawn(answer(client.clone(), lanes.clone(), lane, request));
                }
            });
        }
        // What is sent next must find the subscriptions in place.
        client.flush().await.context("flushing the bus")?;
        Ok(Self { client, prefix })
    }
}

/// Hands a request to its lane. What cannot be read or handed over is not answered: the sender's
/// request times out and is sent again.
async fn answer(client: Client, lanes: Arc<Lanes>, lane: usize, request: Message) {
    let Some(reply) = request.reply else { return };
    let parcels: Vec<Parcel> = match rmp_serde::from_slice(&request.payload) {
        Ok(parcels) => parcels,
        Err(error) => return tracing::warn!(lane, %error, "a request on the bus makes no sense"),
    };
    let Ok(handed) = lanes.hand(lane, parcels) else { return };
    let Ok(deliveries) = handed.await else { return };
    match rmp_serde::to_vec(&deliveries) {
        Ok(bytes) => {
            if let Err(error) = client.publish(reply, bytes.into()).await {
                tracing::warn!(lane, %error, "an answer on the bus was not sent");
            }
        }
        Err(error) => tracing::warn!(lane, %error, "an answer on the bus cannot be encoded"),
    }
}

impl Bus for NatsBus {
    fn deliver(
        &self,
        lane: usize,
        parcels: Vec<Parcel>,
    ) -> BoxFuture<'static, Result<Vec<Delivery>, Failure>> {
        deliver(self.client.clone(), format!("{}.{lane}", self.prefix), parcels)
    }
}

fn deliver(
    client: Client,
    subject: String,
    mut parcels: Vec<Parcel>,
) -> BoxFuture<'static, Result<Vec<Delivery>, Failure>> {
    Box::pin(async move {
        let broken = |error: &dyn std::fmt::Display| Failure::Bus(error.to_string());
        let bytes = rmp_serde::to_vec(&parcels).map_err(|error| broken(&error))?;
        if bytes.len() > REQUEST_BYTES && parcels.len() > 1 {
            let rest = parcels.split_off(parcels.len() / 2);
            let mut first = deliver(client.clone(), subject.clone(), parcels).await?;
            first.extend(deliver(client, subject, rest).await?);
            return Ok(first);
        }
        let answer = client.request(subject, bytes.into()).await.map_err(|error| broken(&error))?;
        rmp_serde::from_slice(&answer.payload).map_err(|error| broken(&error))
    })
}

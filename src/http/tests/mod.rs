//! The door with a real platform behind it, on the twins of all ports.

mod accounts;
mod amendments;
mod bills;
mod books;
mod citizens;
mod declared;
mod dictionaries;
mod documented;
mod feed;
mod hostile;
mod inward;
mod issuance;
mod keys;
mod ladder;
mod operators;
mod pushes;
mod sampling;
mod scopes;
mod special;
mod wholes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use carbon_actors::house::{Limits, Ports};
use carbon_actors::platform::{Platform, Wires};
use carbon_actors::ports::Store;
use carbon_actors::twins::{
    CollectingSubscribers, MemoryJournal, MemoryStore, MemoryVault, ScriptedIdentity,
    ScriptedPartners, SettableClock,
};
use carbon_protocol::policy::{ClosingFreezes, Cycle, Policy, SameTrip};
use carbon_protocol::signature::{self, MacType, SignType};
use carbon_protocol::{Day, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Config, Fittings, HttpState};
use crate::outbound::Outbound;
use crate::tickets::{AuthTicket, Tickets};

const OPERATOR: &str = "the-operators-key";
const BODY_BYTES: usize = 64 * 1024;
const DISTANCES: &str = "station_a,station_b,metres\nE01,E02,1300\nE01,E03,2900\nE02,E03,1600\n";

/// 2026-11-24 12:00 in Shanghai.
fn noon() -> Timestamp {
    "2026-11-24T12:00:00+08:00".parse().unwrap()
}

/// A door with its platform, and the twins to play with.
struct Door {
    router: Router,
    state: HttpState,
    platform: Platform,
    clock: Arc<SettableClock>,
    identity: Arc<ScriptedIdentity>,
    partners: Arc<ScriptedPartners>,
    auths: Arc<Tickets<AuthTicket>>,
    /// Secrets that the platform has made.
    secrets: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A caller with its key and, once asked for, its token.
#[derive(Clone)]
struct Caller {
    app: &'static str,
    key: Vec<u8>,
    token: String,
}

/// A request before it is signed, with everything that can be wrong with it.
#[derive(Clone)]
struct Sending {
    method: &'static str,
    path: String,
    body: Vec<u8>,
    kind: &'static str,
    timestamp: Option<String>,
    nonce: String,
    signature: Option<String>,
    token: String,
    app: String,
    content_type: &'static str,
    language: &'static str,
    without: Option<&'static str>,
    extra: Vec<(&'static str, String)>,
}

struct Answered {
    status: u16,
    /// What it was signed with: the byte of a secret, or `SM2`; empty for nothing.
    signed_with: String,
    headers: HeaderMap,
    json: Value,
}

impl Answered {
    fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    fn field(&self) -> &str {
        self.json["field"].as_str().unwrap_or_default()
    }

    fn data(&self) -> &Value {
        assert_eq!(self.code(), "0", "{}", self.json);
        &self.json["data"]
    }

    /// Asserts what every refusal has: code, class, request id, message.
    #[track_caller]
    fn refused(&self, code: &str, field: &str, what: &str) {
        let json = &self.json;
        assert_eq!(self.code(), code, "{what}: {json}");
        assert_eq!(self.field(), field, "{what}: {json}");
        assert_eq!(self.status.to_string(), &code[..3], "{what}: {json}");
        let id = json["requestId"].as_str().unwrap_or_default();
        assert_eq!(id.len(), 36, "{what}: {json}");
        assert_eq!(self.headers[signature::REQUEST_ID], id, "{what}");
        assert!(json["data"].is_null() && json["reason"].is_string(), "{what}: {json}");
        assert!(json["retryable"].is_boolean(), "{what}: {json}");
    }
}

fn limits() -> Limits {
    Limits {
        partitions: 64,
        arbiters: 1,
        mailbox_messages: 256,
        waiting_commands: 4096,
        reserved_commands: 64,
        group_commands: 64,
        group_entries: 64,
        lane_groups: 64,
        lane_parcels: 256,
        idle_seconds: 60,
        awake_actors: 10_000,
        checkpoint_ms: 1000,
        unwritten_keys: 1_000_000,
        lag_entries: 1_000_000,
        errands_per_app: 8,
        errand_tries: 3,
        push_events: 500,
        issuance_accounts: 100,
    }
}

fn policy() -> Policy {
    Policy {
        version: 1,
        effective: "2024-01-01".parse::<Day>().unwrap(),
        source: "a test".into(),
        verified: false,
        grams_per_point: 10,
        points_months: 24,
        refund_lot_days: 30,
        acceptance_days: 30,
        correction_days: 30,
        future_tolerance_seconds: 300,
        grams_tolerance: 1,
        freeze_seconds: 900,
        daily_caps: Vec::new(),
        monthly_caps: Vec::new(),
        four_eyes: false,
        issuance_cycle: Cycle::Any,
        settlement_cycle: Cycle::Day,
        closing_freezes: ClosingFreezes::Release,
        reopening_days: 30,
        same_trip: SameTrip::First,
    }
}

/// Runs a test on a door with partners, applications, scenes and agreements declared.
fn with_door(requests_per_second: u32, test: impl AsyncFnOnce(Door)) {
    carbon_actors::run(async {
        let (door, followers) = Door::open(requests_per_second).await;
        door.declare().await;
        test(door).await;
        followers.stop().await;
    })
    .unwrap();
}

impl Door {
    async fn open(requests_per_second: u32) -> (Self, carbon_actors::followers::Followers) {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock = Arc::new(SettableClock::at(noon()));
        let identity = Arc::new(ScriptedIdentity::default());
        let partners = Arc::new(ScriptedPartners::default());
        let ports = Ports {
            journal: Arc::new(MemoryJournal::new(store.clone())),
            store,
            clock: clock.clone(),
            vault: Arc::new(MemoryVault::default()),
            partners: partners.clone(),
            identity: identity.clone(),
            subscribers: Arc::new(CollectingSubscribers::default()),
        };
        let started = Platform::start(ports, limits(), policy(), Wires::InProcess).await;
        let (platform, followers) = started.unwrap();
        let auths = Arc::new(Tickets::new(100, Duration::from_secs(60)));
        let state = HttpState::new(Fittings {
            platform: platform.clone(),
            config: Config {
                public_url: "https://carbon.example".into(),
                body_bytes: BODY_BYTES,
                dictionary_bytes: 4 * BODY_BYTES,
                body_seconds: 5,
                window_seconds: 300,
                nonces_per_app: 100_000,
                token_seconds: 7200,
                token_overlap_seconds: 300,
                requests_per_second,
            },
            token_key: [9; 32],
            operator_key: OPERATOR.into(),
            entries: Arc::new(Tickets::new(100, Duration::from_secs(300))),
            auths: auths.clone(),
            outbound: Outbound::new(Duration::from_secs(2)).unwrap(),
        });
        let (router, secrets) = (super::router(state.clone()), Arc::default());
        (Self { router, state, platform, clock, identity, partners, auths, secrets }, followers)
    }

    /// Two scene partners (one of them in the sandbox), a mall, and what they need.
    async fn declare(&self) {
        for id in ["metro-co", "bus-co", "bank"] {
            let partner = json!({"id": id, "name": id});
            self.operate("POST", "/admin/v1/partners", partner).await.data();
        }
        for (app, partner, role, sandbox) in [
            ("metro", "metro-co", "scene", true),
            ("bus", "bus-co", "scene", false),
            ("mall", "bank", "mall", true),
            ("shop", "bank", "mall", false),
        ] {
            let mut request = json!({
                "appId": app, "partnerId": partner, "role": role, "name": app,
                "chainCode": format!("chain-{app}"), "baseUrl": "https://partner.example/api",
                "returnHosts": ["partner.example"], "sandbox": sandbox,
                "signKey": hex::encode([app.len() as u8; 32]), "dataKey": "00".repeat(16),
            });
            if role == "mall" {
                request["mallUrl"] = json!("https://mall.example/h5");
            }
            self.operate("POST", "/admin/v1/applications", request).await.data();
        }
        let methodologies = json!({"methodologies": [
            methodology("M-RAIL", json!({"kind": "rail", "baseline_g_per_km": "106",
                "project_g_per_km": "35", "max_metres": 150_000, "max_seconds": 14_400})),
            methodology("M-CAR", json!({"kind": "electric_car", "fuel_g_per_km": "210",
                "grid_g_per_kwh": "420", "max_metres_per_day": 1_000_000})),
        ]});
        self.operate("POST", "/admin/v1/methodologies", methodologies).await.data();
        self.import("source=a%20test&effective=2024-01-01", DISTANCES).await.data();
        for (scene, methodology, apps) in [
            ("rail", "M-RAIL", vec!["metro"]),
            ("car", "M-CAR", vec!["metro", "bus"]),
            ("bus-rail", "M-RAIL", vec!["bus"]),
        ] {
            let scene = json!({
                "scene": scene, "name": scene, "kind": "standard", "methodology": methodology,
                "appIds": apps, "activeFrom": "2024-01-01", "activeTo": "2030-12-31",
            });
            self.operate("POST", "/admin/v1/scenes", scene).await.data();
        }
        for (id, scope) in [
            ("user", json!("platform")),
            ("rail", json!({"scene": ["metro", "rail"]})),
            ("mall", json!({"mall": "mall"})),
        ] {
            let agreement = json!({
                "id": id, "scope": scope, "title": id, "version": 1, "effective": "2024-01-01",
                "language": "zh-CN", "text": "<p>文本</p>",
            });
            self.operate("POST", "/admin/v1/agreements", agreement).await.data();
        }
    }

    async fn operate(&self, method: &'static str, path: &str, body: Value) -> Answered {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {OPERATOR}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.ask(request).await
    }

    /// Imports a distance dictionary.
    async fn import(&self, query: &str, csv: &str) -> Answered {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/admin/v1/dictionaries?{query}"))
            .header("authorization", format!("Bearer {OPERATOR}"))
            .header("content-type", "text/csv")
            .body(Body::from(csv.to_owned()))
            .unwrap();
        self.ask(request).await
    }

    async fn ask(&self, request: Request<Body>) -> Answered {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let sign = parts.headers.get(signature::SIGN);
        let signed_with = sign.map(|sign| self.verify(&parts, &bytes, sign.to_str().unwrap()));
        let signed_with = signed_with.unwrap_or_default();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        assert_ne!(parts.status.as_u16(), 500, "{json}");
        documented::check(&method, &uri, parts.status.as_u16(), &json);
        Answered { status: parts.status.as_u16(), signed_with, headers: parts.headers, json }
    }

    /// Every signed answer is signed under one of the declared keys: which.
    fn verify(&self, parts: &axum::http::response::Parts, bytes: &[u8], sign: &str) -> String {
        let text = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
        let string = signature::answer_string(
            parts.status.as_u16(),
            &text(signature::REQUEST_ID),
            text(signature::TIMESTAMP).parse().unwrap(),
            &text(signature::NONCE),
            bytes,
        );
        let kind: SignType = text(signature::SIGN_TYPE).parse().unwrap();
        let right = match kind.mac() {
            Some(mac) => (0..=20_u8)
                .find(|key| signature::verify(mac, &[*key; 32], &string, sign))
                .map(|key| key.to_string())
                .or_else(|| {
                    let made = self.secrets.lock();
                    let right = |key: &Vec<u8>| signature::verify(mac, key, &string, sign);
                    made.iter().any(right).then(|| "made".to_owned())
                }),
            None => {
                let public = self.platform.vault().public_key();
                public.verify(&string, sign).then(|| "SM2".to_owned())
            }
        };
        right.expect("an answer is signed wrongly")
    }

    /// An application with a token.
    async fn caller(&self, app: &'static str) -> Caller {
        let mut caller = Caller { app, key: vec![app.len() as u8; 32], token: String::new() };
        let answer = self.post(&caller, "Z101", json!({})).await;
        caller.token = answer.data()["token"].as_str().unwrap().to_owned();
        caller
    }

    async fn post(&self, caller: &Caller, path: &str, body: Value) -> Answered {
        let path = format!("/api/v1/{path}");
        self.send(caller, &Sending::new(caller, "POST", &path, body.to_string().into_bytes())).await
    }

    async fn send(&self, caller: &Caller, sending: &Sending) -> Answered {
        let now = self.platform.now().map_or(noon().0, |now| now.0);
        let timestamp = sending.timestamp.clone().unwrap_or_else(|| now.to_string());
        let stamp: i64 = timestamp.parse().unwrap_or(0);
        let string = signature::request_string(
            sending.method,
            &sending.path,
            stamp,
            &sending.nonce,
            &sending.body,
        );
        let kind: MacType = sending.kind.parse().unwrap_or_default();
        let sign = signature::sign(kind, &caller.key, &string);
        let mut headers = BTreeMap::from([
            (signature::APP_ID, sending.app.clone()),
            (signature::TIMESTAMP, timestamp),
            (signature::NONCE, sending.nonce.clone()),
            (signature::SIGN_TYPE, sending.kind.to_owned()),
            (signature::SIGN, sending.signature.clone().unwrap_or(sign)),
            ("authorization", format!("Bearer {}", sending.token)),
            ("content-type", sending.content_type.to_owned()),
            ("accept-language", sending.language.to_owned()),
        ]);
        headers.extend(sending.extra.iter().cloned());
        if let Some(without) = sending.without {
            headers.remove(without);
        }
        let mut request = Request::builder().method(sending.method).uri(&sending.path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.ask(request.body(Body::from(sending.body.clone())).unwrap()).await
    }
}

impl Sending {
    fn new(caller: &Caller, method: &'static str, path: &str, body: Vec<u8>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            body,
            kind: "HMAC-SM3",
            timestamp: None,
            nonce: format!("{:032x}", rand::random::<u128>()),
            signature: None,
            token: caller.token.clone(),
            app: caller.app.to_owned(),
            content_type: "application/json",
            language: "en",
            without: None,
            extra: Vec::new(),
        }
    }
}

fn methodology(id: &str, formula: Value) -> Value {
    json!({
        "id": id, "title": id, "version": 1, "effective": "2024-01-01", "source": "a test",
        "verified": false, "formula": formula,
    })
}

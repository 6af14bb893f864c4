//! The result a citizen takes back to the partner (Z202): signed, so that nobody else can say it.

use carbon_protocol::account::Summary;
use carbon_protocol::contracts::z202::Consented;
use carbon_protocol::envelope::OK;
use carbon_protocol::registry::App;
use carbon_protocol::signature::SignType;
use carbon_protocol::{Reason, SceneCode};
use url::Url;

use super::errands::Standing;
use super::guests::Guest;
use super::scenes::is_lit;
use super::sessions::Visit;
use super::trouble::Trouble;
use crate::signing::{AppWire, Wire as _};

/// The partner's address with the result; none where the partner named none.
pub fn signed_result(
    guest: &Guest,
    visit: &Visit,
    app: &App,
    summary: &Summary,
    standing: Standing,
) -> Result<Option<Url>, Trouble> {
    let Some(url) = visit.return_url.as_deref().and_then(|url| Url::parse(url).ok()) else {
        return Ok(None);
    };
    let code = match standing {
        Standing::Lit | Standing::Linked => OK,
        Standing::Failed(Some(reason)) => reason.code(),
        Standing::Failed(None) => Reason::PartnerUnavailable.code(),
        // The citizen left without consenting.
        Standing::Waiting | Standing::Nothing => Reason::ConsentRequired.code(),
    };
    let registry = guest.platform().registry();
    let scenes: Vec<SceneCode> = visit
        .scenes
        .iter()
        .filter(|scene| is_lit(summary, app.no, **scene))
        .filter_map(|scene| registry.scene(*scene))
        .map(|scene| scene.code.clone())
        .collect();
    let link = summary.links.iter().find(|link| link.app == app.no);
    let now = guest.platform().now()?;
    let mut result = Consented {
        code: code.into(),
        ccid: link.map(|link| link.ccid.clone()),
        scenes: Consented::join(&scenes),
        state: visit.state.clone().unwrap_or_default(),
        timestamp: now.0,
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        sign_type: SignType::default(),
        sign: String::new(),
    };
    let wire = AppWire { vault: guest.platform().vault(), app, at: now };
    (result.sign_type, result.sign) = wire.sign(result.string_to_sign().as_bytes())?;
    Ok(Some(with(url, &result)))
}

/// An address with the result behind whatever it had.
fn with(mut url: Url, result: &Consented) -> Url {
    let timestamp = result.timestamp.to_string();
    let sign_type = result.sign_type.to_string();
    let mut query = url.query_pairs_mut();
    query.append_pair("code", &result.code);
    if let Some(ccid) = &result.ccid {
        query.append_pair("ccid", ccid.as_str());
    }
    for (name, value) in [
        ("scenes", &result.scenes),
        ("state", &result.state),
        ("timestamp", &timestamp),
        ("nonce", &result.nonce),
        ("signType", &sign_type),
        ("sign", &result.sign),
    ] {
        query.append_pair(name, value);
    }
    drop(query);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_protocol::Ccid;
    use std::collections::HashMap;

    #[test]
    fn the_partner_can_verify_what_the_address_says() {
        let result = Consented {
            code: "0".into(),
            ccid: Some(Ccid::parse("c-1").unwrap()),
            scenes: "rail,bus".into(),
            state: "a b&c=张".into(),
            timestamp: 5,
            nonce: "n".into(),
            sign_type: SignType::default(),
            sign: String::new(),
        };
        let url = Url::parse("https://metro.example/back?own=1").unwrap();
        let url = with(url, &result.signed(b"key"));
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["own"], "1");
        let read = Consented {
            code: query["code"].clone(),
            ccid: Some(Ccid::parse(&query["ccid"]).unwrap()),
            scenes: query["scenes"].clone(),
            state: query["state"].clone(),
            timestamp: query["timestamp"].parse().unwrap(),
            nonce: query["nonce"].clone(),
            sign_type: query["signType"].parse().unwrap(),
            sign: query["sign"].clone(),
        };
        assert!(read.is_signed_with(b"key"));
        assert!(!read.is_signed_with(b"kez"));
    }
}

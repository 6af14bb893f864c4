//! Single requests: what is refused, what is limited, what is escaped, which headers guard a page.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use carbon_simulations::demo::browser::Document;
use tower::ServiceExt as _;

use super::*;
use crate::pages::sun_code::SunCode;

/// A browser of one cookie that forgets nothing and checks nothing.
struct Hand<'s> {
    stage: &'s Stage,
    cookie: String,
    origin: String,
}

/// An answer, read whole.
struct Got {
    status: StatusCode,
    to: String,
    policy: String,
    set: String,
    html: String,
}

impl Got {
    fn page(&self) -> Document {
        Document {
            url: Url::parse("http://h/h5/open").unwrap(),
            status: reqwest::StatusCode::OK,
            html: self.html.clone(),
            leaves_for: None,
        }
    }

    /// The fields of a form, as its page has them.
    fn fields(&self, action: &str) -> Vec<(String, String)> {
        self.page().form(action).unwrap().fields
    }
}

async fn got(response: Response<Body>) -> Got {
    let (parts, body) = response.into_parts();
    let header = |name| parts.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let html = to_bytes(body, 1 << 20).await.unwrap();
    Got {
        status: parts.status,
        to: header(LOCATION).unwrap_or_default(),
        policy: header(CONTENT_SECURITY_POLICY).unwrap_or_default(),
        set: header(SET_COOKIE).unwrap_or_default(),
        html: String::from_utf8(html.to_vec()).unwrap(),
    }
}

impl<'s> Hand<'s> {
    fn new(stage: &'s Stage) -> Self {
        let origin = stage.url.origin().ascii_serialization();
        Self { stage, cookie: String::new(), origin }
    }

    async fn entered(stage: &'s Stage, link: &Url) -> Self {
        let mut hand = Self::new(stage);
        let entry = hand.get(&format!("{}?{}", link.path(), link.query().unwrap())).await;
        assert_eq!(entry.status, StatusCode::SEE_OTHER, "{}", entry.html);
        hand.cookie = entry.set.split(';').next().unwrap().to_owned();
        hand
    }

    async fn get(&self, path: &str) -> Got {
        let request = Request::get(path).header(COOKIE, &self.cookie).body(Body::empty());
        got(self.stage.router.clone().oneshot(request.unwrap()).await.unwrap()).await
    }

    async fn post(&self, path: &str, fields: &[(String, String)]) -> Got {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let mut request = Request::post(path).header(COOKIE, &self.cookie);
        if !self.origin.is_empty() {
            request = request.header(ORIGIN, &self.origin);
        }
        let request = request.body(Body::from(body.finish())).unwrap();
        got(self.stage.router.clone().oneshot(request).await.unwrap()).await
    }
}

fn set(fields: &mut [(String, String)], name: &str, value: &str) {
    let field = fields.iter_mut().find(|(key, _)| key == name).unwrap();
    field.1 = value.into();
}

#[test]
fn a_link_enters_once_and_under_a_new_session() {
    play(|stage| async move {
        let link = stage.city_link("n-1");
        let first = Hand::entered(&stage, &link).await;
        let again = first.get(&format!("/h5/enter?{}", link.query().unwrap())).await;
        assert_eq!(again.status, StatusCode::UNAUTHORIZED);
        assert!(again.html.contains("链接已失效"), "{}", again.html);
        for bad in ["", "?ticket=guess", "?cityTicket=AAAA", "?ticket=a&cityTicket=b"] {
            let got = first.get(&format!("/h5/enter{bad}")).await;
            assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{bad}");
        }
        assert_eq!(first.get("/h5/").await.status, StatusCode::OK);
        // Entering again ends the session that was.
        let mut second = Hand::new(&stage);
        second.cookie = first.cookie.clone();
        let link = stage.city_link("n-2");
        let entry = second.get(&format!("/h5/enter?{}", link.query().unwrap())).await;
        assert!(entry.set.contains("HttpOnly; SameSite=Lax") && entry.set.contains("Path=/h5"));
        assert!(!entry.set.starts_with(&first.cookie));
        assert_eq!(first.get("/h5/").await.status, StatusCode::UNAUTHORIZED);

        let link = stage.partner_link(|ticket| ticket.real_name_verified = false);
        let got = first.get(&format!("/h5/enter?{}", link.query().unwrap())).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST);
        assert!(got.html.contains("实名认证"), "{}", got.html);
    });
}

#[test]
fn a_form_that_is_not_ours_changes_nothing() {
    play(|stage| async move {
        let mut hand = Hand::entered(&stage, &stage.city_link("n-1")).await;
        let page = hand.get("/h5/open").await;
        let fields = page.fields("/h5/open");
        let own = hand.origin.clone();
        for origin in ["", "null", "https://evil.example"] {
            hand.origin = origin.into();
            let got = hand.post("/h5/open", &fields).await;
            assert_eq!(got.status, StatusCode::FORBIDDEN, "{origin:?}");
        }
        hand.origin = own;
        let mut forged = fields.clone();
        set(&mut forged, "csrf", "guess");
        assert_eq!(hand.post("/h5/open", &forged).await.status, StatusCode::FORBIDDEN);
        let other = Hand::entered(&stage, &stage.city_link("n-2")).await;
        let got = other.post("/h5/open", &fields).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "the secret of another session");
        let nobody = Hand::new(&stage).post("/h5/open", &fields).await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
        assert!(stage.identity.codes().is_empty());
        assert_eq!(hand.post("/h5/open", &fields).await.to, "/h5/open/code");
        assert_eq!(stage.identity.codes().len(), 1);
    });
}

#[test]
fn what_people_and_partners_wrote_is_text_and_agreements_hold_no_scripts() {
    play(|stage| async move {
        let hand = Hand::entered(&stage, &stage.city_link("n-1")).await;
        let page = hand.get("/h5/open").await;
        assert!(page.policy.starts_with("default-src 'none'"), "{}", page.policy);
        assert!(page.policy.ends_with("form-action 'self'"), "{}", page.policy);
        assert!(page.html.contains("<h2>platform</h2>"), "{}", page.html);
        assert!(!page.html.contains("<script"), "{}", page.html);
        assert!(!page.html.contains(ID_NO) && !page.html.contains("13800001234"));
        let link = stage.partner_link(|_| {});
        let hand = Hand::entered(&stage, &link).await;
        let page = hand.get("/h5/light?lang=en").await;
        assert!(page.html.contains("metro&#60;i&#62;"), "{}", page.html);
        assert!(!page.html.contains("metro<i>"));
        assert!(page.html.contains("Accept and light") && page.set.contains("h5lang=en"));
    });
}

#[test]
fn wrong_codes_and_new_codes_are_counted() {
    play(|stage| async move {
        let hand = Hand::entered(&stage, &stage.city_link("n-1")).await;
        let page = hand.get("/h5/open").await;
        hand.post("/h5/open", &page.fields("/h5/open")).await;
        // Sent a moment ago: neither agreeing again nor asking again sends another.
        hand.post("/h5/open", &page.fields("/h5/open")).await;
        let page = hand.get("/h5/open/code").await;
        let resent = hand.post("/h5/open/resend", &page.fields("/h5/open/resend")).await;
        assert!(resent.html.contains("太频繁"), "{}", resent.html);
        assert_eq!(stage.identity.codes().len(), 1);

        let mut fields = page.fields("/h5/open/code");
        set(&mut fields, "code", "12ab");
        let got = hand.post("/h5/open/code", &fields).await;
        assert!(got.html.contains("数字验证码"), "{}", got.html);
        set(&mut fields, "code", "000000");
        for left in [4, 3, 2, 1] {
            let got = hand.post("/h5/open/code", &fields).await;
            let text = format!("还可以再试 {left} 次");
            assert!(got.html.contains(&text), "{text}: {}", got.html);
        }
        let got = hand.post("/h5/open/code", &fields).await;
        assert!(got.html.contains("错误次数过多"), "{}", got.html);
        // Now the right one comes too late.
        set(&mut fields, "code", carbon_actors::twins::SMS_CODE);
        let got = hand.post("/h5/open/code", &fields).await;
        assert!(got.html.contains("错误次数过多"), "{}", got.html);
        assert!(!stage.summary().await.open);
    });
}

#[test]
fn a_text_that_changed_meanwhile_is_shown_again() {
    play(|stage| async move {
        let hand = Hand::entered(&stage, &stage.city_link("n-1")).await;
        let page = hand.get("/h5/open").await;
        publish(&stage.platform, agreement("platform", AgreementScope::Platform, 2)).await;
        let got = hand.post("/h5/open", &page.fields("/h5/open")).await;
        assert!(got.html.contains("协议已更新") && got.html.contains("第 2 版"), "{}", got.html);
        assert!(stage.identity.codes().is_empty());
        let mut unticked = got.fields("/h5/open");
        unticked.retain(|(name, _)| name != "agree");
        let refused = hand.post("/h5/open", &unticked).await;
        assert!(refused.html.contains("请先阅读并同意"), "{}", refused.html);
        assert_eq!(hand.post("/h5/open", &got.fields("/h5/open")).await.to, "/h5/open/code");
    });
}

#[test]
fn special_scenes_light_nothing_and_strangers_find_nothing() {
    play(|stage| async move {
        let hand = Hand::entered(&stage, &stage.partner_link(|_| {})).await;
        let page = hand.get("/h5/light").await;
        let sent = hand.post("/h5/light", &page.fields("/h5/light")).await;
        assert_eq!(sent.to, "/h5/errands/metro");
        for (scene, text) in [("car", "微信"), ("home", "即将上线"), ("solar", "一网通办")]
        {
            let page = hand.get(&format!("/h5/scenes/metro/{scene}/light")).await;
            assert!(page.html.contains(text) && !page.html.contains("<form"), "{scene}");
            assert!(page.policy.starts_with("default-src 'none';"), "{scene}: {}", page.policy);
            assert!(!page.policy.contains("example"), "{scene}: {}", page.policy);
            // The code says where the mini-program is; only the other site is a link.
            let link = format!("https://{scene}.example/go?a=1&b=2");
            let code = format!("<path d=\"{}\"/>", SunCode::of(&link).unwrap().path);
            let away =
                format!("href=\"{}\" rel=\"noopener noreferrer\"", link.replace('&', "&#38;"));
            assert_eq!(page.html.contains(&code), scene == "car", "{}", page.html);
            assert_eq!(page.html.contains(&away), scene == "solar", "{}", page.html);
            let sent = hand.post(&format!("/h5/scenes/metro/{scene}/light"), &[]).await;
            assert!(sent.status != StatusCode::SEE_OTHER, "{scene}");
        }
        assert!(stage.summary().await.scenes.iter().all(|lit| lit.scene != SceneNo(3)));
        for missing in [
            "/h5/scenes/metro/none/light",
            "/h5/scenes/none/rail/light",
            "/h5/scenes/mall/rail/light",
            "/h5/malls/metro/link",
            "/h5/errands/none",
            "/h5/what",
        ] {
            assert_eq!(hand.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
        }
        assert_eq!(Hand::new(&stage).get("/h5/style.css").await.status, StatusCode::OK);
    });
}

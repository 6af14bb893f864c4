//! The identity service's pages: the H5 of 4.4.2, 4.4.3 and 4.4.4, in two plain forms, and
//! the inbox of the SMS.

use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use carbon_protocol::seal::{masked_name, masked_phone};
use carbon_protocol::{Reason, Rejection};
use serde::Deserialize;

use super::Identity;
use super::book::Person;
use super::h5::{Business, Matter};
use crate::sandbox::wire::{self, escape, page};

pub fn routes(identity: Identity) -> Router {
    Router::new()
        .route("/h5/{serial}", get(show).post(finish))
        .route("/h5/{serial}/code", post(fill))
        .route("/inbox", get(inbox))
        .with_state(identity)
}

async fn show(State(identity): State<Identity>, Path(serial): Path<String>) -> Response {
    let found = identity.0.book.lock().business(&serial, wire::now()).cloned();
    match found {
        Ok(business) if business.outcome.is_some() => leave(&business, &serial),
        Ok(business) => page(200, title(&business.matter), &first_form(&business, &serial)),
        Err(no) => refused(&no),
    }
}

fn title(matter: &Matter) -> &'static str {
    match matter {
        Matter::Natural(_) => "实名认证",
        Matter::Legal { .. } => "法人认证",
        Matter::Signing { .. } => "数字签名",
    }
}

fn first_form(business: &Business, serial: &str) -> String {
    let phone = match &business.given_phone {
        Some(phone) => format!("<p>手机号：{}</p>", escape(&masked_phone(phone))),
        None => "<p><label>手机号 <input name=\"phone\" type=\"tel\" required></label></p>".into(),
    };
    format!(
        "{}<form method=\"post\" action=\"/h5/{serial}/code\">{phone}\
         <button type=\"submit\">获取验证码</button></form>",
        about(&business.matter)
    )
}

/// What is to be confirmed.
fn about(matter: &Matter) -> String {
    match matter {
        Matter::Natural(person) => {
            format!("<p>请确认您的实名信息，验证码将发送到您的手机。</p>{}", masked(person))
        }
        Matter::Legal { name, credit_code, agent } => format!(
            "<p>请确认法人信息，验证码将发送到经办人的手机。</p><p>法人名称：{}</p>\
             <p>统一社会信用代码：{credit_code}</p>{}",
            escape(name),
            masked(agent)
        ),
        Matter::Signing { content, .. } => format!(
            "<p>请阅读以下内容，输入验证码即以您的数字身份签名。</p><blockquote>{}</blockquote>",
            escape(content)
        ),
    }
}

fn masked(person: &Person) -> String {
    format!(
        "<p>姓名：{}</p><p>身份证号：{}</p>",
        escape(&masked_name(&person.name)),
        escape(&masked_id_no(&person.id_no))
    )
}

fn masked_id_no(id_no: &str) -> String {
    let count = id_no.chars().count();
    let shown = |at: usize| at < 1 || at + 1 >= count;
    id_no.chars().enumerate().map(|(at, letter)| if shown(at) { letter } else { '*' }).collect()
}

/// What a citizen types into the first form.
#[derive(Deserialize)]
struct Typed {
    phone: Option<String>,
}

async fn fill(
    State(identity): State<Identity>,
    Path(serial): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let filled = identity.0.book.lock().fill(&serial, typed.phone, wire::now());
    match filled {
        Ok(()) => page(200, "输入验证码", &second_form(&serial, "")),
        Err(no) => refused(&no),
    }
}

fn second_form(serial: &str, note: &str) -> String {
    format!(
        "{note}<form method=\"post\" action=\"/h5/{serial}\"><p><label>验证码 \
         <input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required>\
         </label></p><button type=\"submit\">确认</button></form>"
    )
}

#[derive(Deserialize)]
struct TypedCode {
    code: String,
}

async fn finish(
    State(identity): State<Identity>,
    Path(serial): Path<String>,
    Form(typed): Form<TypedCode>,
) -> Response {
    let now = wire::now();
    let mut book = identity.0.book.lock();
    match book.finish(&serial, &typed.code, now) {
        Ok(()) => match book.business(&serial, now) {
            Ok(business) => leave(business, &serial),
            Err(no) => refused(&no),
        },
        Err(no) if no.field.as_deref() == Some("smsCode") => {
            let note = "<p role=\"alert\">验证码错误或已失效，请重试。</p>";
            page(403, "输入验证码", &second_form(&serial, note))
        }
        Err(no) => refused(&no),
    }
}

/// Back to the application: a hint only, the truth is 4.4.5's.
fn leave(business: &Business, serial: &str) -> Response {
    match url::Url::parse(&business.return_url) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair("serial", serial);
            Redirect::to(url.as_str()).into_response()
        }
        Err(_) => refused(&Reason::BadLink.into()),
    }
}

fn refused(no: &Rejection) -> Response {
    page(no.reason.status(), "无法继续", &format!("<p>{}</p>", escape(no.reason.zh())))
}

#[derive(Deserialize)]
struct Whose {
    phone: Option<String>,
}

/// A phone's SMS, as a page or as JSON.
async fn inbox(
    State(identity): State<Identity>,
    Query(whose): Query<Whose>,
    headers: HeaderMap,
) -> Response {
    let phone = whose.phone.unwrap_or_default();
    let messages = identity.0.book.lock().inbox(&phone);
    let accepts = headers.get("accept").and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("application/json")) {
        return Json(messages).into_response();
    }
    let list: String =
        messages.iter().map(|sms| format!("<li>{}</li>", escape(&sms.text))).collect();
    let form = "<form><label>手机号 <input name=\"phone\" type=\"tel\"></label>\
                <button>查看短信</button></form>";
    page(200, "沙箱短信箱", &format!("{form}<ol>{list}</ol>"))
}

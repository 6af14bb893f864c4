//! Z101 获取登录令牌: a signed request for a bearer token.

use axum::extract::State;
use carbon_protocol::contracts::z101::{Token, TokenRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::registry::{RegistryCommand, RegistryReply};

use super::HttpState;
use super::exchange::{Answer, Data};
use super::fault::misfit;
use super::ladder::{Newcomer, Signed};

/// Z101 获取登录令牌: needs the signature only; the token before stays valid a little longer.
#[utoipa::path(
    post, path = "/api/v1/Z101", operation_id = "Z101", tag = "platform",
    request_body = TokenRequest, responses((status = 200, body = Envelope<Token>)),
)]
pub async fn z101(
    State(state): State<HttpState>,
    call: Signed<Newcomer, TokenRequest>,
) -> Answer<Token> {
    let app = call.caller.no();
    match state.platform.register(RegistryCommand::IssueToken { app }).await? {
        RegistryReply::Token(issued) => Ok(Data(Token {
            token: state.seals.token(app, issued),
            expires_in_seconds: state.config.token_seconds,
        })),
        _ => misfit(),
    }
}

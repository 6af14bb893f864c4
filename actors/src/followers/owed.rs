//! What an account's event is owed as: to which application, under which number.

use carbon_protocol::AppNo;
use carbon_protocol::account::AccountEvent;
use carbon_protocol::courier::NoticeBody;

/// To whom an event is owed, under which number, and as what.
pub(super) fn owed(event: &AccountEvent) -> Option<(AppNo, u32, NoticeBody)> {
    Some(match event {
        AccountEvent::SceneLit { scene, app, consents, notice } => {
            let consents = consents.clone();
            (*app, *notice, NoticeBody::SceneLit { scene: *scene, consents })
        }
        AccountEvent::SceneRevoked { scene, app, channel, notice } => {
            (*app, *notice, NoticeBody::SceneRevoked { scene: *scene, channel: *channel })
        }
        AccountEvent::MallUnlinked { app, channel, notice } => {
            (*app, *notice, NoticeBody::MallUnlinked { channel: *channel })
        }
        AccountEvent::RecordRefused { record, scene, reason, notice, .. } => {
            let (record, scene, reason) = (*record, *scene, *reason);
            (record.app, *notice, NoticeBody::RecordRefused { record, scene, reason })
        }
        AccountEvent::PendingRefused { record, reason, notice, .. } => {
            let (scene, reason) = (record.scene, *reason);
            let record = record.record;
            (record.app, *notice, NoticeBody::RecordRefused { record, scene, reason })
        }
        AccountEvent::RecordAmended { record, original, scene, span, grams, notice, .. } => {
            let (record, original, scene, grams) = (*record, *original, *scene, *grams);
            let void = span.is_none();
            let amended = NoticeBody::RecordAmended { record, original, scene, void, grams };
            (record.app, *notice, amended)
        }
        AccountEvent::Issued { run, app, issued, refused, notice, .. } => {
            let (issued, refused) = (issued.clone(), refused.clone());
            (*app, *notice, NoticeBody::Issued { run: *run, issued, refused })
        }
        _ => return None,
    })
}

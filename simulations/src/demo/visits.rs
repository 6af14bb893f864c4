//! A citizen's way through the pages: only links, forms and boxes that a person would see.

use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use url::Url;

use super::browser::{Browser, Document};

/// How long a citizen waits for an errand before it is called lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a waiting page ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The scenes are lit, the mall is linked.
    Done(Box<Ended>),
    /// Nothing came of it.
    Failed,
}

/// The last page of an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its address.
    pub url: Url,
    /// Its text.
    pub html: String,
}

/// Enters by a link or a ticket; arrives at the page that it leads to.
pub async fn enter(browser: &mut Browser, link: &Url) -> anyhow::Result<Document> {
    let entry = browser.open("H5 enter", link).await?.expect_ok("entering")?;
    match entry.leads_on() {
        Some(next) => browser.open("H5 page", &next).await?.expect_ok("after entering"),
        None => Ok(entry),
    }
}

/// Journey 2, from the page of the agreements to the list of scenes. `code` reads the SMS.
pub async fn open_account<F>(
    browser: &mut Browser,
    page: &Document,
    code: impl FnOnce() -> F,
) -> anyhow::Result<Document>
where
    F: Future<Output = anyhow::Result<String>>,
{
    let page = match page.form("/h5/open") {
        Ok(_) => page.clone(),
        // The home page has a link to the agreements.
        Err(_) => browser.open("H5 page", &page.link("/h5/open")?).await?.expect_ok("opening")?,
    };
    let form = page.form("/h5/open")?;
    let page = browser.submit("H5 agree", &page, &form, &[]).await?.expect_ok("agreements")?;
    let sms = code().await?;
    let form = page.form("/h5/open").context("the page of the code")?;
    browser.submit("H5 open", &page, &form, &[("code", &sms)]).await?.expect_ok("opening")
}

/// Journey 3: lights one scene of one application.
pub async fn light(
    browser: &mut Browser,
    home: &Url,
    app: &str,
    scene: &str,
) -> anyhow::Result<Outcome> {
    consent(browser, home, &format!("/h5/scenes/{app}/{scene}/light")).await
}

/// Journey 4: consents to a mall; ends at the page from which the mall can be entered.
pub async fn link_mall(browser: &mut Browser, home: &Url, app: &str) -> anyhow::Result<Outcome> {
    consent(browser, home, &format!("/h5/malls/{app}/link")).await
}

/// Leaves for the mall; tells where to.
pub async fn enter_mall(browser: &mut Browser, page: &Ended, app: &str) -> anyhow::Result<Url> {
    let page = Document {
        url: page.url.clone(),
        status: StatusCode::OK,
        html: page.html.clone(),
        leaves_for: None,
    };
    let form = page.form(&format!("/h5/malls/{app}/enter"))?;
    let left = browser.submit("H5 mall enter", &page, &form, &[]).await?;
    left.leaves_for.clone().with_context(|| format!("the mall was not opened: {}", left.status))
}

/// Takes the consent to a scene back.
pub async fn revoke(
    browser: &mut Browser,
    home: &Url,
    app: &str,
    scene: &str,
) -> anyhow::Result<()> {
    let path = format!("/h5/scenes/{app}/{scene}/revoke");
    let page = browser.open("H5 page", &home.join(&path)?).await?.expect_ok("revoking")?;
    let form = page.form(&path)?;
    browser.submit("H5 revoke", &page, &form, &[]).await?.expect_ok("revoked")?;
    Ok(())
}

/// Journey 1, second half: the partner's link to the consent page, consent, and back to the
/// partner's address.
pub async fn consent_for_partner(browser: &mut Browser, link: &Url) -> anyhow::Result<Url> {
    let page = enter(browser, link).await?;
    let form = page.form("/h5/light")?;
    let page = browser.submit("H5 consent", &page, &form, &[]).await?.expect_ok("consent")?;
    if let Some(back) = page.leaves_for {
        return Ok(back);
    }
    let ended = match wait(browser, page).await? {
        Outcome::Done(ended) => ended,
        Outcome::Failed => bail!("the errand failed"),
    };
    let page =
        Document { url: ended.url, status: StatusCode::OK, html: ended.html, leaves_for: None };
    let back = browser.open("H5 return", &page.link("/h5/return")?).await?;
    back.leaves_for.clone().with_context(|| format!("no way back to the partner: {}", back.status))
}

async fn consent(browser: &mut Browser, home: &Url, path: &str) -> anyhow::Result<Outcome> {
    let page = browser.open("H5 page", &home.join(path)?).await?.expect_ok(path)?;
    let form = page.form(path)?;
    let page = browser.submit("H5 consent", &page, &form, &[]).await?.expect_ok(path)?;
    wait(browser, page).await
}

/// Looks at the waiting page again until it has ended.
async fn wait(browser: &mut Browser, mut page: Document) -> anyhow::Result<Outcome> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(20);
    loop {
        match page.state().as_deref() {
            Some("waiting") => {}
            Some("failed") => return Ok(Outcome::Failed),
            Some("lit" | "linked") => {
                return Ok(Outcome::Done(Box::new(Ended { url: page.url, html: page.html })));
            }
            other => bail!("a page in state {other:?} at {}", page.url.path()),
        }
        if tokio::time::Instant::now() > deadline {
            bail!("still waiting at {} after {PATIENCE:?}", page.url.path());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
        page = browser.open("H5 errand", &page.url.clone()).await?.expect_ok("waiting")?;
    }
}

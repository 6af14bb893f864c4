//! The customer's list of interfaces, row by row as it stands there: each is called over HTTP, at a
//! running platform, at the sandbox's partners, or at its identity service.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use carbon_protocol::contracts::z102::Entry;
use carbon_protocol::seal::SealedField;
use carbon_simulations::demo::browser::Browser;
use carbon_simulations::demo::caller::Answered;
use carbon_simulations::demo::journeys;
use carbon_simulations::demo::population::Citizen;
use carbon_simulations::demo::visits::{self, Ended, Outcome};
use carbon_simulations::sandbox::client::{answer_is_signed, sign_request};
use carbon_simulations::sandbox::{Client, Partner};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::harness::client;
use super::stage::{Lit, Stage, batch, rows as trips, submit};

/// The applications that call.
const METRO: &str = "metro-app";
const MALL: &str = "mall-app";
/// How long a push may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a call carries.
type Body = fn(&World) -> Value;

/// How a row is called.
#[derive(Clone, Copy)]
enum Way {
    /// A signed call of the platform by an application.
    Call(&'static str, &'static str, Body),
    /// A signed document of the platform.
    Look(&'static str, &'static str),
    /// A page that a citizen enters by a link of Z102, for what the body says.
    Page(&'static str, Body),
    /// A push address of a kind, set and verified.
    Address(&'static str, &'static str, &'static str),
    /// A push that has come to a partner's server, with a text in it.
    Pushed(&'static str, &'static str, fn(&World) -> String),
    /// The mall was told of the citizen, and has linked them.
    Linked,
    /// The citizen enters the mall, and the mall asks who it is.
    Visit,
    /// A signed call of a partner's server by the platform's key.
    Partner(&'static str, &'static str, Body),
    /// A signed call of the identity service by a partner's application.
    Chain(&'static str, Body),
    /// The same by the platform.
    Platform(&'static str, Body),
    /// A natural person's DID, with the code of the SMS.
    Register,
    /// What a natural person signs, with the code of the SMS.
    Sign,
}

/// The 43 rows, each with the field of its answer that shows that it works.
fn list() -> [(&'static str, Way, &'static str); 43] {
    [
        ("3.1 自然人注册DID", Way::Register, "did"),
        ("3.2 法人注册DID", Way::Platform("3.2", World::legal), "did"),
        ("3.3 自然人DID签名", Way::Sign, "signature"),
        ("4.4.1 接入方DID签名", Way::Chain("4.4.1", |_| json!({"content": "list"})), "proofValue"),
        ("4.4.2 预填业务信息 - 自然人注册DID", Way::Chain("4.4.2", World::person), "serial"),
        ("4.4.3 预填业务信息 - 法人注册DID", Way::Chain("4.4.3", World::legal_h5), "serial"),
        ("4.4.4 预填业务信息 - 自然人 DID签名", Way::Chain("4.4.4", World::signing_h5), "serial"),
        (
            "4.4.5 根据业务流水号查询H5服务结果",
            Way::Chain("4.4.5", |w| json!({"serial": w.h5})),
            "status",
        ),
        (
            "4.4.6 注册子DID（仅总平台可用）",
            Way::Platform("4.4.6", |w| json!({"did": w.did, "chainCode": METRO})),
            "ccid",
        ),
        (
            "4.4.7 查询上级DID（仅总平台可用）",
            Way::Platform("4.4.7", |w| json!({"ccid": w.ccid, "chainCode": METRO})),
            "person",
        ),
        ("Z101:获取登录令牌", Way::Call(METRO, "Z101", |_| json!({})), "token"),
        ("Z102:获取签名", Way::Call(METRO, "Z102", World::zone), "url"),
        ("Z201:获取许可协议", Way::Call(METRO, "Z201", |_| json!({})), "agreements"),
        ("01.Z202:账户减排场景授权H5", Way::Page(METRO, World::lighting), "/h5/light"),
        ("01.Z203:账户授权/取消的更新", Way::Pushed(METRO, "Z203", |w| w.ccid.clone()), ""),
        ("01.Z204:账号授权信息查询", Way::Call(METRO, "01/Z204", World::whose), "authorizations"),
        ("01.Z301:获取轨道交通出行距离字典", Way::Look(METRO, "01/Z301?from=E01&to=E02"), "pairs"),
        ("01.Z302:减排量计算", Way::Call(METRO, "01/Z302", World::trip), "reductionGrams"),
        (
            "01.Z303:减排量批量计算",
            Way::Call(METRO, "01/Z303", |w| json!({"rows": [w.trip()]})),
            "rows",
        ),
        ("01.Z304:减排量批量报送", Way::Call(METRO, "01/Z304", |w| w.batch.clone()), "verdicts"),
        ("01.Z305:减排量签发结果推送", Way::Pushed(METRO, "Z305", |w| w.serial.clone()), ""),
        (
            "01.Z306:减排量签发结果查询",
            Way::Call(METRO, "01/Z306", |w| json!({"recordSerials": [w.serial]})),
            "records",
        ),
        ("01.Z501:碳减排量账户查询", Way::Call(METRO, "01/Z501", World::whose), "issuedGrams"),
        ("01.Z502:碳减排量账单查询", Way::Call(METRO, "01/Z502", World::whose), "entries"),
        ("01.Z503:碳减排量账单推送", Way::Pushed(METRO, "Z503", |w| w.serial.clone()), ""),
        ("01.Z504:个人碳账户开通场景信息查询", Way::Call(METRO, "01/Z504", World::whose), "scenes"),
        ("01.Z601:消息接收地址配置", Way::Address(METRO, "01/Z601", "Z203"), "addresses"),
        ("C101:账号匹配接口", Way::Partner(METRO, "C101", World::match_at_metro), "partnerUid"),
        (
            "C201:原始采集数据查询",
            Way::Partner(METRO, "C201", |w| json!({"serials": [w.serial]})),
            "records",
        ),
        ("Z101:获取登录令牌", Way::Call(MALL, "Z101", |_| json!({})), "token"),
        ("Z102:获取签名", Way::Call(MALL, "Z102", World::zone_at_mall), "url"),
        ("Z201:获取许可协议", Way::Call(MALL, "Z201", |_| json!({})), "agreements"),
        ("02.Z202:账户权益平台授权H5", Way::Page(MALL, World::linking), "/link"),
        ("02.Z203:账户授权/取消的更新", Way::Linked, ""),
        (
            "02.Z204:账号授权信息查询",
            Way::Call(MALL, "02/Z204", World::whose_at_mall),
            "authorizations",
        ),
        ("02.Z303:权益平台订单结算", Way::Call(MALL, "02/Z303", World::order), "status"),
        (
            "02.Z401:个人碳账户开通场景查询",
            Way::Call(MALL, "02/Z401", World::whose_at_mall),
            "scenes",
        ),
        (
            "02.Z402:碳账户积分信息查询",
            Way::Call(MALL, "02/Z402", World::whose_at_mall),
            "availablePoints",
        ),
        ("02.Z403:碳积分账单查询", Way::Call(MALL, "02/Z403", World::whose_at_mall), "entries"),
        ("02.Z404:碳账户账单推送", Way::Pushed(MALL, "Z404", |w| w.mall_ccid.clone()), ""),
        ("02.Z405:根据authCode获取用户信息", Way::Visit, "maskedName"),
        ("02.Z501:消息接收地址配置", Way::Address(MALL, "02/Z501", "Z203"), "addresses"),
        ("Q101:账号匹配接口", Way::Partner(MALL, "Q101", World::match_at_mall), "partnerUid"),
    ]
}

/// A citizen who has done everything once, so that every interface has something to tell.
struct World {
    stage: Stage,
    lit: Lit,
    ccid: String,
    mall_ccid: String,
    did: String,
    serial: String,
    batch: Value,
    h5: String,
    browser: Mutex<Browser>,
    mall_page: Ended,
}

impl World {
    async fn prepare() -> anyhow::Result<Self> {
        let stage = Stage::start(u64::from(std::process::id()) ^ 0x43, "").await?;
        stage.adopt_policy_of(10).await?;
        let lit = stage.lit(stage.first_on("metro")).await?;
        for (app, path, kind) in [(METRO, "01/Z601", "Z503"), (MALL, "02/Z501", "Z404")] {
            address(&stage, app, path, kind).await?;
        }
        let citizen = stage.citizens[lit.citizen].clone();
        let mut browser = stage.cast.browser();
        let home = journeys::enter_from_city(&stage.cast, &citizen, &mut browser).await?;
        let mall_page = match visits::link_mall(&mut browser, &home, MALL).await? {
            Outcome::Done(ended) => *ended,
            Outcome::Failed => bail!("the mall was not linked"),
        };
        let did = stage.sandbox.did_of(&citizen.id_no)?;
        let mall_ccid = stage.sandbox.ccid_of(&did, stage.sandbox.mall())?.to_string();
        let request = batch("list", &trips(&lit, "list", 1));
        let (serial, ccid) = (request.records[0].serial.to_string(), lit.ccid.to_string());
        submit(stage.caller(&lit), &request).await?;
        let world = Self {
            batch: serde_json::to_value(request)?,
            h5: String::new(),
            did: did.to_string(),
            browser: Mutex::new(browser),
            stage,
            lit,
            ccid,
            mall_ccid,
            serial,
            mall_page,
        };
        let h5 = world.chain("4.4.2", &world.person()).await?;
        let world = Self { h5: h5["serial"].as_str().context("no serial")?.to_owned(), ..world };
        world.until("SUBMITTED").await?;
        let run = json!({"serial": "list", "through": world.tomorrow()});
        let _: Value = world.stage.operator.post("issuance-runs", &run).await?;
        world.until("ISSUED").await?;
        Ok(world)
    }

    fn tomorrow(&self) -> String {
        carbon_simulations::demo::caller::now().day().plus(1).to_string()
    }

    /// Waits until the record is so far.
    async fn until(&self, status: &str) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let body = json!({"recordSerials": [self.serial]});
            let results = self.call(METRO, "01/Z306", &body).await?;
            if results["records"][0]["status"] == status {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "{status} does not come: {results}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn citizen(&self) -> &Citizen {
        &self.stage.citizens[self.lit.citizen]
    }

    fn partner(&self, app: &str) -> &Partner {
        partner(&self.stage, app)
    }

    fn whose(&self) -> Value {
        json!({"ccid": self.ccid})
    }

    fn whose_at_mall(&self) -> Value {
        json!({"ccid": self.mall_ccid})
    }

    fn trip(&self) -> Value {
        let record = &self.batch["records"][0];
        json!({"scene": record["scene"], "behaviour": record["behaviour"]})
    }

    fn order(&self) -> Value {
        json!({"serial": "list-1", "orderNo": "list", "ccid": self.mall_ccid, "action": "FREEZE",
            "points": 1})
    }

    fn entry(page: &str, ccid: &str, scenes: Value) -> Value {
        json!({"page": page, "scenes": scenes, "ccid": ccid, "realNameVerified": true})
    }

    fn zone(&self) -> Value {
        Self::entry("zone", &self.ccid, json!([]))
    }

    fn zone_at_mall(&self) -> Value {
        Self::entry("zone", &self.mall_ccid, json!([]))
    }

    fn lighting(&self) -> Value {
        Self::entry("light", &self.ccid, json!(["metro"]))
    }

    fn linking(&self) -> Value {
        Self::entry("mall", &self.mall_ccid, json!([]))
    }

    /// Real-name data, sealed under an application's key.
    fn sealed(&self, keys: &carbon_simulations::sandbox::wire::Keys) -> Value {
        let who = self.citizen();
        let seal = |field: &str, plain: &str| {
            SealedField::seal(&keys.data, &keys.app, field, plain, rand::random())
        };
        json!({"name": seal("name", &who.name), "idNo": seal("idNo", &who.id_no),
            "phone": seal("phone", &who.phone)})
    }

    fn match_at_metro(&self) -> Value {
        self.sealed(self.partner(METRO).keys())
    }

    fn match_at_mall(&self) -> Value {
        self.sealed(self.partner(MALL).keys())
    }

    fn person(&self) -> Value {
        let partner = self.partner(METRO);
        let mut body = self.sealed(partner.chain_keys());
        body["returnUrl"] = json!(format!("{}/return", partner.base()));
        body
    }

    fn legal(&self) -> Value {
        json!({"name": "示例地铁运营公司", "creditCode": "91350100M000100Y43"})
    }

    fn legal_h5(&self) -> Value {
        let (partner, who) = (self.partner(METRO), self.citizen());
        let keys = partner.chain_keys();
        let seal = |field: &str, plain: &str| {
            SealedField::seal(&keys.data, &keys.app, field, plain, rand::random())
        };
        let mut body = self.legal();
        body["agentName"] = json!(seal("agentName", &who.name));
        body["agentIdNo"] = json!(seal("agentIdNo", &who.id_no));
        body["returnUrl"] = json!(format!("{}/return", partner.base()));
        body
    }

    fn signing_h5(&self) -> Value {
        let back = format!("{}/return", self.partner(METRO).base());
        json!({"ccid": self.ccid, "content": "list", "returnUrl": back})
    }

    async fn call(&self, app: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        call(&self.stage, app, path, body).await
    }

    async fn chain(&self, code: &str, body: &Value) -> anyhow::Result<Value> {
        identity(self.stage.sandbox.chain_client(self.partner(METRO))?, code, body).await
    }

    /// Calls a row, and gives its answer.
    async fn ask(&self, way: Way) -> anyhow::Result<Value> {
        match way {
            Way::Call(app, path, body) => self.call(app, path, &body(self)).await,
            Way::Look(app, path) => {
                let player = self.stage.cast.players.iter().find(|p| p.app.as_str() == app);
                player.context("no such application")?.caller.ask(path).await
            }
            Way::Page(app, body) => {
                let answer = self.call(app, "Z102", &body(self)).await?;
                let entry: Entry = serde_json::from_value(answer)?;
                let link = self.stage.cast.platform.join(&entry.url)?;
                let mut browser = self.stage.cast.browser();
                let page = browser.open("page", &link).await?.expect_ok("the page")?;
                let page = match page.leads_on() {
                    Some(next) => browser.open("page", &next).await?.expect_ok("the page")?,
                    None => page,
                };
                ensure!(page.html.contains("</main>"), "no page: {}", page.html);
                Ok(json!({page.url.path(): true}))
            }
            Way::Address(app, path, kind) => address(&self.stage, app, path, kind).await,
            Way::Pushed(app, kind, text) => self.pushed(app, kind, &text(self)).await,
            Way::Linked => {
                let url = format!("{}/sandbox/citizens", self.partner(MALL).base());
                let told = client().get(url).send().await?.text().await?;
                ensure!(told.contains(&self.mall_ccid), "the mall knows only {told}");
                Ok(json!({}))
            }
            Way::Visit => {
                let mut browser = self.browser.lock().await;
                let url = visits::enter_mall(&mut browser, &self.mall_page, MALL).await?;
                let code = url.query_pairs().find(|(name, _)| name == "authCode");
                let (_, code) = code.context("no authCode")?;
                self.call(MALL, "02/Z405", &json!({"authCode": code})).await
            }
            Way::Partner(app, code, body) => at_partner(self.partner(app), code, &body(self)).await,
            Way::Chain(code, body) => self.chain(code, &body(self)).await,
            Way::Platform(code, body) => {
                identity(self.stage.sandbox.platform_client()?, code, &body(self)).await
            }
            Way::Register => {
                let platform = self.stage.sandbox.platform_client()?;
                let mut body = self.sealed(platform.keys());
                body["smsCode"] = json!(self.sms_code().await?);
                identity(platform, "3.1", &body).await
            }
            Way::Sign => {
                let platform = self.stage.sandbox.platform_client()?;
                let code = self.sms_code().await?;
                let body = json!({"did": self.did, "smsCode": code, "content": "list"});
                identity(platform, "3.3", &body).await
            }
        }
    }

    /// Has an SMS sent to the citizen, and reads it.
    async fn sms_code(&self) -> anyhow::Result<String> {
        let (platform, phone) = (self.stage.sandbox.platform_client()?, &self.citizen().phone);
        let sealed = platform.seal("phone", phone);
        identity(platform, "sms-code", &json!({"phone": sealed})).await?;
        self.stage.sandbox.sms_code(phone).await
    }

    async fn pushed(&self, app: &str, kind: &str, text: &str) -> anyhow::Result<Value> {
        let deliveries = self.partner(app).deliveries();
        loop {
            let all = deliveries.all();
            let told = all.iter().filter(|one| one.verified && one.kind == kind);
            let mut told = told.map(|one| String::from_utf8_lossy(&one.body).into_owned());
            if told.any(|body| body.contains(text)) {
                return Ok(json!({}));
            }
            ensure!(deliveries.more_than(all.len(), PATIENCE).await, "{kind} was not pushed");
        }
    }
}

fn partner<'s>(stage: &'s Stage, app: &str) -> &'s Partner {
    let mut all = stage.sandbox.partners();
    all.find(|partner| partner.profile().app == app).expect("a partner of the sandbox")
}

async fn call(stage: &Stage, app: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let player = stage.cast.players.iter().find(|player| player.app.as_str() == app);
    let caller = &player.context("no such application")?.caller;
    let answered: Answered<Value> = caller.call(path, body).await?;
    answered.map_err(|no| anyhow::anyhow!("{path}: {no:?}"))
}

/// Sets the address of a kind of push.
async fn address(stage: &Stage, app: &str, path: &str, kind: &str) -> anyhow::Result<Value> {
    let url = partner(stage, app).push_url(kind);
    call(stage, app, path, &json!({"set": {"kind": kind, "url": url}})).await
}

async fn identity(client: Client, code: &str, body: &Value) -> anyhow::Result<Value> {
    client.call_bare::<_, Value>(code, body).await?.data()
}

/// Calls a partner's server as the platform does; the answer's signature counts.
async fn at_partner(partner: &Partner, code: &str, body: &Value) -> anyhow::Result<Value> {
    let body = serde_json::to_vec(body)?;
    let path = format!("/{code}");
    let mut request = client().post(format!("{}{path}", partner.base()));
    for (name, value) in sign_request(partner.keys(), Default::default(), "POST", &path, &body) {
        request = request.header(name, value);
    }
    let answer = request.header("content-type", "application/json").body(body).send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let bytes = answer.bytes().await?;
    ensure!(status == 200, "{code} answered {status}");
    ensure!(answer_is_signed(partner.keys(), status, &headers, &bytes), "{code} is not signed");
    let envelope: Value = serde_json::from_slice(&bytes)?;
    Ok(envelope["data"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_customers_list_is_called_over_http() {
    let world = World::prepare().await.unwrap();
    let mut faults = Vec::new();
    for (row, way, field) in list() {
        match world.ask(way).await {
            Ok(answer) if field.is_empty() || has(&answer, field) => {}
            Ok(answer) => faults.push(format!("{row}: no {field} in {answer}")),
            Err(error) => faults.push(format!("{row}: {error:#}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether an answer has a field that says something; of a page, whether that is where it lies.
fn has(answer: &Value, field: &str) -> bool {
    match field.starts_with('/') {
        true => answer.as_object().is_some_and(|all| all.keys().any(|path| path.ends_with(field))),
        false => !answer[field].is_null(),
    }
}

/// A row's code: `01.Z304` of `01.Z304:减排量批量报送`.
fn code(row: &str) -> &str {
    row.split([':', ' ']).next().unwrap_or(row)
}

#[test]
fn the_readme_shows_every_row_with_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let lines: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    let mut faults = Vec::new();
    for (row, ..) in list() {
        let code = code(row);
        let Some(line) = lines.iter().find(|line| line.starts_with(&format!("| `{code}` "))) else {
            faults.push(format!("{row} has no line in the README's table"));
            continue;
        };
        let links = line.split("](").skip(1).filter_map(|part| part.split(')').next());
        let links: Vec<&str> = links.collect();
        if links.is_empty() {
            faults.push(format!("{row} has no link to its test"));
        }
        for link in links {
            let text = std::fs::read_to_string(root.join(link)).unwrap_or_default();
            let bare = code.trim_start_matches("01.").trim_start_matches("02.");
            if !text.contains(bare) {
                faults.push(format!("{row}: {link} is not there, or says nothing of {bare}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

//! The quick starts of `/docs`, followed word by word: the commands are taken out of the pages as
//! they are served, and run in an empty folder against a running platform with its sandbox.

use std::process::Command;

use carbon::demonstration;
use serde_json::Value;

use super::harness::{client, program, skipped};
use super::stage::Stage;

/// The commands of a page, in their order.
fn commands(html: &str) -> String {
    let blocks = html.split("<pre class=\"run\">").skip(1);
    let blocks = blocks.filter_map(|block| block.split("</pre>").next());
    let text: Vec<&str> = blocks.collect();
    assert!(text.len() > 3, "the page has only {} blocks of commands", text.len());
    text.join("\n").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") + "\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_starts_lead_from_the_token_to_a_settled_order() {
    for needed in ["curl", "openssl", "timeout"] {
        if program(needed).is_none() {
            return skipped("the quick starts", &format!("no {needed}"));
        }
    }
    let stage = Stage::start(u64::from(std::process::id()) ^ 0x9a, "").await.unwrap();
    let read = |name: &str| std::fs::read_to_string(stage.data().join(name)).unwrap();
    let (operator, city) = (read("operator.key"), read("city-app.key"));
    let url = &stage.server.url;
    // What `carbon sandbox --citizens 1` does.
    demonstration::settle(&stage.sandbox, url, operator.trim(), city.trim(), 1).await.unwrap();
    // The text takes the time to the second: the scene was lit in an earlier one.
    let second = || jiff::Timestamp::now().as_second();
    let lit = second();
    while second() == lit {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut script = String::new();
    for page in ["scene", "mall"] {
        let page = format!("{url}/docs/quick-start/{page}");
        script += &commands(&client().get(page).send().await.unwrap().text().await.unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("follow.sh"), &script).unwrap();
    let mut follow = Command::new("timeout");
    follow
        .args(["300", "sh", "-e", "follow.sh"])
        .current_dir(folder.path())
        .env("PLATFORM", url)
        .env("METRO", stage.sandbox.scenes()[0].base())
        .env("MALL", stage.sandbox.mall().base())
        .env("OPERATOR_KEY", operator.trim());
    let followed = tokio::task::spawn_blocking(move || follow.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&followed.stdout);
    let failed = String::from_utf8_lossy(&followed.stderr);
    assert!(followed.status.success(), "{}\n{said}\n{failed}", followed.status);
    assert!(!failed.contains("carbon-sign"), "{failed}");
    for line in said.lines().filter(|line| line.starts_with("{\"code\"")) {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["code"], "0", "{answer}");
    }
    let answers = said.lines().filter(|line| line.starts_with("{\"code\"")).count();
    assert!(answers >= 15, "only {answers} answers:\n{said}");
    for end in ["issued and pushed: quick-", "settled: order-", "refunded: order-"] {
        assert!(said.contains(end), "no {end}:\n{said}\n{failed}");
    }
}

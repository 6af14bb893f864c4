//! Distance dictionaries through the door: imports with their faults, versions by day, and all
//! pairs at once.

use serde_json::json;

use super::*;

/// A trip of a day, without mileage.
fn trip(day: &str) -> Value {
    json!({"scene": "rail", "behaviour": {"rail": {
        "inStation": "E01", "outStation": "E02",
        "inTime": format!("{day}T08:00:00+08:00"), "outTime": format!("{day}T08:30:00+08:00"),
    }}})
}

#[test]
fn a_bad_file_is_refused_with_the_numbers_of_its_lines() {
    with_door(1000, async |door| {
        let head = "station_a,station_b,metres";
        let table = [
            ("", "line 1: expected station_a,station_b,metres"),
            ("E01,E02,1300\n", "line 1: expected station_a,station_b,metres"),
            (
                &format!("{head}\nE01,E02,1300\nE01,E03\n# fine\nE02,E01,7\nE03,E02,far\n"),
                "line 3: expected three columns; line 5: this pair stands above; \
                 line 6: metres are no whole number",
            ),
        ];
        for (csv, told) in table {
            let answer = door.import("source=x&effective=2026-01-01", csv).await;
            answer.refused("40012", "csv", csv);
            assert_eq!(answer.json["detail"], told, "{csv}");
        }
        for (query, code, field) in [
            ("effective=2026-01-01", "40001", "source"),
            ("source=x", "40001", "effective"),
            ("source=&effective=2026-01-01", "40003", "source"),
            ("source=x&effective=tomorrow", "40003", "effective"),
            ("source=x&effective=2026-01-01&colour=1", "40002", "colour"),
        ] {
            door.import(query, DISTANCES).await.refused(code, field, query);
        }
        let long = format!("{head}\n{}", "#".repeat(4 * BODY_BYTES));
        door.import("source=x&effective=2026-01-01", &long).await.refused("41301", "", "long");
        let listed = door.operate("GET", "/admin/v1/dictionaries", json!({})).await;
        assert_eq!(listed.data()["dictionaries"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_version_measures_trips_from_its_day_on() {
    with_door(1000, async |door| {
        let metro = door.caller("metro").await;
        let longer = DISTANCES.replace("E01,E02,1300", "E02,E01,2000");
        let query = "source=agreed&effective=2026-11-20&verified=true";
        assert_eq!(door.import(query, &longer).await.data()["replay"], false);
        assert_eq!(door.import(query, &longer).await.data()["replay"], true);
        // 1300 × 0.071 = 92.3 before, 2000 × 0.071 = 142 from the day on.
        for (day, grams) in [("2026-11-19", 92), ("2026-11-20", 142), ("2026-11-23", 142)] {
            let priced = door.post(&metro, "01/Z302", trip(day)).await;
            assert_eq!(priced.data()["reductionGrams"], grams, "{day}");
        }
        let path = |query: &str| format!("/api/v1/01/Z301?from=E01&to=E02{query}");
        let mut versions = Vec::new();
        for (query, metres) in [("", 2000), ("&day=2026-11-19", 1300), ("&day=2030-01-01", 2000)] {
            let sending = Sending::new(&metro, "GET", &path(query), Vec::new());
            let answer = door.send(&metro, &sending).await;
            assert_eq!(answer.data()["pairs"][0]["distanceMetres"], metres, "{query}");
            versions.push(answer.data()["version"].clone());
        }
        assert!(versions[0] == versions[2] && versions[0] != versions[1]);
        let early = Sending::new(&metro, "GET", &path("&day=2023-12-31"), Vec::new());
        door.send(&metro, &early).await.refused("40401", "day", "before the first");
        let listed = door.operate("GET", "/admin/v1/dictionaries", json!({})).await;
        let newest = listed.data()["dictionaries"][1].clone();
        assert_eq!((&newest["version"], &newest["verified"]), (&versions[0], &json!(true)));
        assert_eq!((&newest["pairs"], &newest["stations"]), (&json!(3), &json!(3)));
        assert_eq!(
            (&newest["source"], &newest["effective"]),
            (&json!("agreed"), &json!("2026-11-20"))
        );
    });
}

#[test]
fn all_pairs_come_at_once_as_the_text_that_can_be_imported() {
    with_door(1000, async |door| {
        let metro = door.caller("metro").await;
        let get = async |query: &str, tag: Option<&str>| {
            let path = format!("/api/v1/01/Z301?{query}");
            let mut sending = Sending::new(&metro, "GET", &path, Vec::new());
            sending.extra.extend(tag.map(|tag| ("if-none-match", tag.to_owned())));
            door.send(&metro, &sending).await
        };
        let all = get("all=true", None).await;
        assert_eq!(all.data()["csv"], DISTANCES);
        assert_eq!(all.data()["pairs"], json!([]));
        let tag = all.headers["etag"].to_str().unwrap();
        assert_eq!(get("all=true", Some(tag)).await.status, 304);
        get("all=true&from=E01&to=E02", None).await.refused("40001", "all", "both");
        assert!(get("all=false", None).await.data()["csv"].is_null());
        let again = door.import("source=back&effective=2026-12-01", DISTANCES).await;
        assert_eq!(again.data()["replay"], false);
    });
}

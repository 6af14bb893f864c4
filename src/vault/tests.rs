//! What the vault keeps over a restart, what it forgets for good, and what it refuses.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir) -> Result<FileVault, Failure> {
    FileVault::open(folder.path(), &Config { queue_people: 64 })
}

fn person(no: u32) -> Person {
    let phone = no.is_multiple_of(2).then(|| format!("1380000{no:04}"));
    Person { name: "王小明".into(), id_no: format!("31010119900101{no:04}"), phone }
}

#[tokio::test]
async fn people_and_secrets_open_after_a_restart_and_accounts_stay_the_same() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let account = vault.account_of("31010119900101123X");
    let sealing = (0..40).map(|no| vault.seal_person(person(no)));
    let sealed: Vec<SealedPerson> =
        futures::future::join_all(sealing).await.into_iter().map(Result::unwrap).collect();
    let mut slots: Vec<u64> = sealed.iter().map(|sealed| sealed.slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (1..=40).collect::<Vec<_>>());
    let secret = vault.seal_secret(b"signing key");
    assert!(!secret.windows(7).any(|part| part == b"signing"));
    drop(vault);
    let vault = open(&folder).unwrap();
    for (no, sealed) in (0..).zip(&sealed) {
        assert!(vault.open_person(sealed).unwrap() == Some(person(no)));
    }
    assert_eq!(vault.open_secret(&secret).unwrap(), b"signing key");
    assert_eq!(vault.account_of(" 31010119900101123x "), account);
    assert_ne!(vault.account_of("310101199001011231"), account);
    assert_eq!(vault.seal_person(person(1)).await.unwrap().slot, 41);
}

#[tokio::test]
async fn an_erased_person_is_gone_for_good_and_nobody_else_is() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let first = vault.seal_person(person(1)).await.unwrap();
    let second = vault.seal_person(person(2)).await.unwrap();
    let file = folder.path().join("people.keys");
    let key = std::fs::read(&file).unwrap()[32..48].to_vec();
    vault.erase(first.slot).await.unwrap();
    assert!(vault.open_person(&first).unwrap().is_none());
    assert!(!std::fs::read(&file).unwrap().windows(16).any(|part| part == key));
    drop(vault);
    let vault = open(&folder).unwrap();
    assert!(vault.open_person(&first).unwrap().is_none());
    assert!(vault.open_person(&second).unwrap() == Some(person(2)));
    assert!(vault.erase(99).await.is_err());
    assert!(vault.erase(0).await.is_err());
}

#[tokio::test]
async fn what_was_tampered_with_or_lost_is_a_failure_and_not_an_erasure() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let sealed = vault.seal_person(person(1)).await.unwrap();
    let other = vault.seal_person(person(2)).await.unwrap();
    for at in 0..sealed.bytes.len() {
        let mut bad = sealed.clone();
        bad.bytes[at] ^= 1;
        assert!(vault.open_person(&bad).is_err(), "byte {at}");
    }
    assert!(vault.open_person(&SealedPerson { slot: other.slot, ..sealed.clone() }).is_err());
    assert!(vault.open_person(&SealedPerson { slot: 77, ..sealed.clone() }).is_err());
    let secret = vault.seal_secret(b"key");
    assert!(vault.open_secret(&secret[1..]).is_err());
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.path().join("people.keys"))
        .unwrap();
    let mut slot = [0; 32];
    file.read_exact_at(&mut slot, 32).unwrap();
    for at in 0..32 {
        let mut bad = slot;
        bad[at] ^= 1;
        file.write_all_at(&bad, 32).unwrap();
        assert!(vault.open_person(&sealed).is_err(), "slot byte {at}");
    }
    // Zeros are what a lost write leaves.
    file.write_all_at(&[0; 32], 32).unwrap();
    assert!(vault.open_person(&sealed).is_err());
    file.write_all_at(&slot, 32).unwrap();
    assert!(vault.open_person(&sealed).unwrap().is_some());
}

#[tokio::test]
async fn a_slot_written_in_part_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let sealed = vault.seal_person(person(1)).await.unwrap();
    drop(vault);
    let path = folder.path().join("people.keys");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(&[7; 11]);
    std::fs::write(&path, bytes).unwrap();
    let vault = open(&folder).unwrap();
    assert_eq!(vault.seal_person(person(2)).await.unwrap().slot, 3);
    assert!(vault.open_person(&sealed).unwrap().is_some());
}

#[test]
fn keys_are_private_never_drawn_twice_and_never_mistaken() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    assert!(open(&folder).err().unwrap().to_string().contains("open elsewhere"));
    drop(vault);
    let path = folder.path().join("keys.toml");
    for name in ["keys.toml", "people.keys"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let digit = text.find('"').unwrap() + 1;
    let mut slip = text.clone().into_bytes();
    slip[digit] = if slip[digit] == b'0' { b'1' } else { b'0' };
    std::fs::write(&path, slip).unwrap();
    assert!(open(&folder).err().unwrap().to_string().contains("damaged"));
    std::fs::remove_file(&path).unwrap();
    assert!(open(&folder).is_err());
    std::fs::write(&path, text).unwrap();
    assert!(open(&folder).is_ok());
}

//! What the vault keeps over a restart, what it forgets for good, and what it refuses.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use carbon_protocol::seal::{DataKey, open_bytes, seal_bytes};
use carbon_protocol::signature::mac;
use carbon_protocol::sm2::PrivateKey;
use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir) -> Result<FileVault, Failure> {
    open_with(folder, "", "")
}

/// A vault below a folder, so that what lies beside it is the test's own, too.
fn open_with(folder: &TempDir, key_file: &str, passphrase: &str) -> Result<FileVault, Failure> {
    let named = |name: &str| match name {
        "" => String::new(),
        name => folder.path().join(name).display().to_string(),
    };
    let (key_file, passphrase_file) = (named(key_file), named(passphrase));
    let config = Config { queue_people: 64, key_file, passphrase_file };
    FileVault::open(&at(folder, ""), &config)
}

fn at(folder: &TempDir, name: &str) -> std::path::PathBuf {
    folder.path().join("vault").join(name)
}

fn person(no: u32) -> Person {
    let phone = no.is_multiple_of(2).then(|| format!("1380000{no:04}"));
    Person { name: "王小明".into(), id_no: format!("31010119900101{no:04}"), phone }
}

#[tokio::test]
async fn people_and_secrets_open_after_a_restart_and_accounts_stay_the_same() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let account = vault.account_of("31010119900101123X").unwrap();
    let sealing = (0..40).map(|no| vault.seal_person(person(no)));
    let sealed: Vec<SealedPerson> =
        futures::future::join_all(sealing).await.into_iter().map(Result::unwrap).collect();
    let mut slots: Vec<u64> = sealed.iter().map(|sealed| sealed.slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (1..=40).collect::<Vec<_>>());
    let secret = vault.take(Purpose::Mac, b"signing key").unwrap();
    assert!(!secret.0.windows(7).any(|part| part == b"signing"));
    let (tag, public) = (vault.mac(&secret, MacType::HmacSm3, b"x").unwrap(), vault.public_key());
    drop(vault);
    let vault = open(&folder).unwrap();
    for (no, sealed) in (0..).zip(&sealed) {
        assert!(vault.open_person(sealed).unwrap() == Some(person(no)));
    }
    assert_eq!(vault.mac(&secret, MacType::HmacSm3, b"x").unwrap(), tag);
    assert_eq!(tag, mac(MacType::HmacSm3, b"signing key", b"x"));
    assert_eq!(vault.public_key(), public);
    assert!(public.verify(b"x", &vault.sign(b"x").unwrap()));
    assert_eq!(vault.account_of(" 31010119900101123x ").unwrap(), account);
    assert_ne!(vault.account_of("310101199001011231").unwrap(), account);
    assert_eq!(vault.seal_person(person(1)).await.unwrap().slot, 41);
}

#[tokio::test]
async fn an_erased_person_is_gone_for_good_and_nobody_else_is() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let first = vault.seal_person(person(1)).await.unwrap();
    let second = vault.seal_person(person(2)).await.unwrap();
    let file = at(&folder, "people.keys");
    let key = std::fs::read(&file).unwrap()[65..109].to_vec();
    vault.erase_person(first.slot).await.unwrap();
    assert!(vault.open_person(&first).unwrap().is_none());
    assert!(!std::fs::read(&file).unwrap().windows(44).any(|part| part == key));
    drop(vault);
    let vault = open(&folder).unwrap();
    assert!(vault.open_person(&first).unwrap().is_none());
    assert!(vault.open_person(&second).unwrap() == Some(person(2)));
    assert!(vault.erase_person(99).await.is_err());
    assert!(vault.erase_person(0).await.is_err());
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
    let secret = vault.take(Purpose::Mac, b"key").unwrap();
    for at in 0..secret.0.len() {
        let mut bad = secret.clone();
        bad.0[at] ^= 1;
        assert!(vault.mac(&bad, MacType::HmacSm3, b"x").is_err(), "byte {at} of a handle");
    }
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(at(&folder, "people.keys"))
        .unwrap();
    let mut slot = [0; 64];
    file.read_exact_at(&mut slot, 64).unwrap();
    for at in 0..64 {
        let mut bad = slot;
        bad[at] ^= 1;
        file.write_all_at(&bad, 64).unwrap();
        assert!(vault.open_person(&sealed).is_err(), "slot byte {at}");
    }
    // Zeros are what a lost write leaves.
    file.write_all_at(&[0; 64], 64).unwrap();
    assert!(vault.open_person(&sealed).is_err());
    file.write_all_at(&slot, 64).unwrap();
    assert!(vault.open_person(&sealed).unwrap().is_some());
}

#[tokio::test]
async fn a_slot_written_in_part_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder).unwrap();
    let sealed = vault.seal_person(person(1)).await.unwrap();
    drop(vault);
    let path = at(&folder, "people.keys");
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
    let path = at(&folder, "keys.toml");
    for name in ["keys.toml", "people.keys"] {
        let mode = std::fs::metadata(at(&folder, name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    for place in 0..text.len() {
        let mut slip = text.clone().into_bytes();
        slip[place] = if slip[place] == b'0' { b'1' } else { b'0' };
        std::fs::write(&path, slip).unwrap();
        assert!(open(&folder).is_err(), "byte {place}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(open(&folder).is_err());
    std::fs::write(&path, text).unwrap();
    assert!(open(&folder).is_ok());
}

/// Every file below a folder with its bytes.
fn files(folder: &TempDir) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in [folder.path().to_owned(), at(folder, "")] {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            files.push((path.display().to_string(), std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn without_the_right_master_key_nothing_opens_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    let key = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    key("master", &"5a".repeat(16));
    key("other", &"5b".repeat(16));
    key("short", "5a5a");
    key("passphrase", "correct horse battery staple\n");
    let begin = files(&folder);
    for (file, passphrase, why) in [
        ("nowhere", "", "missing"),
        ("short", "", "32 hexadecimal digits"),
        ("", "short", "at least 12 bytes"),
        ("master", "passphrase", "not both"),
    ] {
        let error = open_with(&folder, file, passphrase).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(files(&folder), begin, "nothing is drawn with {file}{passphrase}");
    }
    let vault = open_with(&folder, "master", "").unwrap();
    let sealed = vault.seal_person(person(1)).await.unwrap();
    drop(vault);
    let kept = files(&folder);
    for (file, passphrase, why) in [
        ("other", "", "another key"),
        ("", "passphrase", "begun with a key file"),
        ("", "", "vault.key is missing"),
        ("nowhere", "", "missing"),
    ] {
        let error = open_with(&folder, file, passphrase).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(files(&folder), kept, "with {file}{passphrase}");
    }
    let vault = open_with(&folder, "master", "").unwrap();
    assert!(vault.open_person(&sealed).unwrap() == Some(person(1)));
    // At rest nothing is in the clear: the keys change with every wrapping, the text never shows.
    for (name, bytes) in files(&folder) {
        let shows = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        assert!(!shows("王小明".as_bytes()) && !shows(b"account_ids"), "{name}");
    }
}

#[test]
fn a_passphrase_opens_what_it_began_and_another_does_not() {
    let folder = TempDir::new().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("passphrase"), text).unwrap();
    write("correct horse battery staple");
    let public = open_with(&folder, "", "passphrase").unwrap().public_key();
    assert!(!folder.path().join("vault.key").exists(), "no key lies beside it");
    let kept = std::fs::read(at(&folder, "keys.toml")).unwrap();
    write("correct horse battery stable");
    let error = open_with(&folder, "", "passphrase").err().unwrap().to_string();
    assert!(error.contains("another key"), "{error}");
    assert_eq!(std::fs::read(at(&folder, "keys.toml")).unwrap(), kept);
    // The line feed that editors add is not part of it.
    write("correct horse battery staple\n");
    assert_eq!(open_with(&folder, "", "passphrase").unwrap().public_key(), public);
}

/// An HSM by its contract: handles are numbers, keys stay inside, each works for its use only.
#[derive(Default)]
struct Hsm {
    keys: parking_lot::Mutex<Vec<(Usage, Vec<u8>)>>,
}

impl Hsm {
    fn key(&self, usage: Usage, handle: &[u8]) -> Result<Vec<u8>, Failure> {
        let no = usize::from(handle[0]);
        let found = self.keys.lock().get(no).filter(|(of, _)| *of == usage).cloned();
        found.map(|(_, key)| key).ok_or_else(|| Failure::Vault("no such key".into()))
    }

    fn data_key(&self, usage: Usage, handle: &[u8]) -> Result<DataKey, Failure> {
        Ok(DataKey::new(self.key(usage, handle)?.try_into().unwrap()))
    }
}

impl KeyProvider for Hsm {
    fn account_tag(&self, id_no: &[u8]) -> Result<[u8; 32], Failure> {
        Ok(mac(MacType::HmacSm3, b"inside", id_no))
    }
    fn draw(&self, usage: Usage) -> Result<Vec<u8>, Failure> {
        self.wrap(usage, &rand::random::<[u8; 16]>())
    }
    fn wrap(&self, usage: Usage, key: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut keys = self.keys.lock();
        keys.push((usage, key.to_vec()));
        Ok(vec![u8::try_from(keys.len() - 1).unwrap()])
    }
    fn mac(&self, handle: &[u8], kind: MacType, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        Ok(mac(kind, &self.key(Usage::Mac, handle)?, bytes))
    }
    fn seal(
        &self,
        of: Usage,
        handle: &[u8],
        about: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        Ok(seal_bytes(&self.data_key(of, handle)?, rand::random(), about, plain))
    }
    fn open(
        &self,
        usage: Usage,
        handle: &[u8],
        about: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        Ok(open_bytes(&self.data_key(usage, handle)?, about, sealed))
    }
    fn sign(&self, bytes: &[u8]) -> Result<String, Failure> {
        Ok(PrivateKey::from_bytes(&[3; 32]).unwrap().sign(bytes))
    }
    fn public_key(&self) -> PublicKey {
        PrivateKey::from_bytes(&[3; 32]).unwrap().public()
    }
}

#[tokio::test]
async fn the_vault_works_over_any_provider_of_keys_and_no_key_works_for_another_use() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let config = Config { queue_people: 64, key_file: "".into(), passphrase_file: "".into() };
    let hsm = FileVault::with(Arc::new(Hsm::default()), folder.path(), &config).unwrap();
    for vault in [hsm, open(&other).unwrap()] {
        let sealed = vault.seal_person(person(1)).await.unwrap();
        assert!(vault.open_person(&sealed).unwrap() == Some(person(1)));
        let (app, secret) = (AppId::parse("metro").unwrap(), [7; 16]);
        let mac_key = vault.take(Purpose::Mac, &secret).unwrap();
        let data_key = vault.take(Purpose::Fields, &secret).unwrap();
        let tag = vault.mac(&mac_key, MacType::HmacSha256, b"x").unwrap();
        assert_eq!(tag, mac(MacType::HmacSha256, &secret, b"x"));
        let field = vault.seal_field(&data_key, &app, "name", "张三").unwrap();
        assert_eq!(field.open(&DataKey::new(secret), "metro", "name").unwrap().as_str(), "张三");
        let opened = vault.open_field(&data_key, &app, "name", &field).unwrap().unwrap();
        assert_eq!(opened.as_str(), "张三");
        assert!(vault.open_field(&data_key, &app, "idNo", &field).unwrap().is_none());
        assert!(vault.mac(&data_key, MacType::HmacSm3, b"x").is_err());
        assert!(vault.seal_field(&mac_key, &app, "name", "张三").is_err());
        vault.erase_person(sealed.slot).await.unwrap();
        assert!(vault.open_person(&sealed).unwrap().is_none());
    }
    // A person's wrapped key is no application's.
    let vault = open(&other).unwrap();
    let person = vault.seal_person(person(2)).await.unwrap();
    let handle = KeyHandle(vault.keystore.get(person.slot).unwrap().unwrap());
    assert!(vault.mac(&handle, MacType::HmacSm3, b"x").is_err());
}

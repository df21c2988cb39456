use super::*;

const EXAMPLE: &str = include_str!("../../../docs/examples/users.toml");
const NATIVE: &str = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7";

fn checked(text: &str) -> Result<Users, String> {
    let raw = config_file::parse(Path::new("users.toml"), text).map_err(|error| error.to_string())?;
    Users::check(raw, PolicyName::Strict).map_err(|problems| problems.to_string())
}

#[test]
fn the_example_is_a_users_file_and_its_verifiers_are_of_secret() {
    let users = checked(EXAMPLE).unwrap();
    assert_eq!(users.count(), 2);
    let app = users.find(b"app").unwrap();
    assert_eq!(
        (app.policy(), app.credential().require_tls),
        (PolicyName::Strict, false)
    );
    assert_eq!(
        app.credential().plugins(),
        [Plugin::CachingSha2, Plugin::NativePassword]
    );
    assert!(app.credential().caching_sha2.as_ref().unwrap().verify(b"secret"));
    assert_eq!(
        app.credential().native,
        Some(native_password::Verifier::make(b"secret"))
    );
    let dba = users.find(b"dba").unwrap();
    assert_eq!(
        (dba.policy(), dba.credential().require_tls),
        (PolicyName::Off, true)
    );
    assert_eq!(dba.credential().plugins(), [Plugin::NativePassword]);
    assert!(!app.replication() && !dba.replication());
    assert!(users.find(b"App").is_none());
}

#[test]
fn all_problems_of_all_entries_come_at_once() {
    let shown = checked(&format!(
        "[[user]]\nname = \"a\"\n[[user]]\nname = \"b\"\nnative = \"secret\"\n[[user]]\nname = \"\"\nnative = \"{NATIVE}\"\n\
         [[user]]\nname = \"c\"\nnative = \"{NATIVE}\"\n[[user]]\nname = \"c\"\nnative = \"{NATIVE}\"\n\
         [[user]]\nname = \"d\"\ncaching-sha2 = \"$A$005$short\"\n"
    ))
    .unwrap_err();
    for part in [
        "5 problems",
        "user 1 \"a\": has no native, caching-sha2 or ed25519",
        "user 2 \"b\" native: expected a star and forty hexadecimal digits",
        "user 3 \"\": a name has 1 to 320 bytes",
        "user 5 \"c\": has the name of an earlier one",
        "user 6 \"d\" caching-sha2: expected $A$005$",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    assert!(!shown.contains("secret\""), "{shown}");
}

#[test]
fn nothing_printed_holds_a_verifier() {
    let raw: raw::Users = config_file::parse(Path::new("x"), EXAMPLE).unwrap();
    let users = Users::check(raw.clone(), PolicyName::Strict).unwrap();
    let shown = format!(
        "{raw:?} {users:?} {:?}",
        Verifiers::make(b"secret", &[Plugin::NativePassword])
    );
    assert!(
        shown.contains("app") && !shown.contains("14E65567") && !shown.contains("$A$"),
        "{shown}"
    );
}

#[test]
fn a_mariadb_account_is_imported_as_it_is_kept() {
    // authentication_string of CREATE USER … IDENTIFIED VIA ed25519 USING PASSWORD('secret')
    let kept = "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY";
    let users = checked(&format!("[[user]]\nname = \"a\"\ned25519 = \"{kept}\"\n")).unwrap();
    let user = users.find(b"a").unwrap();
    assert_eq!(user.credential().plugins(), [Plugin::Ed25519]);
    let made = Verifiers::make(b"secret", &[Plugin::Ed25519]);
    assert_eq!(user.credential().ed25519, made.ed25519);
    let entry = raw::User::new("a", None, &made);
    assert_eq!(entry.ed25519.as_deref(), Some(kept));
    let shown = checked("[[user]]\nname = \"a\"\ned25519 = \"secret\"\n").unwrap_err();
    assert!(
        shown.contains("user 1 \"a\" ed25519: expected 43 characters"),
        "{shown}"
    );
}

#[test]
fn a_stranger_is_answered_as_most_users_are() {
    let rounds = |thousands: &str| format!("$A${thousands}$0123456789abcdefghij{}", "x".repeat(43));
    let entry = |name: &str, keys: &str| format!("[[user]]\nname = \"{name}\"\n{keys}\n");
    let (slow, slower) = (rounds("005"), rounds("00A"));
    let mut text = entry("a", &format!("caching-sha2 = \"{slow}\""));
    let decoy = |text: &str| checked(text).unwrap().decoy.shape();
    assert_eq!(decoy(&text).caching_sha2_rounds, Some(5_000));
    assert!(!decoy(&text).native);
    // imported from a server of today
    for name in ["b", "c"] {
        text += &entry(name, &format!("caching-sha2 = \"{slower}\""));
    }
    assert_eq!(decoy(&text).caching_sha2_rounds, Some(10_000));
    for name in ["d", "e", "f"] {
        text += &entry(name, &format!("native = \"{NATIVE}\""));
    }
    let shape = decoy(&text);
    assert_eq!((shape.native, shape.caching_sha2_rounds), (true, None));
    assert_eq!(decoy(""), Shape::default());
}

#[test]
fn a_bad_file_leaves_the_good_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    fs::write(&path, format!("[[user]]\nname = \"a\"\nnative = \"{NATIVE}\"\n")).unwrap();
    let directory = UserDirectory::open(&path, PolicyName::Off).unwrap();
    assert_eq!(directory.current().find(b"a").unwrap().policy(), PolicyName::Off);

    fs::write(&path, "[[user]]\nname = \"b\"\n").unwrap();
    let message = directory.reload().unwrap_err().to_string();
    assert!(
        message.contains("users.toml: user 1 \"b\": has no native"),
        "{message}"
    );
    assert!(directory.current().find(b"a").is_some());

    fs::write(&path, format!("[[user]]\nname = \"b\"\nnative = \"{NATIVE}\"\n")).unwrap();
    assert_eq!(directory.reload().unwrap(), 1);
    assert!(directory.current().find(b"a").is_none());
}

#[test]
fn a_proved_password_survives_a_reload_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    let write = |password: &[u8]| {
        let mut file = UsersFile::open(&path).unwrap();
        let verifiers = Verifiers::make(password, &[Plugin::CachingSha2]);
        if file.set_verifiers("a", &verifiers).is_err() {
            file.add("a", None, false, &verifiers).unwrap();
        }
        file.save().unwrap();
    };
    write(b"one");
    let directory = UserDirectory::open(&path, PolicyName::Strict).unwrap();
    let credential = || directory.find(b"a").unwrap();
    let first = credential();
    directory.reload().unwrap();
    assert!(Arc::ptr_eq(&first, &credential()));
    write(b"two");
    directory.reload().unwrap();
    assert!(!Arc::ptr_eq(&first, &credential()));
    assert!(credential().caching_sha2.as_ref().unwrap().verify(b"two"));
}

#[test]
fn a_change_keeps_comments_and_other_entries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    fs::write(&path, EXAMPLE).unwrap();
    let mut file = UsersFile::open(&path).unwrap();
    let verifiers = Verifiers::make(b"word", &[Plugin::NativePassword, Plugin::CachingSha2]);
    file.add("n\"ew", Some(PolicyName::Off), true, &verifiers)
        .unwrap();
    file.allow_replication("n\"ew").unwrap();
    file.remove("app").unwrap();
    file.set_verifiers("dba", &Verifiers::make(b"word", &[Plugin::NativePassword]))
        .unwrap();
    file.save().unwrap();

    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("# never without TLS, except on the Unix socket"),
        "{text}"
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let users = checked(&text).unwrap();
    let new = users.find(b"n\"ew").unwrap();
    assert!(new.credential().caching_sha2.as_ref().unwrap().verify(b"word"));
    assert_eq!(
        (new.policy(), new.credential().require_tls),
        (PolicyName::Off, true)
    );
    assert!(new.replication());
    assert!(users.find(b"app").is_none());
    let dba = users.find(b"dba").unwrap();
    assert_eq!(
        dba.credential().native,
        Some(native_password::Verifier::make(b"word"))
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn changes_that_cannot_be_made_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    let mut file = UsersFile::open(&path).unwrap();
    let verifiers = Verifiers::make(b"word", &[Plugin::NativePassword]);
    assert!(matches!(file.remove("a"), Err(EditError::Missing(_))));
    file.add("a", None, false, &verifiers).unwrap();
    assert!(matches!(
        file.add("a", None, false, &verifiers),
        Err(EditError::Exists(_))
    ));
    file.add("", None, false, &verifiers).unwrap();
    let message = file.save().unwrap_err().to_string();
    assert!(
        message.starts_with("the file would be refused: user 2"),
        "{message}"
    );
    assert!(!path.exists());
}

#[test]
fn passwords_that_cannot_work_are_refused() {
    assert_eq!(check_password(b"correct horse"), Ok(()));
    for password in [&b""[..], b"a\0b", &[b'x'; 257]] {
        assert!(check_password(password).is_err());
    }
}

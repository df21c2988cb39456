use super::*;

fn learned(changes: &[(&str, &str)]) -> SessionVariables {
    let mut variables = SessionVariables::default();
    for (name, value) in changes {
        assert_eq!(
            variables.learn(name.as_bytes(), value.as_bytes()),
            Learned::Replayed,
            "{name}"
        );
    }
    variables
}

fn rendered(variables: &SessionVariables, since: Version) -> String {
    String::from_utf8(variables.render_set(since).unwrap_or_default()).unwrap()
}

#[test]
fn a_session_without_changes_has_nothing_to_set() {
    let variables = SessionVariables::default();
    assert_eq!(rendered(&variables, Version::default()), "");
}

#[test]
fn numbers_switches_and_strings_are_written_each_in_their_way() {
    let variables = learned(&[
        ("sql_mode", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"),
        ("sql_select_limit", "18446744073709551615"),
        ("max_statement_time", "1.500000"),
        ("sql_notes", "OFF"),
        ("time_zone", "+02:00"),
    ]);
    assert_eq!(
        rendered(&variables, Version::default()),
        "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = '+02:00', \
         max_statement_time = 1.500000, sql_select_limit = 18446744073709551615, sql_notes = OFF"
    );
}

#[test]
fn the_collation_comes_after_the_character_sets() {
    let variables = learned(&[
        ("collation_connection", "latin1_german1_ci"),
        ("character_set_results", ""),
        ("character_set_connection", "latin1"),
        ("character_set_client", "utf8mb4"),
    ]);
    assert_eq!(
        rendered(&variables, Version::default()),
        "SET character_set_client = 'utf8mb4', character_set_connection = 'latin1', \
         character_set_results = NULL, collation_connection = 'latin1_german1_ci'"
    );
}

#[test]
fn the_collation_of_results_is_given_by_names_and_the_rest_put_right_behind_it() {
    let mut variables = learned(&[
        ("character_set_client", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
        ("character_set_results", "latin1"),
        ("collation_connection", "utf8mb4_bin"),
        ("time_zone", "SYSTEM"),
    ]);
    let before = variables.version();
    variables.results_in(Some(b"latin1_german2_ci"));
    let collated = variables.version();
    assert_eq!(
        rendered(&variables, before),
        "SET NAMES 'latin1' COLLATE 'latin1_german2_ci', character_set_client = 'utf8mb4', \
         character_set_connection = 'utf8mb4', collation_connection = 'utf8mb4_bin'"
    );
    variables.results_in(Some(b"latin1_german2_ci"));
    assert_eq!(variables.version(), collated, "the same is no change");
    variables.learn(b"collation_connection", b"utf8mb4_general_ci");
    assert_eq!(
        rendered(&variables, collated),
        "SET collation_connection = 'utf8mb4_general_ci'"
    );
    let before = variables.version();
    variables.results_in(None);
    assert_eq!(
        rendered(&variables, before),
        "SET character_set_client = 'utf8mb4', character_set_connection = 'utf8mb4', \
         character_set_results = 'latin1', collation_connection = 'utf8mb4_general_ci'"
    );
}

#[test]
fn results_that_are_not_converted_have_no_collation_of_their_own() {
    let mut variables = learned(&[("character_set_results", "")]);
    variables.results_in(Some(b"latin1_german2_ci"));
    assert_eq!(
        rendered(&variables, Version::default()),
        "SET character_set_results = NULL"
    );
    variables.results_in(Some(b"it's"));
    assert_eq!(
        rendered(&variables, Version::default()),
        "SET character_set_results = NULL"
    );
}

#[test]
fn a_connection_gets_only_what_is_newer_than_itself() {
    let mut variables = learned(&[("time_zone", "SYSTEM"), ("sql_notes", "OFF")]);
    let worker = variables.version();
    assert_eq!(rendered(&variables, worker), "");
    variables.learn(b"time_zone", b"SYSTEM");
    assert_eq!(rendered(&variables, worker), "", "the same value is no change");
    variables.learn(b"time_zone", b"Europe/Berlin");
    assert_eq!(rendered(&variables, worker), "SET time_zone = 'Europe/Berlin'");
    assert_eq!(
        rendered(&variables, Version::default()),
        "SET time_zone = 'Europe/Berlin', sql_notes = OFF"
    );
}

#[test]
fn what_matters_to_the_manager_alone_changes_nothing() {
    let mut variables = SessionVariables::default();
    for name in [
        "autocommit",
        "last_insert_id",
        "gtid_next",
        "wait_timeout",
        "session_track_gtids",
    ] {
        assert_eq!(variables.learn(name.as_bytes(), b"1"), Learned::Ignored);
    }
    assert_eq!(variables.version(), Version::default());
    assert_eq!(variables.pinned_by(), None);
}

#[test]
fn an_unknown_variable_pins_by_its_name() {
    let mut variables = SessionVariables::default();
    assert_eq!(variables.learn(b"rand_seed1", b"7"), Learned::Pinned);
    assert_eq!(variables.learn(b"debug", b"d"), Learned::Pinned);
    assert_eq!(variables.pinned_by(), Some("rand_seed1"));
}

#[test]
fn values_that_could_break_out_pin() {
    for (name, value) in [
        ("sql_mode", "ANSI', sql_log_bin = '0"),
        ("time_zone", "back\\slash"),
        ("lc_time_names", "a\0b"),
        ("character_set_client", "utf8mb4'"),
        ("sql_select_limit", "1, autocommit = 0"),
        ("sql_select_limit", ""),
        ("max_statement_time", "1."),
        ("sql_notes", "MAYBE"),
        ("time_zone", "Z\u{fc}rich"),
    ] {
        let mut variables = SessionVariables::default();
        assert_eq!(
            variables.learn(name.as_bytes(), value.as_bytes()),
            Learned::Pinned,
            "{name}={value}"
        );
        assert_eq!(rendered(&variables, Version::default()), "");
    }
}

#[test]
fn a_value_beyond_the_limit_pins() {
    let mut variables = SessionVariables::default();
    let long = vec![b'x'; VALUE_BYTES_MAX + 1];
    assert_eq!(variables.learn(b"optimizer_switch", &long), Learned::Pinned);
}

#[test]
fn auto_is_null_may_be_off_but_not_on() {
    let mut variables = SessionVariables::default();
    assert_eq!(variables.learn(b"sql_auto_is_null", b"OFF"), Learned::Replayed);
    assert_eq!(variables.learn(b"sql_auto_is_null", b"ON"), Learned::Pinned);
}

fn from(variables: &SessionVariables, snapshot: &Snapshot) -> String {
    String::from_utf8(variables.render_set_from(snapshot).unwrap_or_default()).unwrap()
}

#[test]
fn a_connection_of_another_session_gets_what_differs() {
    let theirs = learned(&[("sql_mode", "ANSI_QUOTES"), ("time_zone", "+02:00")]);
    let ours = learned(&[
        ("time_zone", "+02:00"),
        ("sql_mode", ""),
        ("group_concat_max_len", "9"),
    ]);
    assert!(ours.can_follow(&theirs.snapshot()));
    assert_eq!(
        from(&ours, &theirs.snapshot()),
        "SET sql_mode = '', group_concat_max_len = 9"
    );
    assert_eq!(from(&ours, &ours.snapshot()), "");
    assert!(
        !theirs.can_follow(&ours.snapshot()),
        "what group_concat_max_len would be is not known"
    );
    assert_eq!(
        from(&ours, &Snapshot::default()),
        rendered(&ours, Version::default())
    );
}

#[test]
fn the_collation_of_results_goes_with_its_session() {
    let names = [
        ("character_set_client", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
        ("character_set_results", "utf8mb4"),
        ("collation_connection", "utf8mb4_bin"),
    ];
    let plain = learned(&names);
    let mut collated = learned(&names);
    collated.results_in(Some(b"utf8mb4_bin"));
    assert!(from(&collated, &plain.snapshot()).starts_with("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'"));
    assert!(plain.can_follow(&collated.snapshot()));
    assert_eq!(
        from(&plain, &collated.snapshot()),
        "SET character_set_results = 'utf8mb4'"
    );
    let untouched = SessionVariables::default();
    assert!(!untouched.can_follow(&collated.snapshot()));
}

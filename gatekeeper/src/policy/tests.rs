use statement::{LexMode, facts};
use wire::command::CommandCode;

use super::*;

const STRICT_ENFORCED: Profile = Profile {
    policy: PolicyName::Strict,
    mode: PolicyMode::Enforce,
    replication: false,
};
const STRICT_DETECTED: Profile = Profile {
    policy: PolicyName::Strict,
    mode: PolicyMode::Detect,
    replication: false,
};
const OFF: Profile = Profile {
    policy: PolicyName::Off,
    mode: PolicyMode::Enforce,
    replication: false,
};

fn judged(sql: &str, profile: Profile) -> Verdict {
    decide(&facts(sql.as_bytes(), LexMode::default()), profile)
}

/// The rule that refuses a statement, if one does.
fn rule(sql: &str) -> Option<Rule> {
    match judged(sql, STRICT_ENFORCED) {
        Verdict::Allow(_) => None,
        Verdict::Refuse(refusal) => Some(refusal.rule()),
        Verdict::Detect { .. } => panic!("detected where it is enforced"),
    }
}

#[test]
fn the_strict_rules() {
    for (sql, expected) in [
        ("DROP TABLE t", Rule::DropTable),
        ("drop /* x */ table if exists `a`.`b`, c", Rule::DropTable),
        ("/*!50000 DROP TABLE t */", Rule::DropTable),
        ("SELECT 1; DROP TABLE t", Rule::DropTable),
        ("CREATE OR REPLACE TABLE t (a INT)", Rule::ReplaceTable),
        ("DROP DATABASE d", Rule::DropSchema),
        ("DROP SCHEMA IF EXISTS d", Rule::DropSchema),
        ("DROP TABLE t; DROP SCHEMA d", Rule::DropSchema),
        ("TRUNCATE TABLE t", Rule::Truncate),
        ("truncate t", Rule::Truncate),
        ("DELETE FROM t", Rule::DeleteWithoutWhere),
        ("DELETE a FROM a JOIN b ON a.id = b.id", Rule::DeleteWithoutWhere),
        ("DELETE FROM t LIMIT 10", Rule::DeleteWithoutWhere),
        ("DELETE FROM t WHERE 1 = 1", Rule::DeleteWhereConstant),
        ("PREPARE p FROM 'DROP TABLE t'", Rule::DropTable),
        ("FROBNICATE t", Rule::Unparsed),
        ("SELECT 'open", Rule::Unparsed),
        ("PREPARE p FROM @text", Rule::Unparsed),
    ] {
        assert_eq!(rule(sql), Some(expected), "{sql}");
    }
}

#[test]
fn what_the_strict_policy_lets_pass() {
    for sql in [
        "SELECT 'DROP TABLE t'",
        "SELECT 1 -- DROP TABLE t",
        "INSERT INTO t VALUES ('DELETE FROM t')",
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET a = 1",
        "DROP TEMPORARY TABLE t",
        "CREATE TABLE t (a INT)",
        "ALTER TABLE t ADD b INT",
        "BEGIN",
        "SET NAMES utf8mb4",
        "CALL p()",
        "PROXY SHOW ROUTE",
        "",
    ] {
        assert_eq!(rule(sql), None, "{sql}");
    }
}

#[test]
fn a_user_without_policy_may_do_everything() {
    for sql in ["DROP DATABASE d", "FROBNICATE t", "DELETE FROM t"] {
        assert_eq!(judged(sql, OFF), Verdict::Allow(Permit::new()), "{sql}");
    }
}

#[test]
fn detection_permits_and_says_which_rule() {
    let Verdict::Detect { permit: _, refusal } = judged("TRUNCATE t", STRICT_DETECTED) else {
        panic!("not detected");
    };
    assert_eq!(refusal.rule(), Rule::Truncate);
    assert_eq!(judged("SELECT 1", STRICT_DETECTED), Verdict::Allow(Permit::new()));
}

#[test]
fn a_refusal_names_the_rule_and_the_way_out() {
    let Verdict::Refuse(refusal) = judged("DELETE FROM t", STRICT_ENFORCED) else {
        panic!("not refused")
    };
    let error = refusal.to_client();
    assert_eq!((error.code, &error.sql_state), (1227, b"42000"));
    assert_eq!(
        error.message,
        "blocked by gatekeeper: rule delete-without-where: DELETE without WHERE removes all rows; \
         add a WHERE clause, or ask an administrator for a user with policy = \"off\""
    );
}

#[test]
fn what_cannot_be_understood_is_explained_without_its_text() {
    let Verdict::Refuse(refusal) = judged("FROBNICATE secret", STRICT_ENFORCED) else {
        panic!("not refused")
    };
    let message = refusal.to_client().message;
    assert!(
        message.contains("(the statement is of no known kind)"),
        "{message}"
    );
    assert!(
        !message.contains("secret") && !message.contains("FROBNICATE"),
        "{message}"
    );
}

#[test]
fn every_message_is_ascii_and_fits_an_error_packet() {
    for rule in Rule::ALL {
        let error = Refusal::of(rule).to_client();
        assert!(error.message.is_ascii(), "{rule}");
        // room for the longest detail
        assert!(
            error.message.len() + 150 <= wire::server_error::MESSAGE_BYTES_MAX,
            "{rule}"
        );
        assert!(
            error.message.starts_with("blocked by gatekeeper: ") || error.code == 1047,
            "{rule}"
        );
    }
}

#[test]
fn every_code_has_a_verdict() {
    let mut judged_by_text = Vec::new();
    for code in (0..=255).map(CommandCode) {
        let (strict, off) = (decide_command(code, STRICT_ENFORCED), decide_command(code, OFF));
        match (&strict, &off) {
            (CommandVerdict::JudgeText, CommandVerdict::JudgeText) => judged_by_text.push(code),
            (CommandVerdict::Allow(_), CommandVerdict::Allow(_)) => {}
            (CommandVerdict::Refuse(refusal), CommandVerdict::Allow(_)) => {
                assert_eq!(refusal.rule(), Rule::CommandNotAllowed, "{code:?}");
            }
            (CommandVerdict::Refuse(refusal), CommandVerdict::Refuse(_)) => {
                let expected = match code {
                    CommandCode::BINLOG_DUMP
                    | CommandCode::BINLOG_DUMP_GTID
                    | CommandCode::REGISTER_SLAVE => Rule::ReplicationNotAllowed,
                    CommandCode::CLONE => Rule::CommandNotSupported,
                    _ => Rule::UnknownCommand,
                };
                assert_eq!(refusal.rule(), expected, "{code:?}");
            }
            verdicts => panic!("{code:?}: {verdicts:?}"),
        }
    }
    assert_eq!(judged_by_text, [CommandCode::QUERY, CommandCode::STMT_PREPARE]);
}

#[test]
fn replication_is_refused_even_where_others_are_only_detected() {
    for code in [
        CommandCode::BINLOG_DUMP,
        CommandCode::BINLOG_DUMP_GTID,
        CommandCode::REGISTER_SLAVE,
    ] {
        let CommandVerdict::Refuse(refusal) = decide_command(code, STRICT_DETECTED) else {
            panic!("{code:?} passed");
        };
        assert!(refusal.to_client().message.contains(code.name()));
        let allowed = Profile {
            replication: true,
            ..STRICT_ENFORCED
        };
        assert!(matches!(decide_command(code, allowed), CommandVerdict::Allow(_)));
    }
    let CommandVerdict::Detect { refusal, .. } = decide_command(CommandCode::SHUTDOWN, STRICT_DETECTED)
    else {
        panic!("not detected");
    };
    assert_eq!(refusal.detail().as_deref(), Some("COM_SHUTDOWN"));
}

#[test]
fn an_unknown_code_gets_the_servers_own_words() {
    let CommandVerdict::Refuse(refusal) = decide_command(CommandCode(0x7f), OFF) else {
        panic!("passed")
    };
    assert_eq!(refusal.to_client(), wire::ServerError::unknown_command());
    assert_eq!(refusal.detail().as_deref(), Some("0x7f"));
}

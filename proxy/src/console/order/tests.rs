use super::*;

fn order(text: &str) -> Result<Order, Refusal> {
    let asker = Asker {
        strategy: "random",
        ..Asker::default()
    };
    of(text, &asker)
}

fn sql(text: &str) -> String {
    match order(text) {
        Ok(Order::Select { sql, .. }) => sql,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_show_of_a_table_is_a_select_in_its_own_order() {
    assert_eq!(sql("SHOW NODES"), "SELECT * FROM nodes  ORDER BY role, name");
    assert_eq!(
        sql("show digests where calls > 5 limit 3;"),
        "SELECT * FROM digests where calls > 5 ORDER BY total_ms DESC limit 3"
    );
    assert_eq!(
        sql("SHOW SESSIONS ORDER BY seconds DESC LIMIT 1"),
        "SELECT * FROM sessions ORDER BY seconds DESC LIMIT 1"
    );
    assert_eq!(
        sql("SHOW CONFIG LIKE 'routing.%'"),
        "SELECT * FROM config WHERE name LIKE 'routing.%'"
    );
}

#[test]
fn a_select_names_the_tables_that_it_reads() {
    let text = "SELECT n.name FROM proxy.`nodes` n JOIN POOLS p ON p.node = n.name";
    let Ok(Order::Select { tables, .. }) = order(text) else {
        panic!("no SELECT");
    };
    assert_eq!(tables, [Table::Nodes, Table::Pools]);
}

#[test]
fn what_steers_is_understood() {
    for text in [
        "SET strategy = 'ping'",
        "set GLOBAL strategy=ping",
        "SET @@global.strategy = \"PING\"",
    ] {
        assert_eq!(
            order(text).unwrap(),
            (Order::SetStrategy(Strategy::Ping)),
            "{text}"
        );
    }
    assert_eq!(
        order("SET strategy = round-robin").unwrap(),
        Order::SetStrategy(Strategy::RoundRobin)
    );
    let drain = |drained| {
        Ok(Order::Drain {
            node: "worker1".to_owned(),
            drained,
        })
    };
    assert_eq!(order("DRAIN NODE worker1"), drain(true));
    assert_eq!(order("resume node 'worker1';"), drain(false));
    for text in ["KILL SESSION 12", "KILL 12", "kill connection 12"] {
        assert_eq!(order(text).unwrap(), Order::Kill(12), "{text}");
    }
    assert_eq!(order("RESET DIGESTS"), Ok(Order::ResetDigests));
}

#[test]
fn what_is_wrong_is_told_with_what_there_is() {
    let code = |text: &str| order(text).unwrap_err().code();
    for text in [
        "DROP TABLE nodes",
        "SHOW NOTHING",
        "KILL SESSION me",
        "DRAIN worker1",
        "PROXY SHOW ROUTE",
        "SHOW NODES; SHOW NODES",
    ] {
        assert_eq!(code(text), 1064, "{text}");
    }
    assert!(order("FLUSH").unwrap_err().message.contains("SHOW NODES"));
    assert_eq!(code("SET strategy = 'fast'"), 1231);
    assert_eq!(code("SET stratgey = 'ping'"), 1193);
    assert_eq!(code("DESCRIBE users"), 1146);
}

#[test]
fn what_clients_say_when_they_begin_is_fine() {
    for text in [
        "",
        "SET NAMES utf8mb4",
        "SET autocommit=1",
        "SET SESSION TRANSACTION READ ONLY",
        "SET @@session.sql_mode = ''",
        "SET character_set_results = NULL",
        "/*!40101 SET NAMES utf8 */",
        "BEGIN",
        "COMMIT",
    ] {
        assert_eq!(order(text).unwrap(), Order::Nothing, "{text}");
    }
    for text in [
        "HELP",
        "help 'contents'",
        "SHOW WARNINGS",
        "SHOW ENGINES",
        "DESC nodes",
        "SHOW FULL COLUMNS FROM `nodes`",
        "SHOW CREATE TABLE proxy.nodes",
    ] {
        assert!(matches!(order(text), Ok(Order::Tell(_))), "{text}");
    }
    for text in [
        "SHOW DATABASES",
        "SHOW FULL TABLES FROM `proxy` LIKE 'no%'",
        "SHOW VARIABLES WHERE Variable_name = 'version'",
        "show session variables like 'sql_mode'",
    ] {
        sql(text);
    }
}

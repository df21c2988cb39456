use super::super::replication::Source;
use super::*;

const MANAGER: NodeId = NodeId(0);
const WORKER1: NodeId = NodeId(1);
const WORKER2: NodeId = NodeId(2);

fn address(node: u16) -> Address {
    Address::Tcp {
        host: "db".to_owned(),
        port: 3306 + node,
    }
}

/// What `from n` means: known by id as MariaDB's are, by host and port alone before the first connection, or a stranger.
fn source(of: &str) -> Source {
    let mut source = Source::from_row(&Vec::new());
    match of.split_once(' ') {
        Some(("at", port)) => {
            source.of.host = "DB".to_owned();
            source.of.port = 3306 + port.parse::<u16>().unwrap();
        }
        Some(("stopped", of)) => {
            source = self::source(of);
            source.is_stopped = true;
        }
        Some(("uuid", uuid)) => {
            source.of.identity = Identity::of(Some("77"), Some(uuid));
        }
        _ => {
            source.of.host = "behind a relay".to_owned();
            source.of.identity.server_id = of.parse::<u32>().map_or(99, |node| node + 1);
        }
    }
    source
}

/// A node from words: `rw`, `ro`, `rw from 0`, `ro from at 1`, `ro from stranger`, `rw denied`, `down`, `unasked`,
/// `unchecked`; `from stopped 0` where replication was stopped; with `was a replica` behind it.
fn node(words: &str, number: u16) -> Observed {
    let (words, has_followed) = words
        .strip_suffix(" was a replica")
        .map_or((words, false), |words| (words, true));
    let (state, of) = words.split_once(" from ").unwrap_or((words, ""));
    let knowledge = match state {
        "down" => Knowledge::Unreachable,
        "unasked" => Knowledge::Unasked,
        "unchecked" => Knowledge::NotCheckedYet,
        _ => Knowledge::Answered,
    };
    let uuid = format!("uuid-{number}");
    let last = Observation {
        read_only: state.starts_with("ro"),
        identity: Identity {
            server_id: u32::from(number) + 1,
            uuid: Some(uuid).filter(|_| of.starts_with("uuid")),
        },
        sources: match (state.ends_with("denied"), of) {
            (true, _) => None,
            (false, "") => Some(Vec::new()),
            (false, of) => Some(of.split(" and ").map(source).collect()),
        },
    };
    Observed {
        knowledge,
        last: (knowledge != Knowledge::NotCheckedYet).then_some(last),
        has_followed,
    }
}

fn decided(words: &[&str], manager: NodeId) -> Decision {
    let nodes: Vec<(Address, Observed)> = (0u16..)
        .zip(words)
        .map(|(number, words)| (address(number), node(words, number)))
        .collect();
    let seen: Vec<Seen<'_>> = nodes
        .iter()
        .map(|(address, observed)| Seen { address, observed })
        .collect();
    decide(&seen, manager)
}

#[track_caller]
fn check(manager: NodeId, cases: &[(&[&str], Result<NodeId, Unmanaged>)]) {
    for (words, expected) in cases {
        assert_eq!(decided(words, manager).manager, *expected, "{words:?}");
    }
}

#[test]
fn the_configured_manager_stays_the_manager() {
    check(
        MANAGER,
        &[
            (&["rw"], Ok(MANAGER)),
            (&["rw", "ro from 0", "ro from 0"], Ok(MANAGER)),
            (&["rw", "ro from at 0", "ro from stranger"], Ok(MANAGER)),
            // workers that are down, stand still, or were never set up
            (&["rw", "down", "ro"], Ok(MANAGER)),
            // they can be written to, and follow the manager all the same
            (&["rw", "rw from 0", "rw from 0"], Ok(MANAGER)),
            // a chain, a pair whose nodes follow each other, a cluster that follows another one
            (&["rw", "ro from 0", "ro from 1"], Ok(MANAGER)),
            (&["rw from 1", "ro from 0"], Ok(MANAGER)),
            (&["rw from 1", "rw from 0"], Ok(MANAGER)),
            (&["rw from stranger", "ro from 0"], Ok(MANAGER)),
        ],
    );
}

#[test]
fn where_the_monitor_may_not_ask_the_role_is_what_it_was() {
    check(
        MANAGER,
        &[
            (&["rw denied", "rw denied"], Ok(MANAGER)),
            (&["unasked", "ro from 0"], Ok(MANAGER)),
            (&["down", "rw denied"], Err(Unmanaged::Unreachable)),
            (&["unasked", "rw", "ro from 1"], Err(Unmanaged::TwoWritable)),
        ],
    );
}

#[test]
fn a_manager_that_is_lost_has_its_reason() {
    check(
        MANAGER,
        &[
            (&["down"], Err(Unmanaged::Unreachable)),
            (&["down", "ro from 0", "ro from 0"], Err(Unmanaged::Unreachable)),
            (&["ro"], Err(Unmanaged::ReadOnly)),
            (&["ro", "ro from 0"], Err(Unmanaged::ReadOnly)),
            // forgotten read_only is no promotion
            (&["down", "rw from 0", "ro from 0"], Err(Unmanaged::Unreachable)),
        ],
    );
}

#[test]
fn nothing_is_decided_before_every_node_was_checked() {
    check(
        MANAGER,
        &[
            (&["unchecked", "rw", "ro from 1"], Err(Unmanaged::NotCheckedYet)),
            (&["rw", "unchecked"], Err(Unmanaged::NotCheckedYet)),
        ],
    );
}

#[test]
fn a_promoted_node_is_the_manager_when_the_others_follow_it() {
    check(
        MANAGER,
        &[
            (&["down", "rw", "ro from 1"], Ok(WORKER1)),
            // it was told where to go and has not been there yet
            (&["down", "rw", "ro from at 1"], Ok(WORKER1)),
            (&["down", "rw", "ro from at 7"], Err(Unmanaged::NotConfirmed)),
            (&["down", "rw", "rw from 1"], Ok(WORKER1)),
            (&["down", "rw", "ro from 0"], Err(Unmanaged::NotConfirmed)),
            (&["down", "rw", "ro from stranger"], Err(Unmanaged::NotConfirmed)),
            (
                &["down", "rw", "ro from 1", "ro from 0"],
                Err(Unmanaged::NotConfirmed),
            ),
            (&["down", "rw", "ro from 1", "ro from 2"], Ok(WORKER1)),
            (&["down", "rw", "ro from 1 and stranger"], Ok(WORKER1)),
            (&["down", "rw", "ro from 1 and 0"], Err(Unmanaged::NotConfirmed)),
            // its replication was stopped, and its source not forgotten
            (&["down", "rw from stopped 0", "ro from 1"], Ok(WORKER1)),
            (
                &["down", "ro from stopped 0", "ro from 1"],
                Err(Unmanaged::Unreachable),
            ),
            // one that does not replicate says nothing
            (&["down", "rw", "ro from stopped 0", "ro from 1"], Ok(WORKER1)),
            (&["down", "rw", "ro", "ro from 1"], Ok(WORKER1)),
            // the old one: read-only, or a replica already
            (&["ro", "rw", "ro from 1"], Ok(WORKER1)),
            (&["ro from 1", "rw", "ro from 1"], Ok(WORKER1)),
            (&["rw from 1", "rw", "ro from 1"], Ok(WORKER1)),
        ],
    );
}

#[test]
fn one_that_nobody_follows_must_have_been_a_replica() {
    check(
        MANAGER,
        &[
            (&["down", "rw was a replica"], Ok(WORKER1)),
            (&["down", "rw was a replica", "down"], Ok(WORKER1)),
            // an empty server that is about to be set up
            (&["down", "rw"], Err(Unmanaged::NotConfirmed)),
            (
                &["down", "rw was a replica", "ro from 0"],
                Err(Unmanaged::NotConfirmed),
            ),
        ],
    );
}

#[test]
fn of_two_that_look_like_a_primary_neither_is() {
    check(
        MANAGER,
        &[
            (&["rw", "rw"], Err(Unmanaged::TwoWritable)),
            (&["rw", "rw from stopped 0"], Err(Unmanaged::TwoWritable)),
            (&["rw", "rw", "ro from 1"], Err(Unmanaged::TwoWritable)),
            (&["rw", "rw", "ro from 0"], Err(Unmanaged::TwoWritable)),
            (&["down", "rw", "rw"], Err(Unmanaged::TwoWritable)),
        ],
    );
    assert_eq!(decided(&["rw", "rw", "ro from 0"], MANAGER).primaries, 0b011);
}

#[test]
fn an_old_manager_that_comes_back_is_not_written_to() {
    check(
        WORKER1,
        &[
            (&["rw", "rw", "ro from 1"], Err(Unmanaged::TwoWritable)),
            (&["ro from 1", "rw", "ro from 1"], Ok(WORKER1)),
            (&["rw from at 1", "rw", "ro from 1"], Ok(WORKER1)),
            // it is the only one now, and lacks what was written since
            (&["rw", "down", "ro from 1"], Err(Unmanaged::NotConfirmed)),
            (&["rw", "down", "down"], Err(Unmanaged::NotConfirmed)),
            // promoted again, by hand
            (&["rw was a replica", "down", "ro from 0"], Ok(MANAGER)),
        ],
    );
}

#[test]
fn a_source_is_matched_by_who_it_is_before_where_it_is() {
    let find = |words: &[&str], name: &SourceName| {
        let nodes: Vec<(Address, Observed)> = (0u16..)
            .zip(words)
            .map(|(number, words)| (address(number), node(words, number)))
            .collect();
        let seen: Vec<Seen<'_>> = nodes
            .iter()
            .map(|(address, observed)| Seen { address, observed })
            .collect();
        source_of(&seen, name)
    };
    let by_uuid = SourceName {
        host: "db".to_owned(),
        port: 3306,
        identity: Identity::of(Some("1"), Some("uuid-2")),
    };
    let mysql = ["ro from uuid x", "ro from uuid x", "ro from uuid x"];
    assert_eq!(find(&mysql, &by_uuid), Some(WORKER2));
    let stranger = SourceName {
        identity: Identity::of(Some("1"), Some("uuid-9")),
        ..by_uuid.clone()
    };
    assert_eq!(
        find(&mysql, &stranger),
        None,
        "the same number is not the same server"
    );
    // one that is down since the start is known by its address alone
    assert_eq!(find(&["unchecked", "rw"], &stranger), Some(MANAGER));
    let by_address = SourceName {
        identity: Identity::default(),
        ..by_uuid
    };
    assert_eq!(find(&["rw", "rw"], &by_address), Some(MANAGER));
}

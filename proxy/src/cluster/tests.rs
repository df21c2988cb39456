use super::replication::{Identity, Observation, Source};
use super::topology::Knowledge;
use super::*;

fn cluster() -> Arc<Cluster> {
    let view = view::tests::a_view(&["manager", "worker1", "worker2"]);
    let nodes: Vec<Arc<Node>> = view.nodes().map(|(_, view)| Arc::clone(&view.node)).collect();
    let metrics = NodeMetrics::of_all(&nodes);
    Cluster::new(&nodes, metrics)
}

fn up(cluster: &Cluster, id: u8, ping_us: u64) {
    cluster.update(NodeId(id), |view| {
        view.health = Health::Up;
        view.latency.ping = Some(Duration::from_micros(ping_us));
    });
}

#[test]
fn nothing_serves_before_it_was_checked() {
    let cluster = cluster();
    assert_eq!(cluster.view().healthy_workers(), []);
    assert_eq!(cluster.not_ready_because(), Some("not-checked-yet"));
}

#[test]
fn ready_is_when_the_manager_answers_and_its_greeting_is_known() {
    let cluster = cluster();
    up(&cluster, 0, 100);
    assert_eq!(
        cluster.not_ready_because(),
        Some("the manager's greeting is not known yet")
    );
    let greeted = view::tests::a_view(&["manager"])
        .node(NodeId(0))
        .unwrap()
        .facts
        .clone();
    cluster.update(NodeId(0), |view| view.facts = greeted);
    assert_eq!(cluster.not_ready_because(), Some("not-checked-yet"), "the others");
    all_is_well(&cluster);
    assert_eq!(cluster.not_ready_because(), None);
    says(&cluster, 0, "ro");
    assert_eq!(cluster.not_ready_because(), Some("read-only"));
}

/// What a node's check has found: `rw`, `ro`, with `from n` behind it, or `down`.
fn says(cluster: &Cluster, id: u8, words: &str) -> Role {
    let (state, of) = words.split_once(" from ").unwrap_or((words, ""));
    if state == "down" {
        cluster.update(NodeId(id), |view| {
            view.health = Health::Excluded(Exclusion::Unreachable);
        });
        return cluster.observed(NodeId(id), Some(Knowledge::Unreachable), None);
    }
    let sources = of.parse::<u32>().ok().map(|of| {
        let mut source = Source::from_row(&Vec::new());
        source.of.identity.server_id = of + 1;
        source
    });
    let answer = Observation {
        read_only: state == "ro",
        identity: Identity {
            server_id: u32::from(id) + 1,
            uuid: None,
        },
        sources: Some(sources.into_iter().collect()),
    };
    let role = cluster.observed(NodeId(id), Some(Knowledge::Answered), Some(&answer));
    cluster.update(NodeId(id), |view| view.health = Health::Up);
    role
}

fn all_is_well(cluster: &Cluster) {
    for (id, words) in [(0, "rw"), (1, "ro from 0"), (2, "ro from 0")] {
        says(cluster, id, words);
    }
}

#[test]
fn a_promotion_changes_the_roles_and_the_old_manager_comes_back_as_a_worker() {
    let cluster = cluster();
    all_is_well(&cluster);
    assert!(cluster.view().is_manager(NodeId(0)));
    assert_eq!(cluster.view().healthy_workers(), [NodeId(1), NodeId(2)]);
    says(&cluster, 0, "down");
    assert_eq!(cluster.view().no_manager(), Some(Unmanaged::Unreachable));
    assert_eq!(
        cluster.view().healthy_workers(),
        [NodeId(1), NodeId(2)],
        "reads go on"
    );
    assert!(cluster.set_drained(NodeId(1), true));
    says(&cluster, 2, "ro from 1");
    assert_eq!(says(&cluster, 1, "rw"), Role::Manager);
    let view = cluster.view();
    assert!(view.is_manager(NodeId(1)) && !view.is_manager(NodeId(0)));
    assert_eq!(
        (view.role(NodeId(0)), view.role(NodeId(1))),
        (Role::Worker, Role::Manager)
    );
    assert_eq!(view.healthy_workers(), [NodeId(2)]);
    assert!(!cluster.is_drained(NodeId(1)) && !cluster.set_drained(NodeId(1), true));
    assert_eq!(says(&cluster, 0, "ro from 1"), Role::Worker);
    assert_eq!(cluster.view().healthy_workers(), [NodeId(0), NodeId(2)]);
}

#[test]
fn a_former_manager_serves_no_reads_before_it_was_checked_as_a_worker() {
    let cluster = cluster();
    all_is_well(&cluster);
    says(&cluster, 0, "ro");
    says(&cluster, 2, "ro from 1");
    says(&cluster, 1, "rw");
    let view = cluster.view();
    assert!(view.is_manager(NodeId(1)));
    assert_eq!(view.healthy_workers(), [NodeId(2)]);
    let health = view.node(NodeId(0)).map(|view| view.health);
    assert_eq!(health, Some(Health::Excluded(Exclusion::NotCheckedYet)));
}

#[test]
fn two_that_can_be_written_to_are_both_left_out() {
    let cluster = cluster();
    all_is_well(&cluster);
    says(&cluster, 1, "rw");
    let view = cluster.view();
    assert_eq!(view.no_manager(), Some(Unmanaged::TwoWritable));
    for id in [0, 1] {
        let health = view.node(NodeId(id)).map(|view| view.health);
        assert_eq!(health, Some(Health::Excluded(Exclusion::TwoWritable)));
    }
    assert_eq!(view.healthy_workers(), [NodeId(2)]);
    says(&cluster, 1, "ro from 0");
    assert!(cluster.view().is_manager(NodeId(0)));
}

#[test]
fn one_late_check_is_no_loss_once_a_node_has_answered() {
    let cluster = cluster();
    cluster.observed(NodeId(2), None, None);
    says(&cluster, 0, "rw");
    says(&cluster, 1, "ro from 0");
    assert!(
        cluster.view().is_manager(NodeId(0)),
        "late at first is unreachable"
    );
    cluster.observed(NodeId(0), None, None);
    assert!(cluster.view().is_manager(NodeId(0)));
}

#[tokio::test]
async fn who_needs_a_manager_waits_for_one_and_not_for_ever() {
    const WAIT: Duration = Duration::from_secs(60);
    let cluster = cluster();
    let none = cluster.manager(Duration::from_millis(1)).await;
    assert_eq!(none, Err(Unmanaged::NotCheckedYet));
    let waiting = tokio::spawn({
        let cluster = Arc::clone(&cluster);
        async move { cluster.manager(WAIT).await }
    });
    tokio::task::yield_now().await;
    all_is_well(&cluster);
    assert_eq!(waiting.await.unwrap(), Ok(NodeId(0)));
    assert_eq!(cluster.manager(Duration::ZERO).await, Ok(NodeId(0)));
}

#[test]
fn a_change_is_seen_by_the_next_statement_and_not_by_a_running_one() {
    let cluster = cluster();
    up(&cluster, 1, 100);
    let before = cluster.view();
    cluster.update(NodeId(1), |view| {
        view.health = Health::Excluded(Exclusion::Lagging);
    });
    assert_eq!(before.healthy_workers(), [NodeId(1)]);
    assert_eq!(cluster.view().healthy_workers(), []);
}

#[test]
fn the_nearest_worker_follows_the_latency_after_two_evaluations() {
    let cluster = cluster();
    up(&cluster, 1, 200);
    up(&cluster, 2, 20_200);
    assert_eq!(cluster.view().nearest_worker(), Some(NodeId(1)));
    up(&cluster, 1, 20_200);
    up(&cluster, 2, 200);
    cluster.evaluate_nearest();
    assert_eq!(cluster.view().nearest_worker(), Some(NodeId(1)));
    cluster.evaluate_nearest();
    assert_eq!(cluster.view().nearest_worker(), Some(NodeId(2)));
}

#[test]
fn a_nearest_worker_that_leaves_is_replaced_with_the_same_picture() {
    let cluster = cluster();
    up(&cluster, 1, 200);
    up(&cluster, 2, 20_200);
    cluster.update(NodeId(1), |view| {
        view.health = Health::Excluded(Exclusion::Unreachable);
    });
    assert_eq!(cluster.view().nearest_worker(), Some(NodeId(2)));
    cluster.update(NodeId(2), |view| {
        view.health = Health::Excluded(Exclusion::Unreachable);
    });
    assert_eq!(cluster.view().nearest_worker(), None);
}

#[tokio::test]
async fn a_suspicion_asks_for_a_check_of_a_healthy_node_only() {
    let cluster = cluster();
    let asked = async |id: u8| {
        let asked = cluster.recheck[usize::from(id)].notified();
        tokio::time::timeout(Duration::from_millis(20), asked)
            .await
            .is_ok()
    };
    cluster.suspect(NodeId(1));
    assert!(
        !asked(1).await,
        "a node that is left out is checked at its own pace"
    );
    up(&cluster, 1, 100);
    cluster.suspect(NodeId(1));
    assert!(asked(1).await);
    cluster.suspect(NodeId(9));
}

#[test]
fn a_drained_worker_serves_nothing_until_it_is_resumed_whatever_its_checks_say() {
    let cluster = cluster();
    for (id, ping_us) in [(0, 100), (1, 100), (2, 900)] {
        up(&cluster, id, ping_us);
    }
    cluster.evaluate_nearest();
    assert_eq!(cluster.view().nearest_worker(), Some(NodeId(1)));
    assert!(cluster.set_drained(NodeId(1), true));
    assert!(cluster.is_drained(NodeId(1)) && !cluster.is_drained(NodeId(2)));
    assert_eq!(cluster.view().healthy_workers(), [NodeId(2)]);
    assert_eq!(cluster.view().nearest_worker(), Some(NodeId(2)));
    let health = |id| cluster.view().node(NodeId(id)).map(|view| view.health);
    assert_eq!(health(1), Some(Health::Excluded(Exclusion::Drained)));
    up(&cluster, 1, 100);
    assert_eq!(cluster.view().healthy_workers(), [NodeId(2)]);
    // what is wrong with it is seen all the same
    cluster.update(NodeId(1), |view| {
        view.health = Health::Excluded(Exclusion::Unreachable);
    });
    assert_eq!(health(1), Some(Health::Excluded(Exclusion::Unreachable)));
    up(&cluster, 1, 100);
    assert!(cluster.set_drained(NodeId(1), false));
    assert_eq!(cluster.view().healthy_workers(), [NodeId(1), NodeId(2)]);
    assert!(!cluster.is_drained(NodeId(1)));
}

#[test]
fn the_manager_and_strangers_cannot_be_drained() {
    let cluster = cluster();
    up(&cluster, 0, 100);
    for id in [0, 63, 200] {
        assert!(!cluster.set_drained(NodeId(id), true));
    }
    assert!(!cluster.is_drained(NodeId(1)));
}

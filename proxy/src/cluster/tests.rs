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
    assert_eq!(cluster.not_ready_because(), None);
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

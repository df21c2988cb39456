use super::*;
use daemon::config_file::Secret;

const MANAGER: NodeId = NodeId(0);
const WORKER: NodeId = NodeId(1);

fn account(name: &str) -> Arc<Account> {
    Arc::new(Account {
        name: name.to_owned(),
        password: Secret::new(""),
        consistency: None,
    })
}

fn connection(gatekeeper: u64, id: u32) -> Option<HopConnection> {
    Some(HopConnection { gatekeeper, id })
}

#[test]
fn both_numbers_mean_the_session_until_it_ends() {
    let registry = Arc::new(SessionRegistry::default());
    let asker = registry.register(connection(1, 100), account("app"), Client::default());
    let session = registry.register(connection(1, 101), account("app"), Client::default());
    let manager = session.opened(MANAGER, ThreadId(7));
    let worker = session.opened(WORKER, ThreadId(9));
    for number in [101, 7] {
        let found = registry.find(number, &asker, MANAGER).unwrap();
        assert!(Arc::ptr_eq(&found, session.listed()));
    }
    // a worker's number is nobody's
    assert!(registry.find(9, &asker, MANAGER).is_none());
    assert!(registry.find(101 | 1 << 32, &asker, MANAGER).is_none());
    assert_eq!(session.thread_on(WORKER), Some(ThreadId(9)));
    drop(worker);
    assert_eq!(session.nodes(), [MANAGER]);
    drop((manager, session));
    assert!(registry.find(101, &asker, MANAGER).is_none());
    assert!(registry.find(7, &asker, MANAGER).is_none());
    assert_eq!(lock(&registry.known).by_thread.len(), 0);
}

#[test]
fn the_same_number_of_two_gatekeepers_is_never_mixed_up() {
    let registry = Arc::new(SessionRegistry::default());
    let one = registry.register(connection(1, 100), account("app"), Client::default());
    let other = registry.register(connection(2, 100), account("app"), Client::default());
    let is = |asker: &Registered, wanted: &Registered| {
        Arc::ptr_eq(&registry.find(100, asker, MANAGER).unwrap(), wanted.listed())
    };
    assert!(is(&one, &one) && is(&other, &other));
    let third = registry.register(connection(3, 1), account("app"), Client::default());
    assert!(registry.find(100, &third, MANAGER).is_none());
    drop(other);
    assert!(is(&third, &one));
}

#[test]
fn a_change_of_user_takes_the_number_over() {
    let registry = Arc::new(SessionRegistry::default());
    let before = registry.register(connection(1, 100), account("app"), Client::default());
    let after = registry.register(connection(1, 100), account("other"), Client::default());
    let found = registry.find(100, &before, MANAGER).unwrap();
    assert!(Arc::ptr_eq(&found, after.listed()));
    drop(before);
    assert!(registry.find(100, &after, MANAGER).is_some());
}

#[test]
fn a_thread_that_a_server_gave_again_stays_with_its_new_session() {
    let registry = Arc::new(SessionRegistry::default());
    let before = registry.register(connection(1, 1), account("app"), Client::default());
    let old = before.opened(MANAGER, ThreadId(7));
    let after = registry.register(connection(1, 2), account("app"), Client::default());
    let _new = after.opened(MANAGER, ThreadId(7));
    drop((old, before));
    let found = registry.find(7, &after, MANAGER).unwrap();
    assert!(Arc::ptr_eq(&found, after.listed()));
}

#[test]
fn a_read_is_stopped_once() {
    let registry = Arc::new(SessionRegistry::default());
    let session = registry.register(connection(1, 1), account("app"), Client::default());
    assert_eq!(session.reading(), None);
    let first = session.begin_reading(WORKER);
    assert_eq!(session.begin_reading(WORKER), first, "prepared there, then run");
    assert_eq!(session.reading(), Some(first));
    assert!(first.is_on(WORKER) && !first.is_on(MANAGER));
    session.stop(first);
    assert!(session.is_stopped(first));
    session.end_reading();
    assert_eq!(session.reading(), None);
    let second = session.begin_reading(WORKER);
    assert!(!session.is_stopped(second));
}

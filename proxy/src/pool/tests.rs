use super::*;
use crate::cluster::ClientWay;
use wire::Capabilities;

const NODE: NodeId = NodeId(1);

fn key(account: &str) -> Arc<Key> {
    Arc::new(Key {
        account: account.to_owned(),
        capabilities: Capabilities::NONE,
        collation: 45,
        client_way: ClientWay::default(),
        was_reset: false,
    })
}

fn limits(connections_max: usize) -> PoolLimits {
    PoolLimits {
        connections_max,
        shared_above: connections_max,
        rest_min: Duration::from_secs(3600),
        wait_max: Duration::from_millis(20),
        idle_max: Duration::from_secs(60),
        age_max: Duration::from_secs(3600),
    }
}

/// A connection with its place.
type Connection = (&'static str, Place);

fn any(_: &Connection) -> bool {
    true
}

fn seeker(key: &Arc<Key>) -> Seeker<'_, Connection> {
    Seeker {
        key,
        suits: &any,
        prefers: &any,
    }
}

async fn open(pool: &Pool<Connection>, seeker: &Seeker<'_, Connection>, name: &'static str) -> Connection {
    match pool.admit(NODE, seeker).await {
        Some(Admitted::Open(place)) => (name, place),
        _ => panic!("no room for {name}"),
    }
}

fn name(taken: Option<Connection>) -> Option<&'static str> {
    taken.map(|(name, _)| name)
}

#[tokio::test]
async fn a_session_finds_its_own_connection_as_long_as_nobody_needed_it() {
    let one = PoolLimits {
        shared_above: 2,
        ..limits(1)
    };
    let pool = Pool::new(2, one);
    let (key, first) = (key("app"), pool.owner());
    let connection = open(&pool, &seeker(&key), "one").await;
    pool.rest(NODE, &key, first, Instant::now(), connection);
    assert_eq!(name(pool.take_over(NODE, &seeker(&key))), None);
    let connection = pool.take_own(NODE, first).unwrap();
    pool.rest(NODE, &key, first, Instant::now(), connection);
    let Some(Admitted::Taken(taken)) = pool.admit(NODE, &seeker(&key)).await else {
        panic!("there is one place only");
    };
    assert_eq!(name(Some(taken)), Some("one"));
    assert_eq!(name(pool.take_own(NODE, first)), None);
}

#[tokio::test]
async fn one_that_has_just_come_to_rest_is_its_owners_while_there_are_few() {
    let pool = Pool::new(
        2,
        PoolLimits {
            shared_above: 2,
            ..limits(3)
        },
    );
    let (key, first) = (key("app"), pool.owner());
    let one = open(&pool, &seeker(&key), "one").await;
    pool.rest(NODE, &key, first, Instant::now(), one);
    assert_eq!(name(pool.take_over(NODE, &seeker(&key))), None);
    let two = open(&pool, &seeker(&key), "two").await;
    assert_eq!(name(pool.take_over(NODE, &seeker(&key))), Some("one"));
    drop(two);
    assert_eq!(pool.resting(NODE), 0);
}

#[tokio::test]
async fn accounts_share_places_but_never_a_connection() {
    let pool = Pool::new(2, limits(1));
    let (ours, theirs) = (key("app"), key("dba"));
    let first = pool.owner();
    let connection = open(&pool, &seeker(&ours), "one").await;
    pool.rest(NODE, &ours, first, Instant::now(), connection);
    assert_eq!(name(pool.take_over(NODE, &seeker(&theirs))), None);
    // the resting one makes room
    open(&pool, &seeker(&theirs), "two").await;
    assert_eq!(name(pool.take_own(NODE, first)), None);
}

#[tokio::test]
async fn what_does_not_suit_is_not_taken_over() {
    let pool = Pool::new(2, limits(2));
    let (key, first) = (key("app"), pool.owner());
    let connection = open(&pool, &seeker(&key), "one").await;
    pool.rest(NODE, &key, first, Instant::now(), connection);
    let picky = Seeker {
        suits: &|_: &Connection| false,
        ..seeker(&key)
    };
    let two = open(&pool, &picky, "two").await;
    assert_eq!(name(pool.take_over(NODE, &picky)), None);
    assert_eq!(name(pool.take_own(NODE, first)), Some("one"));
    drop(two);
}

#[tokio::test]
async fn one_of_another_client_is_taken_over_only_when_there_are_many() {
    let few = PoolLimits {
        shared_above: 2,
        rest_min: Duration::ZERO,
        ..limits(3)
    };
    let pool = Pool::new(2, few);
    let (key, first) = (key("app"), pool.owner());
    let one = open(&pool, &seeker(&key), "one").await;
    pool.rest(NODE, &key, first, Instant::now(), one);
    let other = Seeker {
        prefers: &|_: &Connection| false,
        ..seeker(&key)
    };
    assert_eq!(name(pool.take_over(NODE, &other)), None);
    let two = open(&pool, &other, "two").await;
    assert_eq!(name(pool.take_over(NODE, &other)), Some("one"));
    drop(two);
}

#[tokio::test]
async fn who_waits_gets_what_comes_free_and_gives_up_in_time() {
    let pool = Arc::new(Pool::new(2, limits(1)));
    let (key, first) = (key("app"), pool.owner());
    let connection = open(&pool, &seeker(&key), "one").await;
    assert!(pool.admit(NODE, &seeker(&key)).await.is_none(), "in use");
    let waiting = {
        let (pool, key) = (Arc::clone(&pool), Arc::clone(&key));
        tokio::spawn(async move { pool.admit(NODE, &seeker(&key)).await.is_some() })
    };
    tokio::task::yield_now().await;
    pool.rest(NODE, &key, first, Instant::now(), connection);
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn what_is_old_or_rests_for_long_is_closed() {
    let pool = Pool::new(2, limits(2));
    let (key, owner) = (key("app"), pool.owner());
    let connection = open(&pool, &seeker(&key), "one").await;
    let long_ago = Instant::now().checked_sub(Duration::from_secs(3600)).unwrap();
    pool.rest(NODE, &key, owner, long_ago, connection);
    assert_eq!(pool.resting(NODE), 0, "too old to be kept");
    let connection = open(&pool, &seeker(&key), "two").await;
    pool.rest(NODE, &key, owner, Instant::now(), connection);
    pool.reap(Instant::now());
    assert_eq!(pool.resting(NODE), 1);
    pool.reap(Instant::now() + Duration::from_secs(60));
    assert_eq!(pool.resting(NODE), 0);
}

use std::io::{Read, Write};
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::drain::Drained;

/// Greets with `room` or `full`, then waits for the client or the drain.
async fn greet(accepted: Accepted, drain: Drain, seen: Arc<AtomicUsize>) {
    seen.fetch_add(1, Ordering::SeqCst);
    let word: &[u8] = if accepted.permit.is_some() {
        b"room"
    } else {
        b"full"
    };
    let mut started = drain.started();
    match accepted.stream {
        AcceptedStream::Tcp(stream) => {
            assert!(stream.nodelay().unwrap());
            assert!(SockRef::from(&stream).keepalive().unwrap());
            let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
            stream.write_all(word).await.unwrap();
            tokio::select! { () = &mut started => {}, _ = stream.read_u8() => {} }
        }
        AcceptedStream::Unix(stream) => {
            let mut stream = tokio::net::UnixStream::from_std(stream).unwrap();
            stream.write_all(word).await.unwrap();
            tokio::select! { () = &mut started => {}, _ = stream.read_u8() => {} }
        }
    }
}

struct Serving {
    endpoint: Endpoint,
    drain: Drain,
    limit: ConnectionLimit,
    seen: Arc<AtomicUsize>,
    loop_ended: tokio::task::JoinHandle<io::Result<()>>,
}

fn serve(endpoint: &Endpoint, connections_max: usize) -> Serving {
    let listener = Listener::bind(endpoint, SocketMode::EVERYBODY).unwrap();
    let endpoint = listener.endpoint().clone();
    let shards = Arc::new(Shards::start(NonZero::new(2).unwrap(), "test").unwrap());
    let (drain, limit, seen) = (
        Drain::new(),
        ConnectionLimit::new(connections_max),
        Arc::default(),
    );
    let handler = {
        let (drain, seen) = (drain.clone(), Arc::clone(&seen));
        move |accepted| greet(accepted, drain.clone(), Arc::clone(&seen))
    };
    let loop_ended = tokio::spawn(listener.serve(shards, limit.clone(), drain.clone(), handler));
    Serving {
        endpoint,
        drain,
        limit,
        seen,
        loop_ended,
    }
}

fn word<S: Read>(mut stream: S) -> (S, String) {
    let mut word = [0; 4];
    stream.read_exact(&mut word).unwrap();
    (stream, String::from_utf8(word.to_vec()).unwrap())
}

fn connect(endpoint: &Endpoint) -> std::net::TcpStream {
    let Endpoint::Tcp(address) = endpoint else {
        panic!("not TCP")
    };
    std::net::TcpStream::connect(address).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_over_the_limit_are_told_and_let_in_when_there_is_room() {
    let serving = serve(&Endpoint::Tcp("127.0.0.1:0".parse().unwrap()), 1);
    let (mut first, said) = word(connect(&serving.endpoint));
    assert_eq!(said, "room");
    let (_second, said) = word(connect(&serving.endpoint));
    assert_eq!(said, "full");
    first.write_all(b"x").unwrap();
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
    // the client can see the end of its connection before its permit is back
    while serving.limit.live() > 0 {
        tokio::task::yield_now().await;
    }
    let (_third, said) = word(connect(&serving.endpoint));
    assert_eq!(said, "room");
    assert_eq!(serving.seen.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_over_the_limit_is_closed_without_a_handler() {
    let serving = serve(&Endpoint::Tcp("127.0.0.1:0".parse().unwrap()), 0);
    let refused: Vec<_> = (0..REFUSED_AT_ONCE_MAX)
        .map(|_| word(connect(&serving.endpoint)))
        .collect();
    assert!(refused.iter().all(|(_, said)| said == "full"));
    assert_eq!(connect(&serving.endpoint).read(&mut [0; 4]).unwrap(), 0);
    assert_eq!(serving.seen.load(Ordering::SeqCst), REFUSED_AT_ONCE_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_closes_the_door_and_empties_the_house() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let serving = serve(&Endpoint::Unix(path.clone()), 10);
    let (_client, said) = word(UnixStream::connect(&path).unwrap());
    assert_eq!(said, "room");
    assert_eq!(serving.drain.sessions(), 1);
    assert_eq!(serving.drain.finish(Duration::from_secs(5)).await, Drained::Empty);
    serving.loop_ended.await.unwrap().unwrap();
    assert!(!path.exists());
}

//! What clients are greeted with: the real servers' version, collation and capabilities, learned from the
//! proxy in the background and kept on disk for a start while it is down.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use peer::connect::ConnectError;
use serde::{Deserialize, Serialize};
use wire::Capabilities;
use wire::handshake::Greeting;
use wire::limits::VERSION_BYTES_MAX;

use crate::hop::Hop;
use crate::metrics::Metrics;
use crate::users::write_atomically;

/// Between two questions while the proxy does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// Between two questions while it does: an upgrade of the servers is seen this soon.
const REFRESH: Duration = Duration::from_secs(10);
/// The file in `state-dir`.
const FILE: &str = "greeting.toml";

/// What a greeting says about the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreetingFacts {
    /// Byte for byte as the manager sends it.
    pub version: Vec<u8>,
    /// What all nodes and the proxy can do.
    pub capabilities: Capabilities,
    /// The lower byte of the manager's default collation.
    pub collation: u8,
}

impl GreetingFacts {
    fn of(greeting: Greeting) -> Self {
        let Greeting {
            version,
            capabilities,
            collation,
            ..
        } = greeting;
        Self {
            version,
            capabilities,
            collation,
        }
    }
}

/// The facts on disk.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Kept {
    version: String,
    /// Hexadecimal: TOML's integers have a sign.
    capabilities: String,
    collation: u8,
}

/// The last known facts, and how the proxy is.
#[derive(Debug)]
pub struct Greetings {
    file: PathBuf,
    state: ArcSwap<State>,
}

#[derive(Debug, Clone)]
struct State {
    facts: Option<Arc<GreetingFacts>>,
    /// When the proxy said them; `None` for those from disk.
    said: Option<Instant>,
    /// Why the proxy did not answer the last question.
    trouble: Option<String>,
}

impl Greetings {
    /// Begins with what the last run has kept, if that can be read.
    pub fn open(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE);
        let facts = match read(&file) {
            Ok(facts) => Some(Arc::new(facts)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the last greeting cannot be read; it is learned anew");
                None
            }
        };
        let trouble = Some("the proxy has not been asked yet".to_owned());
        Self {
            file,
            state: ArcSwap::from_pointee(State {
                facts,
                said: None,
                trouble,
            }),
        }
    }

    /// What to greet with; `None` until the proxy has answered for the first time.
    pub fn facts(&self) -> Option<Arc<GreetingFacts>> {
        self.state.load().facts.clone()
    }

    /// Whether the proxy answered the last question; if not, why.
    pub fn ready(&self) -> Result<(), String> {
        match &self.state.load().trouble {
            None => Ok(()),
            Some(trouble) => Err(trouble.clone()),
        }
    }

    /// Asks the proxy again and again, for ever.
    pub async fn watch(&self, hop: &Hop, metrics: &Metrics) {
        loop {
            let wait = match hop.greeting().await {
                Ok(greeting) => {
                    self.learn(GreetingFacts::of(greeting));
                    REFRESH
                }
                Err(error) => {
                    self.note(&error);
                    RETRY
                }
            };
            if let Some(said) = self.state.load().said {
                metrics.greeting_age(said.elapsed());
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn learn(&self, facts: GreetingFacts) {
        let before = self.state.load();
        let new = before.facts.as_deref() != Some(&facts);
        if before.trouble.is_some() {
            tracing::info!("the proxy answers");
        }
        let facts = match &before.facts {
            Some(known) if !new => Arc::clone(known),
            _ => Arc::new(facts),
        };
        let state = State {
            facts: Some(Arc::clone(&facts)),
            said: Some(Instant::now()),
            trouble: None,
        };
        self.state.store(Arc::new(state));
        if new {
            tracing::info!(
                version = %String::from_utf8_lossy(&facts.version),
                capabilities = ?facts.capabilities,
                "what the servers can do has been learned"
            );
            if let Err(error) = write(&self.file, &facts) {
                // the next start has to wait for the proxy, nothing worse
                tracing::warn!(file = %self.file.display(), %error, "the greeting cannot be kept on disk");
            }
        }
    }

    fn note(&self, error: &ConnectError) {
        let trouble = format!("the proxy does not answer: {error}");
        let before = self.state.load();
        if before.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(%error, "the proxy does not answer; it is asked again every second");
        }
        let state = State {
            trouble: Some(trouble),
            ..State::clone(&before)
        };
        self.state.store(Arc::new(state));
    }
}

fn read(file: &Path) -> io::Result<GreetingFacts> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let kept: Kept =
        toml::from_str(&fs::read_to_string(file)?).map_err(|error| invalid(error.message().to_owned()))?;
    let capabilities =
        u64::from_str_radix(&kept.capabilities, 16).map_err(|error| invalid(error.to_string()))?;
    if kept.version.is_empty() || kept.version.len() > VERSION_BYTES_MAX || kept.version.contains('\0') {
        return Err(invalid("the version is no version".to_owned()));
    }
    let (version, collation) = (kept.version.into_bytes(), kept.collation);
    Ok(GreetingFacts {
        version,
        capabilities: Capabilities(capabilities),
        collation,
    })
}

fn write(file: &Path, facts: &GreetingFacts) -> io::Result<()> {
    let version = String::from_utf8(facts.version.clone()).map_err(io::Error::other)?;
    let capabilities = format!("{:x}", facts.capabilities.0);
    let kept = Kept {
        version,
        capabilities,
        collation: facts.collation,
    };
    write_atomically(file, toml::to_string(&kept).map_err(io::Error::other)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use daemon::listener::Endpoint;
    use peer::proof::Secret;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;
    use wire::handshake::Nonce;
    use wire::{ServerError, StatusFlags};

    use super::*;
    use crate::config::Proxy;

    fn greeting(plugin: &[u8]) -> Vec<u8> {
        let greeting = Greeting {
            version: b"8.4.0-test".to_vec(),
            connection_id: 1,
            nonce: Nonce([7; 20]),
            capabilities: Capabilities::PLUGIN_AUTH
                | Capabilities::LONG_PASSWORD
                | Capabilities::DEPRECATE_EOF,
            collation: 255,
            status: StatusFlags::AUTOCOMMIT,
            auth_plugin: plugin.to_vec(),
        };
        let mut bytes = Vec::new();
        wire::frame::encode_with(&mut bytes, 0, |out| greeting.encode(out));
        bytes
    }

    /// A proxy that says `bytes` to everybody.
    fn proxy(path: &Path, bytes: Vec<u8>) -> tokio::task::JoinHandle<()> {
        let listener = UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(&bytes).await.unwrap();
            }
        })
    }

    fn hop(path: &Path) -> Hop {
        let proxy = Proxy {
            endpoint: Endpoint::Unix(path.to_owned()),
            secret: Some(Secret::new(b"0123456789abcdef").unwrap()),
            compression: Capabilities::NONE,
            tls: None,
        };
        Hop::new(&proxy, Duration::from_millis(500), Duration::from_millis(500)).unwrap()
    }

    #[tokio::test]
    async fn facts_are_learned_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("p");
        proxy(&socket, greeting(peer::proof::PLUGIN));
        let greetings = Greetings::open(folder.path());
        assert_eq!(greetings.facts(), None);
        assert!(greetings.ready().unwrap_err().contains("not been asked"));
        let learned = async {
            while greetings.facts().is_none() {
                tokio::task::yield_now().await;
            }
        };
        let (hop, metrics) = (hop(&socket), Metrics::resolve());
        tokio::select! {
            () = learned => {}
            () = greetings.watch(&hop, &metrics) => {}
        }
        assert_eq!(greetings.ready(), Ok(()));
        let facts = greetings.facts().unwrap();
        assert_eq!(
            (facts.version.as_slice(), facts.collation),
            (&b"8.4.0-test"[..], 255)
        );
        let again = Greetings::open(folder.path());
        assert_eq!(again.facts(), Some(facts));
        assert!(again.ready().is_err());
    }

    #[tokio::test]
    async fn a_proxy_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = hop(&folder.path().join("nobody"));
        assert!(matches!(missing.greeting().await, Err(ConnectError::Io(_))));

        let database = folder.path().join("database");
        proxy(&database, greeting(b"caching_sha2_password"));
        assert!(matches!(
            hop(&database).greeting().await,
            Err(ConnectError::NotProven)
        ));

        let full = folder.path().join("full");
        let mut refusal = Vec::new();
        ServerError::too_many_connections().encode_in_place_of_greeting(&mut refusal);
        proxy(&full, refusal);
        assert!(matches!(
            hop(&full).greeting().await,
            Err(ConnectError::Refused { code: 1040, .. })
        ));

        let garbage = folder.path().join("garbage");
        proxy(&garbage, vec![0xff; 64]);
        assert!(matches!(
            hop(&garbage).greeting().await,
            Err(ConnectError::Handshake(_))
        ));

        let silent = folder.path().join("silent");
        let _listener = UnixListener::bind(&silent).unwrap();
        assert!(matches!(
            hop(&silent).greeting().await,
            Err(ConnectError::Timeout)
        ));
    }

    #[test]
    fn trouble_does_not_forget_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let facts = GreetingFacts {
            version: b"x".to_vec(),
            capabilities: Capabilities::NONE,
            collation: 8,
        };
        write(&folder.path().join(FILE), &facts).unwrap();
        let greetings = Greetings::open(folder.path());
        greetings.note(&ConnectError::Timeout);
        assert_eq!(
            greetings.ready().unwrap_err(),
            "the proxy does not answer: failed to connect in time"
        );
        assert_eq!(greetings.facts().as_deref(), Some(&facts));
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        for content in [
            "version = 5",
            "",
            "version = \"\"\ncapabilities = \"0\"\ncollation = 1\n",
        ] {
            fs::write(folder.path().join(FILE), content).unwrap();
            assert_eq!(Greetings::open(folder.path()).facts(), None);
        }
    }
}

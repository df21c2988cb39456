//! From what is written to what can be run.

use std::fs::File;
use std::net::SocketAddr;
use std::num::NonZero;
use std::ops::{BitOr, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::config_file::{Problems, secret_file};
use daemon::listener::Endpoint;
use daemon::shards::Shards;
use daemon::telemetry::{LogOptions, Logs};
use peer::proof::Secret;
use wire::Capabilities;
use wire::compressed::ZstdLevel;

use super::{
    Compression, Config, GatekeeperNumber, Limits, Network, Policy, Proxy, ProxyTls, Tls, TlsIdentity, raw,
};

/// More threads than any machine has cores for: a typing error.
const SHARDS_MAX: usize = 1024;
const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Bytes for statements that do not fit into a chunk, of all sessions: a machine of 2 GiB survives it, with as much again
/// for judging one of 64 MiB on each of two shards.
const STATEMENT_MEMORY_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;

pub(super) fn config(raw: raw::Config, folder: &Path) -> Result<Config, Problems> {
    let mut check = Check {
        problems: Problems::new(),
        folder,
    };
    let shards = check.shards(raw.shards);
    let number = check.number(raw.number);
    let listen = check.listen(&raw.listen);
    let proxy_protocol_networks = check.networks(&raw.listen.proxy_protocol_networks);
    let tls = check.tls(&raw.tls);
    let compression = check.compression(&raw.compression);
    let http = check.address("[http] address", &raw.http.address);
    let proxy = check.proxy(&raw.proxy);
    let limits = check.limits(&raw.limits);
    let log = check.log(raw.log);
    let users_file = check.readable("users-file", &raw.users_file);
    let Check { problems, .. } = check;
    let tls = tls.zip(compression);
    match (shards, number, tls, http, proxy, limits, log, users_file) {
        (
            Some(shards),
            Some(number),
            Some((tls, compression)),
            Some(http),
            Some(proxy),
            Some(limits),
            Some(log),
            Some(users_file),
        ) if problems.is_empty() => Ok(Config {
            state_dir: folder.join(raw.state_dir),
            users_file,
            shards,
            number,
            listen,
            proxy_protocol_networks,
            tls,
            compression,
            http,
            proxy,
            policy: Policy {
                default: raw.policy.default,
                mode: raw.policy.mode,
                local_infile: raw.policy.local_infile,
            },
            limits,
            log,
        }),
        _ => Err(problems),
    }
}

/// Collects what is wrong. A part that cannot be made is `None` and has been noted.
struct Check<'a> {
    problems: Problems,
    folder: &'a Path,
}

impl Check<'_> {
    fn shards(&mut self, shards: Option<u16>) -> Option<NonZero<usize>> {
        let Some(shards) = shards else {
            return Some(Shards::count_default());
        };
        let count = NonZero::new(usize::from(shards)).filter(|count| count.get() <= SHARDS_MAX);
        if count.is_none() {
            let sentence = format!("{shards} is not between 1 and {SHARDS_MAX} threads");
            self.problems
                .suggest("shards", sentence, "leave it out for one per core");
        }
        count
    }

    fn number(&mut self, number: u8) -> Option<GatekeeperNumber> {
        let checked = GatekeeperNumber::new(number);
        if checked.is_none() {
            self.problems.add(
                "number",
                format!("{number} is not between 0 and {}", GatekeeperNumber::COUNT - 1),
            );
        }
        checked
    }

    fn listen(&mut self, listen: &raw::Listen) -> Vec<Endpoint> {
        if listen.tcp.is_none() && listen.socket.is_none() {
            let way_out = "write tcp = \"127.0.0.1:3306\", or socket = \"gatekeeper.sock\"";
            self.problems
                .suggest("[listen]", "neither tcp nor socket is given", way_out);
        }
        let tcp = listen
            .tcp
            .as_deref()
            .and_then(|tcp| self.address("[listen] tcp", tcp));
        let socket = listen.socket.as_deref().map(|path| self.folder.join(path));
        tcp.map(Endpoint::Tcp)
            .into_iter()
            .chain(socket.map(Endpoint::Unix))
            .collect()
    }

    fn networks(&mut self, texts: &[String]) -> Vec<Network> {
        let networks = texts.iter().filter_map(|text| {
            let network = text.parse::<Network>();
            self.problems.take("[listen] proxy-protocol-networks", network)
        });
        networks.collect()
    }

    fn tls(&mut self, tls: &raw::Tls) -> Option<Tls> {
        let identity = match (&tls.certificate, &tls.key) {
            (None, None) => TlsIdentity::SelfSigned,
            (Some(certificate), Some(key)) => {
                let certificate = self.readable("[tls] certificate", certificate);
                let key = self.readable("[tls] key", key);
                TlsIdentity::Files {
                    certificate: certificate?,
                    key: key?,
                }
            }
            (certificate, _) => {
                let missing = if certificate.is_some() {
                    "key"
                } else {
                    "certificate"
                };
                let way_out = "give both, or none for a self-signed certificate";
                self.problems.suggest(
                    format!("[tls] {missing}"),
                    "is not given, its partner is",
                    way_out,
                );
                return None;
            }
        };
        Some(match tls.mode {
            raw::TlsMode::Off => Tls::Off,
            raw::TlsMode::Optional => Tls::On {
                required: false,
                identity,
            },
            raw::TlsMode::Required => Tls::On {
                required: true,
                identity,
            },
        })
    }

    fn compression(&mut self, compression: &raw::Compression) -> Option<Compression> {
        let level = self.in_range(
            "[compression] zstd-level-max",
            "as a level",
            u64::from(compression.zstd_level_max),
            u64::from(ZstdLevel::MIN.number())..=u64::from(ZstdLevel::MAX.number()),
        )?;
        let offered = compression.algorithms.iter().map(|algorithm| match algorithm {
            raw::Algorithm::Zlib => Capabilities::COMPRESS,
            raw::Algorithm::Zstd => Capabilities::ZSTD_COMPRESSION,
        });
        Some(Compression {
            offered: offered.fold(Capabilities::NONE, BitOr::bitor),
            zstd_level_max: ZstdLevel::nearest(u8::try_from(level).ok()?),
        })
    }

    fn proxy(&mut self, proxy: &raw::Proxy) -> Option<Proxy> {
        let endpoint = self.proxy_endpoint(proxy);
        let loopback = match &endpoint {
            Some(Endpoint::Tcp(address)) => address.ip().is_loopback(),
            Some(Endpoint::Unix(_)) | None => true,
        };
        let secret = proxy.secret_file.as_deref().map(|path| {
            let path = self.folder.join(path);
            let secret = self.problems.take("[proxy] secret-file", secret_file(&path))?;
            // the same bytes as at the proxy's end, whatever wrote the two files
            self.problems
                .take("[proxy] secret-file", Secret::new(secret.expose().trim_ascii()))
        });
        let host = match &endpoint {
            Some(Endpoint::Tcp(address)) => address.ip().to_string(),
            Some(Endpoint::Unix(_)) | None => String::new(),
        };
        let tls = proxy.tls.as_ref().map(|tls| self.proxy_tls(tls, host));
        if proxy.tls.is_none() && !loopback {
            let sentence = "the proxy is not on this machine: statements and rows would travel in clear";
            let way_out = "add [proxy.tls] with ca, certificate and key";
            self.problems.suggest("[proxy] address", sentence, way_out);
        } else if proxy.tls.is_none() && proxy.secret_file.is_none() {
            let way_out = "give secret-file (the proxy's [gatekeeper] secret-file), or [proxy.tls]";
            self.problems
                .suggest("[proxy]", "nothing proves us to the proxy", way_out);
        }
        if proxy.tls.is_some() && matches!(endpoint, Some(Endpoint::Unix(_))) {
            self.problems.suggest(
                "[proxy.tls]",
                "a Unix socket carries no TLS",
                "remove the section",
            );
        }
        Some(Proxy {
            endpoint: endpoint?,
            secret: transpose(secret)?,
            compression: match proxy.compression {
                raw::HopCompression::Off => Capabilities::NONE,
                raw::HopCompression::Zlib => Capabilities::COMPRESS,
                raw::HopCompression::Zstd => Capabilities::ZSTD_COMPRESSION,
            },
            tls: transpose(tls)?,
        })
    }

    fn proxy_endpoint(&mut self, proxy: &raw::Proxy) -> Option<Endpoint> {
        match (&proxy.address, &proxy.socket) {
            (Some(address), None) => self.address("[proxy] address", address).map(Endpoint::Tcp),
            (None, Some(socket)) => Some(Endpoint::Unix(self.folder.join(socket))),
            (Some(_), Some(_)) => {
                self.problems
                    .suggest("[proxy]", "both address and socket are given", "keep one of them");
                None
            }
            (None, None) => {
                let way_out = "write socket = \"proxy.sock\", or address = \"127.0.0.1:6033\"";
                self.problems
                    .suggest("[proxy]", "neither address nor socket is given", way_out);
                None
            }
        }
    }

    fn proxy_tls(&mut self, tls: &raw::ProxyTls, host: String) -> Option<ProxyTls> {
        let ca = self.readable("[proxy.tls] ca", &tls.ca);
        let certificate = self.readable("[proxy.tls] certificate", &tls.certificate);
        let key = self.readable("[proxy.tls] key", &tls.key);
        let server_name = tls.server_name.clone().unwrap_or(host);
        Some(ProxyTls {
            ca: ca?,
            certificate: certificate?,
            key: key?,
            server_name,
        })
    }

    fn limits(&mut self, limits: &raw::Limits) -> Option<Limits> {
        let connections_max = self.range(
            "connections-max",
            "connections",
            u64::from(limits.connections_max),
            1..=1_000_000,
        );
        let statement_bytes_max = self.range(
            "statement-bytes-max",
            "bytes",
            limits.statement_bytes_max,
            1024..=1 << 30,
        );
        let statement_memory_bytes_max = self.statement_memory(limits);
        let handshake_timeout = self.milliseconds(
            "handshake-timeout-ms",
            limits.handshake_timeout_ms,
            100..=10 * MINUTE_MS,
        );
        let connect_timeout = self.milliseconds(
            "connect-timeout-ms",
            limits.connect_timeout_ms,
            10..=10 * MINUTE_MS,
        );
        let session_timeout = self.milliseconds(
            "session-timeout-ms",
            limits.session_timeout_ms,
            10..=10 * MINUTE_MS,
        );
        let idle_timeout = self.milliseconds("idle-timeout-ms", limits.idle_timeout_ms, 1000..=365 * DAY_MS);
        let read_timeout = self.milliseconds("read-timeout-ms", limits.read_timeout_ms, 100..=DAY_MS);
        let write_timeout = self.milliseconds("write-timeout-ms", limits.write_timeout_ms, 100..=DAY_MS);
        let drain_timeout = self.milliseconds("drain-timeout-ms", limits.drain_timeout_ms, 0..=DAY_MS);
        let facts_cache_bytes_max = self.range(
            "facts-cache-bytes-max",
            "bytes",
            limits.facts_cache_bytes_max,
            1 << 16..=1 << 34,
        );
        Some(Limits {
            connections_max: connections_max?,
            statement_bytes_max: statement_bytes_max?,
            statement_memory_bytes_max: statement_memory_bytes_max?,
            handshake_timeout: handshake_timeout?,
            connect_timeout: connect_timeout?,
            session_timeout: session_timeout?,
            idle_timeout: idle_timeout?,
            read_timeout: read_timeout?,
            write_timeout: write_timeout?,
            drain_timeout: drain_timeout?,
            facts_cache_bytes_max: facts_cache_bytes_max?,
        })
    }

    fn statement_memory(&mut self, limits: &raw::Limits) -> Option<usize> {
        let largest = limits.statement_bytes_max;
        let Some(bytes) = limits.statement_memory_bytes_max else {
            return usize::try_from(largest.max(STATEMENT_MEMORY_BYTES_DEFAULT)).ok();
        };
        if bytes < largest {
            let sentence =
                format!("{bytes} is below statement-bytes-max, {largest}: that one could never be used");
            let way_out = "make it several times statement-bytes-max";
            self.problems
                .suggest("[limits] statement-memory-bytes-max", sentence, way_out);
            return None;
        }
        self.range("statement-memory-bytes-max", "bytes", bytes, 1024..=1 << 40)
    }

    fn log(&mut self, log: raw::Log) -> Option<LogOptions> {
        let lines_per_second_max = log.lines_per_second_max;
        let lines = self.in_range(
            "[log] lines-per-second-max",
            "lines",
            u64::from(lines_per_second_max),
            1..=1_000_000,
        );
        self.problems.take("[log] level", Logs::check_level(&log.level))?;
        lines.map(|_| LogOptions {
            level: log.level,
            lines_per_second_max,
        })
    }

    fn milliseconds(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) -> Option<Duration> {
        self.in_range(&format!("[limits] {key}"), "milliseconds", value, range)
            .map(Duration::from_millis)
    }

    fn range(&mut self, key: &str, unit: &str, value: u64, range: RangeInclusive<u64>) -> Option<usize> {
        let value = self.in_range(&format!("[limits] {key}"), unit, value, range)?;
        usize::try_from(value).ok()
    }

    fn in_range(&mut self, place: &str, unit: &str, value: u64, range: RangeInclusive<u64>) -> Option<u64> {
        if range.contains(&value) {
            return Some(value);
        }
        let sentence = format!(
            "{value} is not between {} and {} {unit}",
            range.start(),
            range.end()
        );
        self.problems.add(place, sentence);
        None
    }

    fn address(&mut self, place: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let sentence = format!("{text:?} is not an IP address with a port");
            self.problems.suggest(
                place,
                sentence,
                "write it like \"127.0.0.1:3306\" or \"[::1]:3306\"",
            );
        }
        address
    }

    /// The full path of a file that must be there.
    fn readable(&mut self, place: &str, path: &Path) -> Option<PathBuf> {
        let path = self.folder.join(path);
        match File::open(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.problems
                    .add(place, format!("cannot read {}: {error}", path.display()));
                None
            }
        }
    }
}

/// A part that may be left out, but must be right when it is there.
fn transpose<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
}

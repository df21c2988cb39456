//! Who comes through the hop.

use wire::Capabilities;
use wire::auth::Password;
use wire::handshake::{HandshakeResponse, Nonce};

use super::{PLUGIN, mac};

const NONCE: &[u8] = b"_gatekeeper_nonce";
const CLIENT_ADDRESS: &[u8] = b"_client_address";
const CLIENT_TLS: &[u8] = b"_client_tls";
/// How the client compresses; nothing where it does not.
const COMPRESSION: &[u8] = b"_gatekeeper_compression";
const COMPRESSIONS: [(&[u8], Capabilities); 2] = [
    (b"zlib", Capabilities::COMPRESS),
    (b"zstd", Capabilities::ZSTD_COMPRESSION),
];
const CONNECTION: &[u8] = b"_gatekeeper_connection";
const KILL: &[u8] = b"_gatekeeper_kill";
/// The value of [`KILL`] that lifts its bound; without it there is one.
const KILL_ANYTHING: &[u8] = b"anything";
/// A response has one byte for a collation, COM_CHANGE_USER two.
const COLLATION: &[u8] = b"_gatekeeper_collation";

/// Names that begin so are ours: a client's own attributes of such names are dropped.
const RESERVED: [&[u8]; 3] = [b"_gatekeeper", CLIENT_ADDRESS, CLIENT_TLS];

/// The number that a client was greeted with, and by whom: two gatekeepers may give out the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HopConnection {
    /// Drawn at random by each gatekeeper process at its start.
    pub gatekeeper: u64,
    /// The connection id of the client's greeting. It stays when COM_CHANGE_USER opens a new hop.
    pub id: u32,
}

impl HopConnection {
    fn encode(self) -> Vec<u8> {
        format!("{:016x}-{}", self.gatekeeper, self.id).into_bytes()
    }

    fn decode(text: &[u8]) -> Option<Self> {
        let (gatekeeper, id) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self {
            gatekeeper: u64::from_str_radix(gatekeeper, 16).ok()?,
            id: id.parse().ok()?,
        })
    }
}

/// What a client may name in a KILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KillReach {
    /// Connections of clients, by their own numbers: every other number is unknown.
    #[default]
    Sessions,
    /// Any thread of the server.
    Anything,
}

/// A client that the gatekeeper has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopIdentity {
    /// The gatekeeper's user.
    pub user: Vec<u8>,
    /// The schema to begin in.
    pub database: Option<Vec<u8>>,
    /// Wanted on the hop; at the proxy's end, what both ends have.
    pub capabilities: Capabilities,
    /// The client's collation, of which a handshake has the lower byte only.
    pub collation: u16,
    /// The client's own attributes.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the client comes from.
    pub client_address: String,
    /// The client's TLS version and cipher.
    pub client_tls: Option<String>,
    /// The flag of the client's compression, or none.
    pub client_compression: Capabilities,
    /// The client's connection, as its greeting has it; none when the other end does not say.
    pub connection: Option<HopConnection>,
    /// What the client may kill.
    pub kill: KillReach,
}

impl HopIdentity {
    /// All attributes: ours first, for the client's own are cut when they are too many.
    fn all_attributes(&self, nonce: Nonce) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::with_capacity(self.attributes.len() + 7);
        all.push((NONCE.to_vec(), mac::hexadecimal(&nonce.0).into_bytes()));
        all.push((CLIENT_ADDRESS.to_vec(), self.client_address.clone().into_bytes()));
        if u8::try_from(self.collation).is_err() {
            all.push((COLLATION.to_vec(), self.collation.to_string().into_bytes()));
        }
        if let Some(tls) = &self.client_tls {
            all.push((CLIENT_TLS.to_vec(), tls.clone().into_bytes()));
        }
        for (name, flag) in COMPRESSIONS {
            if self.client_compression.has(flag) {
                all.push((COMPRESSION.to_vec(), name.to_vec()));
            }
        }
        if let Some(connection) = self.connection {
            all.push((CONNECTION.to_vec(), connection.encode()));
        }
        if self.kill == KillReach::Anything {
            all.push((KILL.to_vec(), KILL_ANYTHING.to_vec()));
        }
        all.extend(
            self.attributes
                .iter()
                .filter(|(name, _)| !is_reserved(name))
                .cloned(),
        );
        all
    }

    /// The response on the hop, its proof still missing.
    pub(super) fn response(&self, capabilities: Capabilities, nonce: Nonce) -> HandshakeResponse {
        HandshakeResponse {
            capabilities,
            packet_bytes_max: 1 << 30,
            collation: self.collation.to_le_bytes()[0],
            user: self.user.clone(),
            auth_response: Password::default(),
            database: self.database.clone(),
            auth_plugin: Some(PLUGIN.to_vec()),
            attributes: self.all_attributes(nonce),
            zstd_level: None,
        }
    }

    /// Reads the response, and the gatekeeper's nonce.
    pub(super) fn from_response(
        response: HandshakeResponse,
        offered: Capabilities,
    ) -> Option<(HopIdentity, Nonce)> {
        let nonce = response.attributes.iter().find(|(name, _)| name == NONCE);
        let nonce = mac::nonce_from_hexadecimal(&nonce?.1)?;
        let HandshakeResponse {
            user,
            database,
            collation,
            attributes,
            ..
        } = response;
        let identity = Self::assemble(
            user,
            database,
            response.capabilities & offered,
            collation,
            attributes,
        );
        Some((identity, nonce))
    }

    fn assemble(
        user: Vec<u8>,
        database: Option<Vec<u8>>,
        capabilities: Capabilities,
        collation: u8,
        attributes: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Self {
        let whole = attributes.iter().find(|(name, _)| name == COLLATION);
        let whole = whole.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
        let collation = whole.unwrap_or_else(|| u16::from(collation));
        let bytes = |wanted: &[u8]| {
            let found = attributes.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_slice())
        };
        let text = |wanted: &[u8]| bytes(wanted).map(|value| String::from_utf8_lossy(value).into_owned());
        let connection = bytes(CONNECTION).and_then(HopConnection::decode);
        let kill = match bytes(KILL) {
            Some(KILL_ANYTHING) => KillReach::Anything,
            _ => KillReach::Sessions,
        };
        let client_compression = COMPRESSIONS
            .into_iter()
            .find(|(name, _)| bytes(COMPRESSION) == Some(*name))
            .map_or(Capabilities::NONE, |(_, flag)| flag);
        let (client_address, client_tls) = (text(CLIENT_ADDRESS).unwrap_or_default(), text(CLIENT_TLS));
        let attributes = attributes
            .into_iter()
            .filter(|(name, _)| !is_reserved(name))
            .collect();
        Self {
            user,
            database,
            capabilities,
            collation,
            attributes,
            client_address,
            client_tls,
            client_compression,
            connection,
            kill,
        }
    }
}

fn is_reserved(name: &[u8]) -> bool {
    RESERVED.iter().any(|reserved| name.starts_with(reserved))
}

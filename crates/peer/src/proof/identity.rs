//! Who comes through the hop.

use wire::Capabilities;
use wire::auth::Password;
use wire::handshake::{HandshakeResponse, Nonce};

use super::{PLUGIN, mac};

const NONCE: &[u8] = b"_gatekeeper_nonce";
const CLIENT_ADDRESS: &[u8] = b"_client_address";
const CLIENT_TLS: &[u8] = b"_client_tls";

/// Names that begin so are ours: a client's own attributes of such names are dropped.
const RESERVED: [&[u8]; 3] = [b"_gatekeeper", CLIENT_ADDRESS, CLIENT_TLS];

/// A client that the gatekeeper has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopIdentity {
    /// The gatekeeper's user.
    pub user: Vec<u8>,
    /// The schema to begin in.
    pub database: Option<Vec<u8>>,
    /// Wanted on the hop; at the proxy's end, what both ends have.
    pub capabilities: Capabilities,
    /// The lower byte of the client's collation.
    pub collation: u8,
    /// The client's own attributes.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the client comes from.
    pub client_address: String,
    /// The client's TLS version and cipher.
    pub client_tls: Option<String>,
}

impl HopIdentity {
    /// All attributes: ours first, for the client's own are cut when they are too many.
    fn all_attributes(&self, nonce: Nonce) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::with_capacity(self.attributes.len() + 3);
        all.push((NONCE.to_vec(), mac::hexadecimal(&nonce.0).into_bytes()));
        all.push((CLIENT_ADDRESS.to_vec(), self.client_address.clone().into_bytes()));
        if let Some(tls) = &self.client_tls {
            all.push((CLIENT_TLS.to_vec(), tls.clone().into_bytes()));
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
            collation: self.collation,
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
        let text = |wanted: &[u8]| {
            let found = attributes.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
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
        }
    }
}

fn is_reserved(name: &[u8]) -> bool {
    RESERVED.iter().any(|reserved| name.starts_with(reserved))
}

//! A server of provider `static`, as it is written in the file: an address, or a table of an
//! address and a weight.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::Count;
use crate::address::Address;
use crate::fleet::Capacity;
use crate::pool::Weight;
use crate::provider::fixed;

/// Per cent of an ordinary server.
type Percent = Count<{ Weight::MIN.percent() as u64 }, { Weight::MAX.percent() as u64 }>;

/// What a server has that nothing is said about.
const ORDINARY: Percent = Count::new(Weight::FULL.percent() as u64);

/// `"127.0.0.1:8001"` or `{ address = "127.0.0.1:8002", weight = 200 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// Its share of the traffic.
    weight: Percent,
}

impl From<Address> for Server {
    fn from(address: Address) -> Self {
        Self { address, weight: ORDINARY }
    }
}

impl From<&Server> for fixed::Server {
    fn from(server: &Server) -> Self {
        let capacity = Capacity::of_percent(server.weight.to_u32());
        Self { address: server.address.clone(), capacity }
    }
}

/// The longer form.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    address: Address,
    #[serde(default = "ordinary")]
    weight: Percent,
}

const fn ordinary() -> Percent {
    ORDINARY
}

impl Serialize for Server {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.weight {
            ORDINARY => self.address.serialize(serializer),
            weight => Written { address: self.address.clone(), weight }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerVisitor)
    }
}

struct ServerVisitor;

impl<'de> Visitor<'de> for ServerVisitor {
    type Value = Server;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "an address in quotes, such as \"127.0.0.1:8080\", or \
             { address = \"127.0.0.1:8080\", weight = 200 }",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Server, E> {
        text.parse::<Address>().map(Server::from).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Server, A::Error> {
        let Written { address, weight } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Server { address, weight })
    }
}

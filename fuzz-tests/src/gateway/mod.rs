//! What reaches the gateway from outside: its file, the requests of its clients, the streams of its upstream.

mod file;
mod request;
mod stream;

pub(crate) use file::target as file;
pub(crate) use request::target as request;
pub(crate) use stream::target as stream;

use enforce_core::Timestamp;
use enforce_prices::PriceTable;

use crate::usage::Bill;

const POLICY: &str = "";
const PRICES: &str = "[[price]]\nmodel = \"m\"\ninput = \"2.5\"\noutput = \"10\"\n";

/// By the prices of the only model.
fn bill() -> Bill {
    let table = PriceTable::parse(PRICES).expect("these prices make sense");
    let prices = table.find("m").expect("its only model").clone();
    Bill { prices, at: Timestamp::ZERO }
}

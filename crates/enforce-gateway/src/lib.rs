//! An OpenAI-compatible gateway that holds its tenants to their limits: the example service over `enforce-core`,
//! `enforce-async` and `enforce-prices`. `docs/gateway.md` describes it.
//!
//! A request is bounded before it is sent, admitted on all limits or refused with what is left and when to come back,
//! passed on, and settled with what it really used, to the token: also if its client goes away, the upstream breaks off,
//! or the budget ends in the middle.

mod chat;
mod completions;
mod config;
mod count;
mod entry;
mod executions;
mod figures;
mod gateway;
mod keys;
mod names;
mod refusal;
mod server;
mod settings;
mod sse;
mod stand_in;
mod stream;
mod upstream;
mod usage;

pub use config::SettingsError;
pub use gateway::Gateway;
pub use settings::Settings;
pub use stand_in::{Sent, StandIn};

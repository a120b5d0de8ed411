//! What a model call costs, to the nano-dollar.
//!
//! A [`PriceTable`] is read from a text: this crate's own TOML format, genai-prices' `data.json`, or LiteLLM's table.
//! [`PriceTable::find`] gives a model's [`ModelPrices`]; they turn the [`TokenUsage`] of a call into its cost, into the
//! [`Actual`](enforce_core::Actual) that settles its hold, and, before the call, into a
//! [`Demand`](enforce_core::Demand) for the most that it can cost.
//!
//! ```
//! use enforce_core::{Clock, Enforcer, ResourceLimits};
//! use enforce_prices::{CachedInside, PriceTable, TokenUsage};
//!
//! let table = PriceTable::parse(
//!     r#"
//!     [[price]]
//!     model = "acme-large"
//!     input = "2.80"       # dollars per million tokens
//!     cache_read = "0.28"
//!     output = "4.20"
//!     "#,
//! )?;
//! let model = table.find("acme-large")?;
//! let (limits, clock) = (ResourceLimits { max_cost_usd: Some("0.02".parse()?), ..Default::default() }, Clock::system());
//! let enforcer = Enforcer::builder().limits(limits).clock(clock.clone()).build()?;
//! let run = enforcer.execution("exec_1", "tenant_acme").register()?;
//!
//! let hold = run.reserve(model.demand(2_036, 500, clock.now())?)?; // at most so many tokens, and what they can cost
//! let reported = CachedInside { prompt_tokens: 2_036, cached_tokens: 320, completion_tokens: 77, ..Default::default() };
//! hold.settle(model.actual(&TokenUsage::try_from(reported)?, clock.now())?); // what it did cost
//! assert_eq!(run.snapshot().cost_nano_usd, 5_217_800);
//!
//! let refused = run.reserve(model.demand(5_000, 500, clock.now())?).unwrap_err(); // $0.0161 would pass $0.02
//! assert_eq!(refused.remaining, 14_782_200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is exact
//!
//! Prices are whole pico-dollars per token, read from decimal text and never through a float; a cost is counted in them
//! and rounded once, half up, to a nano-dollar. What is not known is refused and never guessed: a model that no table
//! has, tokens that the model has no price for, usage that contradicts itself, prices that depend on what is not
//! supported. `docs/prices.md` lists what is read of each format and what is not.

mod clause;
mod date;
mod error;
mod genai;
mod json;
mod litellm;
mod model;
mod own;
mod pico;
mod rows;
mod table;
mod usage;

pub use error::{PriceError, TableError};
pub use model::ModelPrices;
pub use table::PriceTable;
pub use usage::{Billed, CachedBeside, CachedInside, TokenUsage, UsageError};

/// The program in the page on prices compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/prices.md")]
struct Page;

//! What others offer for the same questions. Each file says what its rival does, and where that is more or less than ours.

pub mod budget_context;
pub mod enact;
pub mod governor;
pub mod leaky_bucket;
pub mod llm_budget;
pub mod mutex_map;
pub mod ratelimit;
pub mod semaphore;

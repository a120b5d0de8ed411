//! What the library promises, tested through its public surface alone. A test states one claim by its name and bears
//! the id of its promise where there is one; time stands still unless a test moves it.

#[cfg(test)]
mod api;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod common;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod events;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod forest;
#[cfg(test)]
mod holds;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod overrides;
#[cfg(test)]
mod pauses;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod trees;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod watching;

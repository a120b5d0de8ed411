//! The gateway over real HTTP on the loopback, with a stand-in behind it.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod common;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod load;
#[cfg(test)]
mod pauses;
#[cfg(test)]
mod process;
#[cfg(test)]
mod python;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod waiting;

//! The way of a step allocates nothing: not when it is admitted, not when it is refused, not when it is settled. What
//! changes while it runs leaves nothing behind.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod way_of_a_step;

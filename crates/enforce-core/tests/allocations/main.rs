//! The way of a step allocates nothing: not when it is admitted, not when it is refused, not when it is settled.

#[cfg(test)]
mod way_of_a_step;

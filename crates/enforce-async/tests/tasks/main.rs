//! What tasks are promised: they wait their turn, stop at once, are cut off at their budget, and
//! services answer for them. Time is tokio's, paused: it
//! moves when nobody can go on, to the very next timer.

#[cfg(test)]
mod acquire;
#[cfg(test)]
mod answer;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod common;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod events;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod periods;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod states;
#[cfg(test)]
mod stopped;
#[cfg(test)]
mod streams;

//! enforce-async

//! enforce-loom-tests

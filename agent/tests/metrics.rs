//! Metrics over HTTP, as those who read them find them.

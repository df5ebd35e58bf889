//! Whole frames as text: what a user sees, state by state, size by size and key by key.

mod measure;
mod navigate;
mod pointer;
mod properties;
mod scenes;
mod stage;

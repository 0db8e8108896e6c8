//! How arguments become options, and what the environment says.

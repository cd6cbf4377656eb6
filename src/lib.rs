//! Embedded, ordered key-value engine for Linux on io_uring, thread-per-core.

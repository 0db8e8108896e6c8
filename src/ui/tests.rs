//! What a person and a program see of each report.

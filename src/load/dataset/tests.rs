//! Tests of the dataset readers on small files.

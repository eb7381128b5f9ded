//! An independent checker of certus proofs.

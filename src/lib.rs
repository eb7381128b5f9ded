//! Certus: certified robustness of neural networks, with evidence for every verdict.

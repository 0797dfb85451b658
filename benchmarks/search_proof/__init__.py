"""Proof of the multi-fidelity search: its configurations trained at every length, and searches replayed on the scores.

`python -m benchmarks.search_proof NAME`; docs/search.md explains what is compared.
"""

"""Benchmarks that compare the hub with its alternatives in one run on one machine.

Run `make bench` or `python -m benchmarks`.
"""

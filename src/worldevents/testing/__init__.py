"""Shipped contract suites, and what their tests are made of."""

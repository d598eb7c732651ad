"""Webhooks: what happens is delivered to endpoints of hosts, signed as Standard Webhooks, until each has it."""

"""Mintlify's intermediate form of one operation, as OpenAPI."""

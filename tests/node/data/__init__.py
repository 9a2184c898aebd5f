"""Tests of node.data."""

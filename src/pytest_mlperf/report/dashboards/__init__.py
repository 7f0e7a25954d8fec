"""Dashboards, which keep the results of many sessions: what one must be, and one module each."""

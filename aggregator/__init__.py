"""The service: settings, wiring, cycle, store, scans, alerts, notifications."""

"""What keepers of a service load into Prometheus and Grafana. Data only; nothing here is served."""

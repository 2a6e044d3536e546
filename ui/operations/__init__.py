"""What keepers of a service look at: files for Prometheus and Grafana, and counts of their own."""
